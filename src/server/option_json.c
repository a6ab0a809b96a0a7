/*-------------------------------------------------------------------------
 *
 * option_json.c
 *	  From an option's text to its value: JSON.
 *
 * PostgreSQL's own JSON parser is not for secrets: its CONTEXT quotes its
 * input.  json.c's faults say what and where, but show nothing.  Buffers are
 * malloc'd and therefore freed before anything is raised.
 *
 *-------------------------------------------------------------------------
 */
#include "server/option_reader.h"

#include "json/json.h"
#include "template/template.h"

/* The value as JSON; the text that the slice points into is palloc'd. */
static JsonSlice
parse_json(const ServerOption *option, const char *value, const char *hint)
{
	char	   *text = option_to_utf8(option, value);
	JsonSlice	slice;
	JsonFault	fault;

	if (!json_parse(text, strlen(text), &slice, &fault))
		option_refuse(option, value, psprintf("It is not valid JSON: %s, at byte %zu.",
											  fault.message, fault.offset + 1), hint);
	return slice;
}

/* A string token's decoded form, palloc'd; NULL where it has none. */
static char *
decode_string(JsonSlice string)
{
	ByteBuffer	buffer = {0};
	const char *why;
	bool		decoded = json_decode_string(string, &buffer, &why) && !buffer.failed;
	char	   *text = NULL;

	if (decoded)
		text = pnstrdup(buffer.length > 0 ? buffer.data : "", buffer.length);
	buffer_free(&buffer);
	return text;
}

/* Placeholders' names are checked where a job names its columns, all else here. */
OptionValue
option_read_template(const ServerOption *option, const char *value)
{
	char	   *utf8 = option_to_utf8(option, value);
	TemplateFault fault;

	memset(&fault, 0, sizeof(fault));
	if (!template_check_body(utf8, strlen(utf8), &fault))
		option_refuse_fault(option, value, utf8, &fault);
	return option_text_value(value);
}

/* The next member of an object of strings, palloc'd.  position counts them for messages. */
static bool
next_string_member(const ServerOption *option, JsonCursor *cursor, int *position,
				   char **name, char **text)
{
	JsonSlice	name_token;
	JsonSlice	value_token;

	if (!json_next_member(cursor, &name_token, &value_token))
		return false;
	*position += 1;
	if (json_kind(value_token) != JSON_STRING)
		option_refuse(option, "", psprintf("The value of member %d is not a string.", *position),
					  "Write a JSON object whose values are strings, in double quotes.");
	*name = decode_string(name_token);
	*text = decode_string(value_token);
	if (*name == NULL || *text == NULL)
		option_refuse(option, "",
					  psprintf("Member %d cannot be decoded as text.", *position), NULL);
	return true;
}

static JsonCursor
parse_object(const ServerOption *option, const char *value, const char *hint)
{
	JsonSlice	json = parse_json(option, value, hint);

	if (json_kind(json) != JSON_OBJECT)
		option_refuse(option, value, "It is not a JSON object.", hint);
	return json_members(json);
}

bool
server_headers_contain(const List *headers, const char *name)
{
	ListCell   *cell;
	size_t		length = strlen(name);

	foreach(cell, headers)
	{
		const char *header = lfirst(cell);

		if (pg_strncasecmp(header, name, length) == 0 && header[length] == ':')
			return true;
	}
	return false;
}

