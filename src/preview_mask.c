/*-------------------------------------------------------------------------
 *
 * preview_mask.c
 *	  Showing a request and its answer without the secrets in them.
 *
 *-------------------------------------------------------------------------
 */
#include "preview_mask.h"

#include "common/base64.h"
#include "lib/stringinfo.h"

#include "compat.h"

#define MASK "***"

static void
append_masked(StringInfo out, const char *line, char separator, const char *after)
{
	const char *end = strchr(line, separator);

	appendBinaryStringInfo(out, line, end ? (int) (end - line) : (int) strlen(line));
	appendStringInfo(out, "%s%s", after, MASK);
}

char *
mask_headers(const Server *server, const Credentials *credentials, bool has_body)
{
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	if (has_body)
		appendStringInfoString(&out, "Content-Type: application/json\n");
	foreach(cell, server->headers)
		appendStringInfo(&out, "%s\n", (char *) lfirst(cell));
	foreach(cell, credentials->headers)
	{
		append_masked(&out, lfirst(cell), ':', ": ");
		appendStringInfoChar(&out, '\n');
	}
	if (credentials->userpwd != NULL)
		appendStringInfoString(&out, "Authorization: Basic " MASK "\n");
	if (out.len > 0)
		out.data[--out.len] = '\0';
	return out.data;
}

char *
mask_url(const char *url, const Credentials *credentials)
{
	StringInfoData out;
	ListCell   *cell;

	if (url == NULL)
		return pstrdup("");
	initStringInfo(&out);
	appendStringInfoString(&out, url);
	foreach(cell, credentials->query)
	{
		appendStringInfoChar(&out, strchr(out.data, '?') ? '&' : '?');
		append_masked(&out, lfirst(cell), '=', "=");
	}
	return out.data;
}

static char *
replace_all(const char *text, const char *secret)
{
	StringInfoData out;
	const char *found;

	if (secret[0] == '\0')
		return pstrdup(text);
	initStringInfo(&out);
	while ((found = strstr(text, secret)) != NULL)
	{
		appendBinaryStringInfo(&out, text, (int) (found - text));
		appendStringInfoString(&out, MASK);
		text = found + strlen(secret);
	}
	appendStringInfoString(&out, text);
	return out.data;
}

/* A header's value; of "Bearer token" also the token alone. */
static char *
mask_header_value(const char *text, const char *line)
{
	const char *value = strchr(line, ':');
	const char *token;

	if (value == NULL)
		return pstrdup(text);
	for (value++; *value == ' '; value++)
		;
	token = strncmp(value, "Bearer ", 7) == 0 ? value + 7 : value;
	return replace_all(text, token);
}

static char *
mask_userpwd(const char *text, const char *userpwd)
{
	int			length = (int) strlen(userpwd);
	char	   *encoded = palloc0(pg_b64_enc_len(length) + 1);
	const char *password = strchr(userpwd, ':');

	if (compat_b64_encode(userpwd, length, encoded, pg_b64_enc_len(length)) > 0)
		text = replace_all(text, encoded);
	return replace_all(text, password ? password + 1 : userpwd);
}

char *
mask_text(const char *text, const Credentials *credentials)
{
	char	   *masked = pstrdup(text);
	ListCell   *cell;

	foreach(cell, credentials->headers)
		masked = mask_header_value(masked, lfirst(cell));
	foreach(cell, credentials->query)
	{
		const char *value = strchr(lfirst(cell), '=');

		if (value != NULL)
			masked = replace_all(masked, value + 1);
	}
	if (credentials->userpwd != NULL)
		masked = mask_userpwd(masked, credentials->userpwd);
	return masked;
}
