/*-------------------------------------------------------------------------
 *
 * server_options.c
 *	  The options of servers and user mappings: one table, and how values are read.
 *
 * The validator runs the same readers as the loaders do, so what was accepted
 * by CREATE SERVER can be loaded.  It also runs while a dump is restored,
 * where the library is not preloaded: nothing here uses shared memory or
 * settings.  Results are allocated in the caller's memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "server/server_options.h"

#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"

#include "base/similar.h"
#include "server/option_reader.h"

#define OPTION(name, reader, default_value, description) \
	{#name, OPTION_SERVER, false, option_read_##reader, offsetof(Server, name), \
	 0, 0, default_value, description}

/* May hold a secret by mistake. */
#define SENSITIVE(name, reader, description) \
	{#name, OPTION_SERVER, true, option_read_##reader, offsetof(Server, name), \
	 0, 0, NULL, description}

#define NUMBER(name, reader, minimum, maximum, default_value, description) \
	{#name, OPTION_SERVER, false, option_read_##reader, offsetof(Server, name), \
	 minimum, maximum, default_value, description}

#define DURATION(name, default_value, description) \
	{#name, OPTION_SERVER, false, option_read_duration, offsetof(Server, name##_ms), \
	 1, OPTION_DAY_MS, default_value, description}

#define SECRET(name, reader, description) \
	{#name, OPTION_USER_MAPPING, true, option_read_##reader, offsetof(MappingOptions, name), \
	 0, 0, NULL, description}

/* In the order in which hints list them. */
static const ServerOption option_table[] = {
	SENSITIVE(url, url,
			  "the address that every request goes to or below"),
	OPTION(method, method, "POST",
		   "the HTTP method"),
	OPTION(request, template, NULL,
		   "the default template of a request's body"),
	OPTION(results, jsonpath, NULL,
		   "the default path to an answer's items"),
	OPTION(result_index, jsonpath, NULL,
		   "the default path, in an item, to its row's position in the request"),
	OPTION(content, jsonpath, NULL,
		   "the default path to a string of the answer that itself holds JSON"),
	NUMBER(batch_size, count, 1, PG_INT32_MAX, NULL,
		   "the default number of rows in a request"),
	OPTION(usage, jsonpath, "$.usage.total_tokens",
		   "the path to the tokens that an answer reports as spent"),
	NUMBER(max_concurrency, count, 0, PG_INT32_MAX, NULL,
		   "how many requests may be in flight; 0 sends none"),
	NUMBER(requests_per_minute, count, 1, PG_INT32_MAX, NULL,
		   "how many requests may be sent in a minute"),
	NUMBER(tokens_per_minute, count, 1, PG_INT32_MAX, NULL,
		   "how many tokens may be spent in a minute"),
	DURATION(timeout, "60s",
			 "how long a whole request may take"),
	DURATION(connect_timeout, "10s",
			 "how long connecting may take"),
	NUMBER(max_attempts, count, 1, 1000, "5",
		   "how often a request is tried before its rows fail"),
	DURATION(backoff_base, "1s",
			 "the longest wait before the second attempt; it doubles with each further one"),
	DURATION(backoff_max, "60s",
			 "the longest wait between attempts"),
	NUMBER(max_response_size, size, 1, OPTION_TERABYTE, "64MB",
		   "how large an answer may be"),
	NUMBER(max_request_tokens, count, 1, PG_INT32_MAX, NULL,
		   "how many tokens a request may hold"),
	NUMBER(not_found, statuses, 100, 599, "404,410",
		   "the HTTP statuses that mean that there is no result for a row"),
	SENSITIVE(headers, headers,
			  "the headers to send that are no secret"),
	OPTION(http_version, http_version, NULL,
		   "the version of HTTP to speak"),
	SENSITIVE(proxy, proxy,
			  "the proxy to go through"),
	OPTION(ca_file, file, NULL,
		   "the file of trusted certificate authorities"),
	OPTION(verify_tls, boolean, "true",
		   "whether the API's certificate is checked"),
	OPTION(follow_redirects, boolean, "false",
		   "whether redirects are followed"),

	SECRET(bearer_token, token,
		   "the token to send as \"Authorization: Bearer\""),
	SECRET(secret_headers, headers,
		   "the headers to send that hold secrets"),
	SECRET(secret_query, query,
		   "the query parameters to send that hold secrets"),
	SECRET(username, username,
		   "the user of basic authentication"),
	SECRET(password, password,
		   "the password of basic authentication"),
	SECRET(bearer_token_file, file,
		   "the file that holds the bearer token"),
};

static const ServerOption *
find_option(OptionContext context, const char *name)
{
	for (int i = 0; i < (int) lengthof(option_table); i++)
		if (option_table[i].context == context && strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

/* An option given in the wrong place deserves to be told the right one. */
static char *
unknown_option_hint(OptionContext context, const char *name)
{
	OptionContext other = context == OPTION_SERVER ? OPTION_USER_MAPPING : OPTION_SERVER;
	StringInfoData hint;
	const char *separator = "";
	Similar		similar = similar_to(name);

	initStringInfo(&hint);
	if (find_option(other, name) != NULL)
		appendStringInfo(&hint, "Option \"%s\" belongs to the %s. ", name,
						 other == OPTION_SERVER ? "server" : "user mapping");
	for (int i = 0; i < (int) lengthof(option_table); i++)
		if (option_table[i].context == context)
			similar_consider(&similar, option_table[i].name);
	if (similar.best != NULL)
		appendStringInfo(&hint, "Perhaps you meant \"%s\". ", similar.best);
	appendStringInfoString(&hint, "Valid options in this context are: ");
	for (int i = 0; i < (int) lengthof(option_table); i++)
	{
		if (option_table[i].context != context)
			continue;
		appendStringInfo(&hint, "%s%s", separator, option_table[i].name);
		separator = ", ";
	}
	return hint.data;
}

/* The statement may hold a secret under a mistaken name, in any context. */
pg_noreturn static void
refuse_name(const char *name, const char *hint)
{
	option_drop_context();
	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("invalid option \"%s\"", name),
			errhint("%s", hint),
			errhidestmt(true),
			errhidecontext(true));
}

void
server_options_refuse_all(const List *options)
{
	const DefElem *first = linitial_node(DefElem, options);

	refuse_name(first->defname, "There are no valid options in this context.");
}

static void
store_value(const OptionValue *value, void *field)
{
	switch (value->type)
	{
		case VALUE_TEXT:
			*(char **) field = value->text;
			break;
		case VALUE_INTEGER:
			*(int *) field = (int) value->integer;
			break;
		case VALUE_SIZE:
			*(int64 *) field = value->integer;
			break;
		case VALUE_BOOLEAN:
			*(bool *) field = value->boolean;
			break;
		case VALUE_LIST:
			*(List **) field = value->list;
			break;
	}
}

static void
read_into(const ServerOption *option, const char *text, void *target)
{
	OptionValue value = option->read(option, text);

	store_value(&value, (char *) target + option->field);
}

void
server_options_read(OptionContext context, const List *options, void *target)
{
	ListCell   *cell;

	for (int i = 0; i < (int) lengthof(option_table); i++)
		if (option_table[i].context == context && option_table[i].default_value != NULL)
			read_into(&option_table[i], option_table[i].default_value, target);

	foreach(cell, options)
	{
		DefElem    *given = lfirst_node(DefElem, cell);
		const ServerOption *option = find_option(context, given->defname);

		if (option == NULL)
			refuse_name(given->defname, unknown_option_hint(context, given->defname));
		read_into(option, defGetString(given), target);
	}
}
