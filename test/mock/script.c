/*-------------------------------------------------------------------------
 *
 * script.c
 *	  What a request's answer is made to suffer: faults, delays, odd items.
 *
 * Owns the server-wide script, under a mutex; a request works on its own copy,
 * for it may wait while the script is replaced.
 *
 *-------------------------------------------------------------------------
 */
#include "script.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "request.h"
#include "stats.h"

#define DEFAULT_FAILURE 500

typedef enum OptionKind
{
	OPTION_NUMBER,
	OPTION_LATENCY,				/* MS or MIN-MAX: fills the next field too */
	OPTION_TEXT
} OptionKind;

/* One key.  Those that are no fault stay when match does not apply. */
typedef struct Option
{
	const char *name;
	OptionKind	kind;
	bool		fault;
	size_t		offset;			/* of its field in Script */
	int64_t		least;
	int64_t		most;
} Option;

#define NUMBER(name, fault, least, most) \
	{#name, OPTION_NUMBER, fault, offsetof(Script, name), least, most}
#define TEXT(name, fault) \
	{#name, OPTION_TEXT, fault, offsetof(Script, name), 0, 0}
#define MANY INT64_C(1000000000000)

static const Option options[] = {
	{"latency", OPTION_LATENCY, false, offsetof(Script, latency), 0, MANY},
	NUMBER(status, true, 200, 599),
	NUMBER(status_every, true, 0, MANY),
	NUMBER(fail_first, true, 0, MANY),
	NUMBER(reset, true, 0, 1),
	NUMBER(reset_every, true, 0, MANY),
	NUMBER(reset_first, true, 0, MANY),
	NUMBER(cut, true, 0, 1),
	NUMBER(cut_first, true, 0, MANY),
	NUMBER(hang, true, 0, 1),
	NUMBER(hang_first, true, 0, MANY),
	NUMBER(hang_body, true, 0, 1),
	NUMBER(trickle, true, 0, MANY),
	NUMBER(faults_for, false, 0, MANY),
	NUMBER(bad_json, true, 0, 1),
	NUMBER(count, true, -MANY, 1000000),
	NUMBER(shuffle, true, 0, 1),
	NUMBER(no_index, true, 0, 1),
	NUMBER(duplicate_index, true, 0, 1),
	NUMBER(null_items, true, 0, MANY),
	NUMBER(gzip, false, 0, 1),
	NUMBER(raw, false, 0, 1),
	NUMBER(bytes, false, 0, MANY),
	NUMBER(rows, false, 0, 10000000),
	NUMBER(endless, false, 0, 1),
	NUMBER(max_inputs, true, 0, MANY),
	TEXT(retry_after, true),
	TEXT(error_body, true),
	TEXT(require_header, true),
	TEXT(match, false),
	TEXT(redirect, true),
	TEXT(content_type, false),
	TEXT(header, false),
	TEXT(path, false),
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

const Script script_none;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by lock.  The flag is only there to spare most requests the lock. */
static Script current;
static json_t *current_object;
static int64_t current_since;	/* monotonic ms */
static atomic_bool current_set;

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t *
number_field(Script *script, const Option *option)
{
	return (int64_t *) ((char *) script + option->offset);
}

static char **
text_field(Script *script, const Option *option)
{
	return (char **) ((char *) script + option->offset);
}

static void
free_texts(Script *script)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].kind == OPTION_TEXT)
		{
			free(*text_field(script, &options[i]));
			*text_field(script, &options[i]) = NULL;
		}
}

static void
copy_script(Script *to, const Script *from)
{
	*to = *from;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].kind == OPTION_TEXT && *text_field(to, &options[i]) != NULL)
		{
			char	  **field = text_field(to, &options[i]);

			*field = xstrndup(*field, strlen(*field));
		}
}

/* Without the fields that are faults. */
static void
drop_faults(Script *script)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		const Option *option = &options[i];

		if (!option->fault)
			continue;
		if (option->kind == OPTION_TEXT)
		{
			free(*text_field(script, option));
			*text_field(script, option) = NULL;
		}
		else
			*number_field(script, option) = 0;
	}
}

