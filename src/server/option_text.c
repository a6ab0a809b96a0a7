/*-------------------------------------------------------------------------
 *
 * option_text.c
 *	  From an option's text to its value: text.
 *
 * User names and passwords are sent as UTF-8 and converted here.  URLs,
 * templates and jsonpaths stay in the database's encoding, as the parameters
 * of jobs are that they are joined with or the defaults of.
 *
 *-------------------------------------------------------------------------
 */
#include "server/option_reader.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "convert/path.h"
#include "template/template.h"

#define MAX_URL_LENGTH 8192

OptionValue
option_read_url(const ServerOption *option, const char *value)
{
	char	   *utf8;
	TemplateFault fault;

	if (strlen(value) > MAX_URL_LENGTH)
		option_refuse(option, value, psprintf("It is longer than %d bytes.", MAX_URL_LENGTH), NULL);
	memset(&fault, 0, sizeof(fault));
	utf8 = option_to_utf8(option, value);
	if (!url_check(utf8, &fault) || !template_check_url(utf8, "url", &fault))
		option_refuse_fault(option, value, utf8, &fault);
	return option_text_value(value);
}

/* One of a NULL-terminated list of words, in the list's spelling, or refused. */
static OptionValue
read_word(const ServerOption *option, const char *value, const char *const *words)
{
	StringInfoData hint;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "Write one of:");
	for (int i = 0; words[i] != NULL; i++)
	{
		if (pg_strcasecmp(value, words[i]) == 0)
			return option_text_value(words[i]);
		appendStringInfo(&hint, "%s %s", i > 0 ? "," : "", words[i]);
	}
	appendStringInfoChar(&hint, '.');
	option_refuse(option, value, NULL, hint.data);
}

OptionValue
option_read_method(const ServerOption *option, const char *value)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", NULL};

	return read_word(option, value, methods);
}

OptionValue
option_read_http_version(const ServerOption *option, const char *value)
{
	static const char *const versions[] = {"1.0", "1.1", "2", "2-prior-knowledge", NULL};

	return read_word(option, value, versions);
}

OptionValue
option_read_jsonpath(const ServerOption *option, const char *value)
{
	MemoryContext caller = CurrentMemoryContext;
	Path		path;

	PG_TRY();
	{
		path_compile(value, option->name, &path);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			category;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (category != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
			category != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		option_refuse(option, value, psprintf("It cannot be a path: %s.", error->message),
					  error->hint);
	}
	PG_END_TRY();
	return option_text_value(value);
}

OptionValue
option_read_proxy(const ServerOption *option, const char *value)
{
	static const char *const schemes[] = {
		"http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"
	};
	const char *host = NULL;

	for (int i = 0; i < (int) lengthof(schemes) && host == NULL; i++)
		if (pg_strncasecmp(value, schemes[i], strlen(schemes[i])) == 0)
			host = value + strlen(schemes[i]);
	if (host == NULL || host[strcspn(host, " /?#")] != '\0' || host[0] == '\0' ||
		host[0] == ':' || option_has_control_character(host))
		option_refuse(option, value, NULL,
					  "Write a URL such as 'http://proxy.example.com:3128' or "
					  "'socks5h://proxy.example.com:1080', without a path.");
	if (strchr(host, '@') != NULL)
		option_refuse(option, value, "It holds a user name or password, "
					  "and a server's options can be read by everyone.",
					  "Use a proxy that knows this machine without a password.");
	return option_text_value(value);
}

OptionValue
option_read_file(const ServerOption *option, const char *value)
{
	if (!is_absolute_path(value))
		option_refuse(option, value, NULL,
					  "Write the file's absolute path on the database server.");
	return option_text_value(value);
}

bool
server_token_is_valid(const char *token)
{
	for (const char *p = token; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')	/* bytes above 0x7f are negative or
									 * greater */
			return false;
	return token[0] != '\0';
}

OptionValue
option_read_token(const ServerOption *option, const char *value)
{
	if (!server_token_is_valid(value))
		option_refuse(option, value, NULL,
					  "Write the token alone, without 'Bearer' before it: "
					  "visible ASCII characters, no spaces.");
	return option_text_value(value);
}

OptionValue
option_read_username(const ServerOption *option, const char *value)
{
	if (strchr(value, ':') != NULL || option_has_control_character(value))
		option_refuse(option, value, NULL,
					  "Basic authentication allows neither a colon nor control characters in it.");
	return option_text_value(option_to_utf8(option, value));
}

OptionValue
option_read_password(const ServerOption *option, const char *value)
{
	if (option_has_control_character(value))
		option_refuse(option, value, NULL,
					  "Basic authentication allows no control characters in it.");
	return option_text_value(option_to_utf8(option, value));
}
