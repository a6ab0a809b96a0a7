/*-------------------------------------------------------------------------
 *
 * mask.c
 *	  Texts without the secrets in them: requests, answers, messages of APIs.
 *
 *-------------------------------------------------------------------------
 */
#include "mask.h"

#include "common/base64.h"
#include "lib/stringinfo.h"

#include "compat.h"
#include "json.h"

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

/* A secret as it is, and as it stands inside a JSON string. */
static char *
mask_secret(const char *text, const char *secret)
{
	char	   *masked = replace_all(text, secret);
	ByteBuffer	escaped = {0};

	json_append_escaped(&escaped, secret, strlen(secret));
	if (escaped.failed)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (strcmp(escaped.data, secret) != 0)
		masked = replace_all(masked, escaped.data);
	buffer_free(&escaped);
	return masked;
}

/* A text without its percent-encoding, which url_append_encoded made. */
static char *
percent_decoded(const char *text)
{
	StringInfoData out;

	initStringInfo(&out);
	for (; *text != '\0'; text++)
	{
		unsigned int code = (unsigned char) *text;

		if (*text == '%' && sscanf(text + 1, "%2x", &code) == 1)
			text += 2;
		appendStringInfoChar(&out, (char) code);
	}
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
	return mask_secret(text, token);
}

static char *
mask_userpwd(const char *text, const char *userpwd)
{
	int			length = (int) strlen(userpwd);
	char	   *encoded = palloc0(pg_b64_enc_len(length) + 1);
	const char *password = strchr(userpwd, ':');

	if (compat_b64_encode(userpwd, length, encoded, pg_b64_enc_len(length)) > 0)
		text = replace_all(text, encoded);
	return mask_secret(text, password ? password + 1 : userpwd);
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

		if (value == NULL)
			continue;
		masked = replace_all(masked, value + 1);
		masked = mask_secret(masked, percent_decoded(value + 1));
	}
	if (credentials->userpwd != NULL)
		masked = mask_userpwd(masked, credentials->userpwd);
	return masked;
}