static const Option *
find_option(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* A number at *p, which moves behind it. */
static bool
parse_number(const char **p, const Option *option, int64_t *value)
{
	char	   *end;

	errno = 0;
	*value = strtoll(*p, &end, 10);
	if (end == *p || errno != 0)
		return false;
	*p = end;

	/* 0 takes back a key that the server-wide script sets */
	return *value == 0 || (*value >= option->least && *value <= option->most);
}

static bool
set_option(Script *script, const Option *option, const char *value)
{
	int64_t    *field = number_field(script, option);

	if (option->kind == OPTION_TEXT)
	{
		free(*text_field(script, option));
		*text_field(script, option) = *value != '\0' ? xstrndup(value, strlen(value)) : NULL;
		return true;
	}
	if (!parse_number(&value, option, field))
		return false;
	if (option->kind == OPTION_LATENCY)
	{
		field[1] = field[0];
		if (*value == '-')
		{
			value++;
			if (!parse_number(&value, option, &field[1]))
				return false;
		}
	}
	return *value == '\0';
}

/* A value of the control endpoint's object, as it would stand in a query. */
static bool
set_option_json(Script *script, const Option *option, const json_t *value)
{
	Buffer		text = {0};
	bool		good;

	if (json_is_string(value))
		buffer_append_string(&text, json_string_value(value));
	else if (json_is_integer(value))
		buffer_append_integer(&text, json_integer_value(value));
	else if (json_is_boolean(value))
		buffer_append_integer(&text, json_is_true(value));
	else
		return false;
	buffer_append_char(&text, '\0');
	good = set_option(script, option, text.data);
	buffer_free(&text);
	return good;
}

bool
script_set(json_t *object, Buffer *fault)
{
	Script		script = {0};
	const char *name;
	json_t	   *value;

	json_object_foreach(object, name, value)
	{
		const Option *option = find_option(name);

		if (option != NULL && set_option_json(&script, option, value))
			continue;
		buffer_append_string(fault, option == NULL ? "no such script key: " :
							 "bad value of script key ");
		buffer_append_string(fault, name);
		free_texts(&script);
		return false;
	}
	pthread_mutex_lock(&lock);
	free_texts(&current);
	current = script;
	json_decref(current_object);
	current_object = json_incref(object);
	current_since = now_ms();
	current_set = json_object_size(object) > 0;
	stats_new_script();
	pthread_mutex_unlock(&lock);
	return true;
}

void
script_clear(void)
{
	json_t	   *nothing = json_object();
	Buffer		fault = {0};

	script_set(nothing, &fault);
	json_decref(nothing);
}

json_t *
script_describe(void)
{
	json_t	   *object;

	pthread_mutex_lock(&lock);
	object = current_object != NULL ? json_incref(current_object) : json_object();
	pthread_mutex_unlock(&lock);
	return object;
}

/* Is the path the script's own, or below it? */
static bool
path_is_scripted(const Script *script, const char *path)
{
	size_t		length;

	if (script->path == NULL)
		return true;
	length = strlen(script->path);
	return strncmp(path, script->path, length) == 0 &&
		(path[length] == '\0' || path[length] == '/' || script->path[length - 1] == '/');
}

/* What a walk over the query fills. */
typedef struct QueryWalk
{
	Script	   *script;
	Buffer	   *fault;
} QueryWalk;

static enum MHD_Result
set_from_query(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	QueryWalk  *walk = cls;
	const Option *option = find_option(name);

	(void) kind;
	if (option == NULL || strcmp(name, "path") == 0)
		return MHD_YES;
	if (value == NULL || set_option(walk->script, option, value))
		return MHD_YES;
	buffer_append_string(walk->fault, "bad value of script key ");
	buffer_append_string(walk->fault, name);
	return MHD_NO;
}

static bool
contains(const Buffer *buffer, const char *text)
{
	return buffer->length > 0 &&
		memmem(buffer->data, buffer->length, text, strlen(text)) != NULL;
}

/* A request without a body is matched by its path and its input. */
static bool
matches(const Script *script, const Request *request)
{
	const char *input;

	if (script->match == NULL)
		return true;
	if (request->body.length > 0)
		return contains(&request->body, script->match);
	if (strstr(request->path, script->match) != NULL)
		return true;
	input = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "input");
	return input != NULL && strstr(input, script->match) != NULL;
}

