/*-------------------------------------------------------------------------
 *
 * option_fuzz.c
 *	  Fuzzing the options of servers and user mappings, and the masking of secrets.
 *
 * The input: options of a server ("name=value", a line each), an empty line,
 * options of a user mapping, an empty line, and an answer to mask.
 *
 * What a reader accepts is safe to hand to libcurl: no line can be smuggled into
 * a header.  No refusal shows anything of a value that may be a secret.  A masked
 * text holds no secret any more.
 *
 *-------------------------------------------------------------------------
 */
#include "backend.h"

#include "fuzz.h"
#include "server/mask.h"
#include "server/server_options.h"

#define MAX_OPTIONS 6
#define MARK "s3cr"				/* where this stands in a value, the value is a secret */

typedef struct Reading
{
	OptionContext context;
	List	   *options;
	void	   *target;
} Reading;

typedef struct Masking
{
	const char *text;
	const Server *server;
	const Credentials *credentials;
	char	   *masked;
	char	   *headers;
	char	   *url;
} Masking;

static void
read_options(void *state)
{
	Reading    *reading = state;

	server_options_read(reading->context, reading->options, reading->target);
}

/* A header or parameter goes out as one line: a name, and a value without a line break. */
static void
check_lines(const List *lines, char separator)
{
	ListCell   *cell;

	foreach(cell, lines)
	{
		const char *line = lfirst(cell);

		must(strchr(line, separator) != NULL && line[0] != separator);
		for (const char *p = line; *p != '\0'; p++)
			must((unsigned char) *p >= ' ' && *p != 0x7f);
		must(separator == '=' || strspn(line, "!#$%&'*+-.^_`|~0123456789"
										"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
			 (size_t) (strchr(line, ':') - line));
	}
}

static void
check_text(const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		must((unsigned char) *text >= ' ' && *text != 0x7f);
}

static void
check_server(const Server *server)
{
	ListCell   *cell;

	check_lines(server->headers, ':');
	check_text(server->proxy);
	must(server->proxy == NULL || strchr(server->proxy, '@') == NULL);
	must(server->max_attempts >= 1 && server->max_attempts <= 1000);
	must(server->timeout_ms >= 1 && server->max_response_size >= 1);
	must(server->max_concurrency >= -1 && server->requests_per_minute != 0);
	foreach(cell, server->not_found)
		must(lfirst_int(cell) >= 100 && lfirst_int(cell) <= 599);
}

static void
check_mapping(const MappingOptions *mapping)
{
	check_lines(mapping->secret_headers, ':');
	check_lines(mapping->secret_query, '=');
	check_text(mapping->username);
	check_text(mapping->password);
	must(mapping->username == NULL || strchr(mapping->username, ':') == NULL);
	for (const char *p = mapping->bearer_token; p != NULL && *p != '\0'; p++)
		must(*p > ' ' && *p <= '~');
}

/* Every error has all its parts; where the value may be a secret none of them shows it. */
static void
check_error(const char *secret)
{
	must(backend_error.sqlerrcode != 0);
	check_message(backend_error.message);
	must(backend_error.detail != NULL || backend_error.hint != NULL);
	if (secret == NULL)
		return;
	must(backend_error.hide_statement && backend_error.hide_context);
	must(strstr(backend_error.message, MARK) == NULL);
	must(backend_error.detail == NULL || strstr(backend_error.detail, MARK) == NULL);
	must(backend_error.hint == NULL || strstr(backend_error.hint, MARK) == NULL);
}

/* Options up to an empty line.  False: the reader refused them. */
static bool
read_part(Input *input, Reading *reading, bool *has_secret)
{
	char	   *line;

	*has_secret = false;
	while (list_length(reading->options) < MAX_OPTIONS && (line = next_line(input)) != NULL)
	{
		char	   *option = pstrdup(line);
		char	   *parts[2] = {option, ""};
		char	   *equals = strchr(option, '=');
		bool		at_end = line[0] == '\0';

		free(line);
		if (at_end)
			break;
		if (!is_utf8(option, strlen(option)))
			continue;			/* the server checks that first */
		if (equals != NULL)
		{
			*equals = '\0';
			parts[1] = equals + 1;
		}
		if (strstr(parts[0], MARK) != NULL)
			continue;			/* an unknown name is shown */
		*has_secret |= strstr(parts[1], MARK) != NULL;
		reading->options = backend_option(reading->options, parts[0], parts[1]);
	}
	return backend_try(read_options, reading);
}

static void
mask(void *state)
{
	Masking    *masking = state;

	masking->masked = mask_text(masking->text, masking->credentials);
	masking->headers = mask_headers(masking->server, masking->credentials, true);
	masking->url = mask_url("http://api.example.com/v1?a=b", masking->credentials);
}

/* As credentials.c puts them together. */
static Credentials
credentials_of(const MappingOptions *mapping)
{
	Credentials credentials = {.headers = mapping->secret_headers, .query = mapping->secret_query};

	if (mapping->bearer_token != NULL)
		credentials.headers = lappend(credentials.headers,
									  psprintf("Authorization: Bearer %s", mapping->bearer_token));
	if (mapping->username != NULL && mapping->password != NULL)
		credentials.userpwd = psprintf("%s:%s", mapping->username, mapping->password);
	return credentials;
}

/* A secret stands in no masked text, also not as JSON; unless in the mask itself. */
static void
check_masked(const char *masked, const char *secret)
{
	ByteBuffer	escaped = {0};

	if (secret == NULL || secret[0] == '\0' || strchr(secret, '*') != NULL)
		return;
	json_append_escaped(&escaped, secret, strlen(secret));
	must(strstr(masked, secret) == NULL);
	must(strstr(masked, escaped.data) == NULL);
	buffer_free(&escaped);
}

static void
check_masking(Input *input, const Server *server, const MappingOptions *mapping)
{
	Credentials credentials = credentials_of(mapping);
	char	   *text = copy_string(input->at, input->end - input->at);
	Masking		masking = {text, server, &credentials, NULL, NULL, NULL};
	ListCell   *cell;

	must(backend_try(mask, &masking));
	check_masked(masking.masked, mapping->bearer_token);
	check_masked(masking.masked, mapping->username != NULL ? mapping->password : NULL);
	foreach(cell, mapping->secret_headers)
	{
		const char *value = strchr(lfirst(cell), ':') + 2;

		if (strcmp(value, "Bearer ") != 0)
			check_masked(masking.masked, value);
	}
	foreach(cell, mapping->secret_query)
	{
		char	   *value = pstrdup(strchr(lfirst(cell), '=') + 1);

		check_masked(masking.masked, value);
		percent_decode(value);
		check_masked(masking.masked, value);
	}
	must(strstr(masking.url, "http://api.example.com/v1?a=b") == masking.url);
	must(credentials.query == NIL || strstr(masking.url, "=***") != NULL);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {(const char *) data, (const char *) data + size};
	Server		server = {.max_concurrency = -1, .requests_per_minute = -1};	/* no limit */
	MappingOptions mapping = {0};
	Reading		server_reading = {OPTION_SERVER, NIL, &server};
	Reading		mapping_reading = {OPTION_USER_MAPPING, NIL, &mapping};
	bool		has_secret;
	bool		good = read_part(&input, &server_reading, &has_secret);

	if (good)
		check_server(&server);
	else
		check_error(NULL);
	if (read_part(&input, &mapping_reading, &has_secret))
	{
		check_mapping(&mapping);
		check_masking(&input, &server, &mapping);
	}
	else
		check_error(has_secret ? MARK : NULL);
	backend_reset();
	return 0;
}
