/*-------------------------------------------------------------------------
 *
 * recent.c
 *	  The last requests as they came, for tests that look at them.
 *
 * A ring whose slots keep their memory: to record a request costs a copy and,
 * once the ring has gone round, no allocation.
 *
 *-------------------------------------------------------------------------
 */
#include "recent.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SLOTS 200
#define BODY_LIMIT ((size_t) 64 * 1024)

typedef struct Slot
{
	struct timespec at;
	Buffer		line;			/* method, target and version, each with a final NUL */
	Buffer		headers;		/* name and value, each with a final NUL */
	Buffer		body;			/* no more than BODY_LIMIT of it */
	size_t		body_length;	/* of the whole body */
} Slot;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by lock. */
static Slot slots[SLOTS];
static uint64_t added;			/* the last one is in slot (added - 1) % SLOTS */

static enum MHD_Result
append_header(void *headers, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void) kind;
	if (value == NULL)
		value = "";
	buffer_append(headers, name, strlen(name) + 1);
	buffer_append(headers, value, strlen(value) + 1);
	return MHD_YES;
}

void
recent_add(const Request *request)
{
	size_t		length = request->body.length;
	Slot	   *slot;

	pthread_mutex_lock(&lock);
	slot = &slots[added++ % SLOTS];
	clock_gettime(CLOCK_REALTIME, &slot->at);
	slot->line.length = slot->headers.length = slot->body.length = 0;
	append_header(&slot->line, MHD_HEADER_KIND, request->method, request->target);
	buffer_append(&slot->line, request->version, strlen(request->version) + 1);
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, append_header, &slot->headers);
	buffer_append(&slot->body, request->body.data, length < BODY_LIMIT ? length : BODY_LIMIT);
	slot->body_length = length;
	pthread_mutex_unlock(&lock);
}

void
recent_clear(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < SLOTS; i++)
	{
		buffer_free(&slots[i].line);
		buffer_free(&slots[i].headers);
		buffer_free(&slots[i].body);
	}
	added = 0;
	pthread_mutex_unlock(&lock);
}

json_t *
recent_text(const char *text, size_t length)
{
	Buffer		quoted = {0};
	json_t	   *string = json_stringn(length > 0 ? text : "", length);

	if (string != NULL)
		return string;
	buffer_append_json(&quoted, text, length);
	string = json_loadb(quoted.data, quoted.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	buffer_free(&quoted);
	return string;
}

static json_t *
describe_headers(const Buffer *headers)
{
	json_t	   *object = json_object();
	const char *end = headers->data + headers->length;

	for (const char *name = headers->data, *value; name < end; name = value + strlen(value) + 1)
	{
		Buffer		lower = {0};
		Buffer		joined = {0};
		json_t	   *before;

		value = name + strlen(name) + 1;
		for (const char *p = name; *p != '\0'; p++)
			buffer_append_char(&lower, (char) tolower((unsigned char) *p));
		buffer_append_char(&lower, '\0');
		before = json_object_get(object, lower.data);
		if (before != NULL)
			buffer_append_format(&joined, "%s, ", json_string_value(before));
		buffer_append_string(&joined, value);
		json_object_set_new(object, lower.data, recent_text(joined.data, joined.length));
		buffer_free(&lower);
		buffer_free(&joined);
	}
	return object;
}

json_t *
recent_headers(const Request *request)
{
	Buffer		headers = {0};
	json_t	   *object;

	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, append_header, &headers);
	object = describe_headers(&headers);
	buffer_free(&headers);
	return object;
}

static json_t *
describe_slot(const Slot *slot)
{
	const char *method = slot->line.data;
	const char *target = method + strlen(method) + 1;
	const char *version = target + strlen(target) + 1;

	return json_pack("{s:f, s:o, s:o, s:s, s:o, s:o, s:I}",
					 "at", (double) slot->at.tv_sec + slot->at.tv_nsec / 1e9,
					 "method", recent_text(method, strlen(method)),
					 "target", recent_text(target, strlen(target)),
					 "version", version,
					 "headers", describe_headers(&slot->headers),
					 "body", recent_text(slot->body.data, slot->body.length),
					 "body_length", (json_int_t) slot->body_length);
}

json_t *
recent_describe(size_t n)
{
	json_t	   *array = json_array();

	pthread_mutex_lock(&lock);
	if (n > added)
		n = added;
	if (n > SLOTS)
		n = SLOTS;
	for (uint64_t i = added - n; i < added; i++)
		json_array_append_new(array, describe_slot(&slots[i % SLOTS]));
	pthread_mutex_unlock(&lock);
	return array;
}