/* A token of RFC 7230. */
static bool
header_name_is_valid(const char *name)
{
	static const char allowed[] =
		"!#$%&'*+-.^_`|~0123456789"
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

/* Headers that say how a message is framed are libcurl's business alone. */
static bool
header_is_framing(const char *name)
{
	return pg_strcasecmp(name, "Content-Length") == 0 ||
		pg_strcasecmp(name, "Transfer-Encoding") == 0;
}

/* What sends a request to another host behind the same address: naming hosts is CREATE SERVER's. */
static bool
header_names_host(const char *name)
{
	return pg_strcasecmp(name, "Host") == 0 || pg_strcasecmp(name, "X-Forwarded-Host") == 0 ||
		pg_strcasecmp(name, "Forwarded") == 0;
}

/* By the ends of the names that APIs give to such headers. */
static bool
header_looks_secret(const char *name)
{
	static const char *const ends[] = {
		"authorization", "cookie", "api-key", "api_key", "apikey", "auth-key", "access-key",
		"subscription-key", "auth-token", "access-token", "api-token", "security-token",
		"subscription-token", "secret", "password"
	};
	size_t		length = strlen(name);

	for (int i = 0; i < (int) lengthof(ends); i++)
	{
		size_t		end = strlen(ends[i]);

		if (length >= end && pg_strcasecmp(name + length - end, ends[i]) == 0)
			return true;
	}
	return false;
}

/* Messages count members instead of naming them: names and values may have been swapped. */
static void
check_header(const ServerOption *option, const List *before, int position,
			 const char *name, const char *text)
{
	if (!header_name_is_valid(name))
		option_refuse(option, "",
					  psprintf("The name of member %d is no valid header name.", position),
					  "A header's name consists of ASCII letters, digits and some punctuation, "
					  "without a colon or spaces.");
	if (option_has_control_character(text))
		option_refuse(option, "",
					  psprintf("The value of member %d holds a control character, such as a line "
							   "break.", position), NULL);
	if (text[strspn(text, " ")] == '\0')
		option_refuse(option, "", psprintf("The value of member %d is empty.", position),
					  "Leave out the header.");
	if (header_is_framing(name))
		option_refuse(option, "",
					  psprintf("Member %d is a header that is set from the request itself.",
							   position),
					  "Leave out the header.");
	if (option->context == OPTION_USER_MAPPING && header_names_host(name))
		option_refuse(option, "",
					  psprintf("Member %d is a header that names a host.", position),
					  "Only who makes the server names hosts: its option headers takes that header.");
	if (server_headers_contain(before, name))
		option_refuse(option, "", psprintf("Member %d repeats a header.", position),
					  "Give each header once; case does not count in its name.");
	if (option->context == OPTION_SERVER && header_looks_secret(name))
		option_refuse(option, "",
					  psprintf("Header \"%s\" looks like a secret, and a server's options can be "
							   "read by everyone.", name),
					  "Put it into a user mapping: option bearer_token, or secret_headers.");
}

OptionValue
option_read_headers(const ServerOption *option, const char *value)
{
	OptionValue result = {
		.type = VALUE_LIST,
		.list = NIL
	};
	JsonCursor	cursor = parse_object(option, value,
									  "Write a JSON object such as '{\"X-Tier\": \"batch\"}'.");
	int			position = 0;
	char	   *name;
	char	   *text;

	while (next_string_member(option, &cursor, &position, &name, &text))
	{
		check_header(option, result.list, position, name, text);
		result.list = lappend(result.list, psprintf("%s: %s", name, text));
	}
	return result;
}

/* "name=value", percent-encoded and palloc'd. */
static char *
query_parameter(const char *name, const char *text)
{
	ByteBuffer	buffer = {0};
	char	   *parameter = NULL;

	url_append_encoded(&buffer, name, strlen(name));
	buffer_append_char(&buffer, '=');
	url_append_encoded(&buffer, text, strlen(text));
	if (!buffer.failed)
		parameter = pnstrdup(buffer.data, buffer.length);
	buffer_free(&buffer);
	if (parameter == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"),
				errhidestmt(true));
	return parameter;
}

OptionValue
option_read_query(const ServerOption *option, const char *value)
{
	OptionValue result = {
		.type = VALUE_LIST,
		.list = NIL
	};
	JsonCursor	cursor = parse_object(option, value,
									  "Write a JSON object such as '{\"parameter\": \"value\"}'.");
	int			position = 0;
	char	   *name;
	char	   *text;

	while (next_string_member(option, &cursor, &position, &name, &text))
	{
		if (name[0] == '\0')
			option_refuse(option, value,
						  psprintf("The name of member %d is empty.", position), NULL);
		result.list = lappend(result.list, query_parameter(name, text));
	}
	return result;
}
