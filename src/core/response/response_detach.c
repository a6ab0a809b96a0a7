/*-------------------------------------------------------------------------
 *
 * response_detach.c
 *	  What an answer says, without the answer: values that stand apart from its bytes.
 *
 * Numbers for columns of float4 were read while the answer was checked, or are
 * read here where they are base64; what else was found in it is copied if it is
 * little.  Then the answer, which may be megabytes, goes at once, and its memory
 * is there for the next one instead of after its store.
 *
 * Nothing is refused here: what cannot be read stays as it is, and the store
 * says why.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response.h"

#include <string.h>

/* What is copied is no more than this part of the answer. */
#define COPIED_SHARE 4

typedef struct Body
{
	const char *start;
	const char *end;
} Body;

static bool
is_in_body(const Body *body, JsonSlice value)
{
	return value.start >= body->start && value.start < body->end;
}

/* Visits the values of an output, or with output -1 all, and the keys too. */
static void
each_value(Response *response, int output, void (*visit) (JsonSlice *value, void *state),
		   void *state)
{
	for (int item = 0; item < response->item_count; item++)
	{
		JsonSlice  *values = &response->values[(size_t) item * response->output_count];

		for (int i = 0; i < response->output_count; i++)
			if ((output < 0 || i == output) && values[i].start != NULL)
				visit(&values[i], state);
		if (output < 0 && response->keys != NULL)
			visit(&response->keys[item], state);
	}
}

/*
 * Numbers.
 */

/* Of base64 for all of an output's values. */
typedef struct Room
{
	size_t		values;
	size_t		numbers;
} Room;

/* A string that may be base64: literals of arrays and vectors begin with a bracket. */
static bool
may_be_base64(JsonSlice value)
{
	return json_kind(value) == JSON_STRING && value.length > 2 && value.start[1] != '{' &&
		value.start[1] != '[';
}

static void
count_base64(JsonSlice *value, void *state)
{
	Room	   *room = state;

	if (!may_be_base64(*value))
		return;
	room->values++;
	room->numbers += value->length / sizeof(float);
}

static void
replace_by_floats(JsonSlice *value, void *state)
{
	FloatPool  *pool = state;
	JsonSlice	floats = {NULL, 0};

	if (json_kind(*value) == JSON_ARRAY)
		floats = float_pool_find(pool, value->start);
	else if (may_be_base64(*value))
		floats = float_pool_add_base64(pool, value->start + 1, value->length - 2);
	if (floats.start != NULL)
		*value = floats;
}

/* Room comes first, since what stands in the pool moves with it. */
static bool
take_floats(Response *response, const ResponseShape *shape)
{
	Room		room = {0, 0};

	for (int output = 0; output < response->output_count; output++)
		if (shape->outputs[output].takes_floats)
			each_value(response, output, count_base64, &room);
	if (!float_pool_close(&response->floats, room.values, room.numbers))
		return false;
	for (int output = 0; output < response->output_count; output++)
		if (shape->outputs[output].takes_floats)
			each_value(response, output, replace_by_floats, &response->floats);
	return true;
}

/*
 * All others.
 */
typedef struct Copy
{
	Body		body;
	size_t		bytes;
	char	   *memory;			/* NULL: they are only counted */
} Copy;

static void
copy_value(JsonSlice *value, void *state)
{
	Copy	   *copy = state;

	if (!is_in_body(&copy->body, *value))
		return;
	if (copy->memory != NULL)
	{
		memcpy(copy->memory + copy->bytes, value->start, value->length);
		value->start = copy->memory + copy->bytes;
	}
	copy->bytes += value->length;
}

/* False: too much stands in the answer. */
static bool
copy_values(Response *response, const Body *body)
{
	Copy		copy = {.body = *body};

	each_value(response, -1, copy_value, &copy);
	if (copy.bytes > (size_t) (body->end - body->start) / COPIED_SHARE)
		return false;
	if (copy.bytes == 0)
		return true;
	copy.memory = arena_alloc(&response->arena, copy.bytes);
	copy.bytes = 0;
	if (copy.memory != NULL)
		each_value(response, -1, copy_value, &copy);
	return copy.memory != NULL;
}

bool
response_detach(Response *response, const ResponseShape *shape, const char *body, size_t length)
{
	Body		whole = {body, body + length};

	if (!take_floats(response, shape) || !copy_values(response, &whole))
		return false;
	response->root.start = NULL;
	return true;
}