/* Are its faults over? */
static bool
is_over(const Script *script, int64_t since)
{
	return script->faults_for > 0 && now_ms() - since >= script->faults_for;
}

const Script *
script_for(Request *request, Buffer *fault)
{
	bool		query = strchr(request->target, '?') != NULL;
	Script	   *script;
	QueryWalk	walk;
	int64_t		since;

	if (!query && !current_set)
		return &script_none;
	script = xcalloc(sizeof(*script));
	pthread_mutex_lock(&lock);
	if (current_set && path_is_scripted(&current, request->path))
		copy_script(script, &current);
	since = current_since;
	pthread_mutex_unlock(&lock);

	walk = (QueryWalk) {script, fault};
	if (query)
		MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, set_from_query,
								  &walk);
	if (!matches(script, request) || is_over(script, since))
		drop_faults(script);
	if (fault->length == 0)
		return script;
	script_release(script);
	return NULL;
}

void
script_release(const Script *script)
{
	if (script == NULL || script == &script_none)
		return;
	free_texts((Script *) script);
	free((Script *) script);
}

/* Is it this one's turn, of every n requests? */
static bool
every(int64_t n, uint64_t sequence)
{
	return n > 0 && sequence % n == 0;
}

char *
script_missing_header(const Request *request, const char **sent)
{
	const char *line = request->script->require_header;
	const char *colon = line != NULL ? strchr(line, ':') : NULL;
	char	   *name;

	if (colon == NULL)
		return NULL;
	name = xstrndup(line, (size_t) (colon - line));
	*sent = request_header(request, name);
	if (*sent == NULL || strcmp(*sent, colon + 1 + strspn(colon + 1, " ")) != 0)
		return name;
	free(name);
	return NULL;
}

/* What is wrong with the request itself: a status, or 0. */
static int
refused_status(const Request *request)
{
	const char *sent;
	char	   *missing = script_missing_header(request, &sent);

	free(missing);
	if (missing != NULL)
		return 401;
	if (request->script->max_inputs > 0 &&
		request->inputs.count > (size_t) request->script->max_inputs)
		return 413;
	return 0;
}

void
script_decide(Request *request)
{
	const Script *script = request->script;
	int64_t		attempt = request->attempt;
	uint64_t	sequence = request->sequence;
	bool		sometimes = script->status_every > 0 || script->fail_first > 0;

	request->fails = sometimes
		? attempt <= script->fail_first || every(script->status_every, sequence)
		: script->status > 0;
	request->status = script->status > 0 ? (int) script->status : DEFAULT_FAILURE;
	if (!request->fails && refused_status(request) != 0)
	{
		request->fails = true;
		request->status = refused_status(request);
	}

	if (script->reset || every(script->reset_every, sequence) || attempt <= script->reset_first)
		request->transport = TRANSPORT_RESET;
	else if (script->hang || attempt <= script->hang_first)
		request->transport = TRANSPORT_HANG;
	else if (script->cut || attempt <= script->cut_first)
		request->transport = TRANSPORT_CUT;
	else if (script->hang_body)
		request->transport = TRANSPORT_HANG_BODY;
	else if (script->trickle > 0)
		request->transport = TRANSPORT_TRICKLE;
	else
		request->transport = TRANSPORT_WHOLE;
}

int64_t
script_delay(const Request *request)
{
	const Script *script = request->script;

	if (script->latency_max <= script->latency)
		return script->latency;
	return script->latency + (int64_t) (hash_mix(request->key, request->attempt) %
										(uint64_t) (script->latency_max - script->latency + 1));
}

bool
script_spoils(const Request *request)
{
	const Script *script = request->script;

	return request->fails || script->bad_json || script->count != 0 || script->duplicate_index;
}
