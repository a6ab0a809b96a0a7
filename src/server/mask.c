/*-------------------------------------------------------------------------
 *
 * mask.c
 *	  Texts without the secrets in them: requests, answers, messages of APIs.
 *
 *-------------------------------------------------------------------------
 */
#include "server/mask.h"

#include "lib/stringinfo.h"

#include "server/secret.h"

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
	{
		appendStringInfo(&out, "%s\n", (char *) lfirst(cell));
	}
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

/* The text, or that much of it that gives enough bytes, with each secret replaced. */
static char *
replace_secrets(const char *text, size_t length, size_t enough, const Secrets *secrets)
{
	const char *end = text + length;
	StringInfoData out;

	initStringInfo(&out);
	while (text < end && (size_t) out.len < enough)
	{
		const char *from = text;
		size_t		secret = 0;

		while (text < end && (size_t) (text - from) < enough &&
			   (secret = secret_length_at(secrets, text, end)) == 0)
			text++;
		appendBinaryStringInfo(&out, from, (int) (text - from));
		if (secret > 0)
			appendStringInfoString(&out, MASK);
		text += secret;
	}
	return out.data;
}

char *
mask_text(const char *utf8, const Credentials *credentials)
{
	return mask_beginning(utf8, strlen(utf8), SIZE_MAX, credentials);
}

char *
mask_beginning(const char *utf8, size_t length, size_t enough, const Credentials *credentials)
{
	return replace_secrets(utf8, length, enough, secrets_of(credentials, false));
}

char *
mask_message(const char *message, const Credentials *credentials)
{
	return replace_secrets(message, strlen(message), SIZE_MAX, secrets_of(credentials, true));
}
