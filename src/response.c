/*-------------------------------------------------------------------------
 *
 * response.c
 *	  From an answer's bytes to the values that belong to each row.
 *
 * The answer is checked once as a whole, then walked: an item's values are
 * slices of it, put where its row's values belong as soon as it is found.  So
 * beside the values there is only one flag a row (with an index), and the
 * arrays made of several finds.  Owns what a Response holds, until
 * response_free.  Failure is a status with a reason for a person; a result
 * never lands on a wrong row, since an answer that does not match its request
 * gives no values at all.
 *
 *-------------------------------------------------------------------------
 */
#include "response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* How much of an object a reason shows: members, and bytes of each one's name. */
#define MEMBERS_SHOWN 8
#define NAME_SHOWN 40

/* A value that is in Response.made, which still moves. */
typedef struct MadeValue
{
	size_t		slot;			/* in Response.values */
	size_t		offset;			/* in Response.made */
} MadeValue;

typedef struct Decoder
{
	Response   *response;
	const ResponseShape *shape;
	JsonSlice	answer;			/* the answer, or the content in it */
	JsonSlice	first;			/* the first item */
	int64_t		item_count;		/* items seen so far */
	int			item_capacity;	/* room in Response's arrays of items */
	unsigned char *seen;		/* with an index: a flag a row */
	ByteBuffer	made_values;	/* of MadeValue */
} Decoder;

/* What one path found in one item. */
typedef struct Finds
{
	int64_t		count;
	JsonSlice	value;			/* the first */
	ByteBuffer *made;			/* from the second on: their JSON array grows here, */
	size_t		offset;			/* from here */
} Finds;

/* Ends the decoding with a reason.  False, always. */
static bool give_up(Response *response, ResponseStatus status, const char *format,...)
	__attribute__((format(printf, 3, 4)));

static bool
give_up(Response *response, ResponseStatus status, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(response->error, sizeof(response->error), format, args);
	va_end(args);
	response->error[utf8_valid_prefix(response->error, strlen(response->error))] = '\0';
	response->status = status;
	return false;
}

/* Appends to the reason that was given up with, as far as there is room.  False, always. */
static bool add_reason(Response *response, const char *format,...)
	__attribute__((format(printf, 2, 3)));

static bool
add_reason(Response *response, const char *format,...)
{
	size_t		used = strlen(response->error);
	va_list		args;

	va_start(args, format);
	vsnprintf(response->error + used, sizeof(response->error) - used, format, args);
	va_end(args);
	response->error[utf8_valid_prefix(response->error, strlen(response->error))] = '\0';
	return false;
}

/*
 * Adds to the reason what is there instead of what a path should have found: a
 * person sees from it which path would be right.  False, always.
 */
static bool
describe_value(Response *response, JsonSlice value, const Path *path)
{
	JsonCursor	cursor;
	JsonSlice	name;
	JsonSlice	member;
	int			count = 0;

	if (json_kind(value) == JSON_ARRAY && path != NULL)
		return add_reason(response, ", an array: its elements are at %s[*]", path->text);
	if (json_kind(value) != JSON_OBJECT)
		return false;
	for (cursor = json_members(value); json_next_member(&cursor, &name, &member); count++)
	{
		if (count == MEMBERS_SHOWN)
			return add_reason(response, ", ...");
		add_reason(response, "%s%.*s", count > 0 ? ", " : "; it has the members ",
				   (int) (name.length < NAME_SHOWN ? name.length : NAME_SHOWN), name.start);
	}
	return false;
}

static bool
out_of_memory(Response *response)
{
	return give_up(response, RESPONSE_OUT_OF_MEMORY, "out of memory for an answer to %d rows",
				   response->row_count);
}

bool
path_find(const Path *path, JsonSlice value, Arena *arena, PathVisitor visit, void *state)
{
	if (path->evaluate != NULL)
		return path->evaluate(path, value, arena, visit, state);
	return path_walk(path, value, visit, state);
}

/* PathVisitor: keeps the first find, makes an array of more. */
static bool
collect_find(JsonSlice found, void *state)
{
	Finds	   *finds = state;

	if (finds->count == 0)
		finds->value = found;
	else
	{
		if (finds->count == 1)
		{
			finds->offset = finds->made->length;
			buffer_append_char(finds->made, '[');
			buffer_append(finds->made, finds->value.start, finds->value.length);
		}
		buffer_append_char(finds->made, ',');
		buffer_append(finds->made, found.start, found.length);
	}
	finds->count++;
	return !finds->made->failed;
}

/* PathVisitor: keeps the first find, counts two at most. */
static bool
first_find(JsonSlice found, void *state)
{
	Finds	   *finds = state;

	if (finds->count++ == 0)
		finds->value = found;
	return finds->count < 2;
}

static bool
set_item_error(Decoder *decoder, int item, const char *problem, const Path *path)
{
	Response   *response = decoder->response;
	const char *column = path->column != NULL ? path->column : "";
	size_t		size = strlen(problem) + strlen(path->text) + strlen(column) + 32;

	if (response->item_errors == NULL)
		response->item_errors = calloc(decoder->item_capacity, sizeof(char *));
	if (response->item_errors == NULL)
		return out_of_memory(response);
	if (response->item_errors[item] != NULL)
		return true;			/* the first one tells */
	response->item_errors[item] = malloc(size);
	if (response->item_errors[item] == NULL)
		return out_of_memory(response);
	if (path->column != NULL)
		snprintf(response->item_errors[item], size, "the item %s %s, for column \"%s\"", problem,
				 path->text, column);
	else
		snprintf(response->item_errors[item], size, "the item %s %s", problem, path->text);
	return true;
}

/* The only find of a path whose finds make an array, unless it is one itself: [find]. */
static void
wrap_find(Finds *finds)
{
	finds->offset = finds->made->length;
	buffer_append_char(finds->made, '[');
	buffer_append(finds->made, finds->value.start, finds->value.length);
}

/* Notes a value that is an array made of several finds. */
static bool
add_made_value(Decoder *decoder, size_t slot, const Finds *finds)
{
	Response   *response = decoder->response;
	MadeValue	made = {slot, finds->offset};

	buffer_append_char(&response->made, ']');
	buffer_append(&decoder->made_values, (const char *) &made, sizeof(made));
	if (response->made.failed || decoder->made_values.failed)
		return out_of_memory(response);
	response->values[slot].length = response->made.length - finds->offset;
	return true;
}

/* What one output path finds in an item. */
static bool
decode_output(Decoder *decoder, JsonSlice item, int place, int output)
{
	Response   *response = decoder->response;
	const Path *path = &decoder->shape->outputs[output];
	size_t		slot = (size_t) place * response->output_count + output;
	Finds		finds = {0, {NULL, 0}, &response->made, 0};

	if (!path_find(path, item, &response->arena, collect_find, &finds))
	{
		if (finds.count > 1)
			response->made.length = finds.offset;
		return set_item_error(decoder, place, "does not fit", path);
	}
	if (response->made.failed)
		return out_of_memory(response);
	response->found_any |= finds.count > 0;
	if (path->strict && finds.count == 0)
		return set_item_error(decoder, place, "has nothing at", path);
	if (path->strict && finds.count == 1 && json_kind(finds.value) == JSON_NULL)
		return set_item_error(decoder, place, "has null at", path);
	if (path->gathers && finds.count == 1 && json_kind(finds.value) != JSON_ARRAY)
	{
		wrap_find(&finds);
		finds.count++;
	}
	if (finds.count > 1)
		return add_made_value(decoder, slot, &finds);
	response->values[slot] = finds.value;
	return true;
}

/* Gives up on an item whose index is no integer, and shows it if it is short. */
static bool
not_a_position(Decoder *decoder, JsonSlice value)
{
	JsonKind	kind = json_kind(value);
	bool		shown = value.length <= 60 && kind != JSON_ARRAY && kind != JSON_OBJECT;
	const char *name = json_kind_name(kind);

	return give_up(decoder->response, RESPONSE_MISMATCHED,
				   "item %lld of the answer, counted from 0, has no integer at %s but: %.*s",
				   (long long) decoder->item_count, decoder->shape->index.text,
				   shown ? (int) value.length : (int) strlen(name), shown ? value.start : name);
}

/* Which row an item belongs to, by its index.  False after giving up. */
static bool
item_position(Decoder *decoder, JsonSlice item, int *row)
{
	Response   *response = decoder->response;
	const Path *path = &decoder->shape->index;
	long long	number = decoder->item_count;
	Finds		finds = {0, {NULL, 0}, NULL, 0};
	int64_t		position;

	if (!path_find(path, item, &response->arena, first_find, &finds) || finds.count == 0)
	{
		give_up(response, RESPONSE_MISMATCHED,
				"item %lld of the answer, counted from 0, has no position at %s", number,
				path->text);
		return describe_value(response, item, &decoder->shape->results);
	}
	if (finds.count > 1)
	{
		give_up(response, RESPONSE_MISMATCHED,
				"item %lld of the answer, counted from 0, has more than one position at %s",
				number, path->text);
		return describe_value(response, item, &decoder->shape->results);
	}
	if (json_kind(finds.value) != JSON_NUMBER || !json_to_int64(finds.value, &position))
		return not_a_position(decoder, finds.value);
	if (position < 0 || position >= response->row_count)
		return give_up(response, RESPONSE_MISMATCHED,
					   "the answer has an item for position %lld,"
					   " but the positions of the request are 0 to %d",
					   (long long) position, response->row_count - 1);
	if (decoder->seen[position])
		return give_up(response, RESPONSE_MISMATCHED,
					   "the answer has more than one item for position %lld",
					   (long long) position);
	decoder->seen[position] = 1;
	*row = (int) position;
	return true;
}

static bool
grow(void **array, size_t size, int used, int capacity)
{
	char	   *larger = realloc(*array, size * capacity);

	if (larger == NULL)
		return false;
	memset(larger + size * used, 0, size * (capacity - used));
	*array = larger;
	return true;
}

/* Room for items of which nobody knows how many there will be. */
static bool
make_room(Decoder *decoder)
{
	Response   *response = decoder->response;
	int			used = decoder->item_capacity;
	int			capacity = used > 0 ? used * 2 : 16;
	size_t		values = sizeof(JsonSlice) * response->output_count;

	if (!grow((void **) &response->values, values > 0 ? values : 1, used, capacity) ||
		(decoder->shape->has_key &&
		 !grow((void **) &response->keys, sizeof(JsonSlice), used, capacity)) ||
		(response->item_errors != NULL &&
		 !grow((void **) &response->item_errors, sizeof(char *), used, capacity)))
		return out_of_memory(response);
	decoder->item_capacity = capacity;
	return true;
}

static bool
read_key(Decoder *decoder, JsonSlice item, JsonSlice *key)
{
	Response   *response = decoder->response;
	const Path *path = &decoder->shape->key;
	Finds		finds = {0, {NULL, 0}, NULL, 0};

	if (!path_find(path, item, &response->arena, first_find, &finds) || finds.count == 0 ||
		json_kind(finds.value) == JSON_NULL)
	{
		give_up(response, RESPONSE_MISMATCHED,
				"item %lld of the answer, counted from 0, has no key at %s",
				(long long) decoder->item_count, path->text);
		return describe_value(response, item, &decoder->shape->results);
	}
	if (finds.count > 1)
	{
		give_up(response, RESPONSE_MISMATCHED,
				"item %lld of the answer, counted from 0, has more than one key at %s",
				(long long) decoder->item_count, path->text);
		return describe_value(response, item, &decoder->shape->results);
	}
	*key = finds.value;
	return true;
}

/* An item that is put behind those before it: which row it belongs to is seen later. */
static bool
append_item(Decoder *decoder, JsonSlice item, int *place)
{
	Response   *response = decoder->response;

	if (!decoder->shape->many && decoder->item_count == response->row_count)
		return give_up(response, RESPONSE_MISMATCHED,
					   "the answer has more items than the %d row%s of the request",
					   response->row_count, response->row_count == 1 ? "" : "s");
	if (decoder->item_count == RESPONSE_MAX_ITEMS)
		return give_up(response, RESPONSE_MISMATCHED, "the answer has more than %d items",
					   RESPONSE_MAX_ITEMS);
	if (response->item_count == decoder->item_capacity && !make_room(decoder))
		return false;
	*place = response->item_count++;
	return !decoder->shape->has_key || read_key(decoder, item, &response->keys[*place]);
}

/* Where an item's values go; -1: nowhere.  False after giving up. */
static bool
place_item(Decoder *decoder, JsonSlice item, int *place)
{
	const ResponseShape *shape = decoder->shape;

	if (shape->has_key || shape->many)
		return append_item(decoder, item, place);
	if (shape->has_index)
		return item_position(decoder, item, place);
	/* too many: only the number counts now */
	*place = decoder->item_count < decoder->response->row_count ? (int) decoder->item_count : -1;
	return true;
}

/* PathVisitor: an item of the answer. */
static bool
decode_item(JsonSlice item, void *state)
{
	Decoder    *decoder = state;
	Response   *response = decoder->response;
	int			place = -1;

	if (decoder->item_count == 0)
		decoder->first = item;
	if (!place_item(decoder, item, &place))
		return false;
	decoder->item_count++;
	for (int i = 0; place >= 0 && i < response->output_count; i++)
	{
		if (!decode_output(decoder, item, place, i))
			return false;
	}
	return true;
}

/* PathVisitor: is there a list at all? */
static bool
find_list(JsonSlice found, void *state)
{
	bool	   *is_list = state;

	*is_list = json_kind(found) == JSON_ARRAY;
	return !*is_list;
}

/*
 * Where items may be missing, an answer without any says nothing against the
 * paths if there is a list where they would be.
 */
static bool
has_empty_list(const Decoder *decoder, JsonSlice answer)
{
	const ResponseShape *shape = decoder->shape;
	Path		list = shape->results;
	bool		is_list = false;

	if (decoder->item_count > 0 || !(shape->has_key || shape->many) || list.evaluate != NULL ||
		list.step_count == 0 || list.steps[list.step_count - 1].kind != PATH_ALL)
		return false;
	list.step_count--;
	return path_walk(&list, answer, find_list, &is_list) && is_list;
}

/* With an index no item is in excess or there twice, so too few means a gap. */
static bool
check_count(Decoder *decoder)
{
	Response   *response = decoder->response;
	const Path *results = &decoder->shape->results;
	long long	missing = response->row_count - decoder->item_count;
	int			position = 0;

	if (missing == 0 || decoder->shape->has_key || decoder->shape->many)
		return true;
	if (decoder->item_count == 0)
	{
		give_up(response, RESPONSE_MISMATCHED, "the answer has nothing at %s for %d row%s",
				results->text, response->row_count, response->row_count == 1 ? "" : "s");
		return describe_value(response, decoder->answer, NULL);
	}
	if (!decoder->shape->has_index)
	{
		give_up(response, RESPONSE_MISMATCHED, "the answer has %lld item%s for %d row%s",
				(long long) decoder->item_count, decoder->item_count == 1 ? "" : "s",
				response->row_count, response->row_count == 1 ? "" : "s");
		if (decoder->item_count == 1)
			describe_value(response, decoder->first, results);
		return false;
	}
	while (decoder->seen[position])
		position++;
	if (missing == 1)
		return give_up(response, RESPONSE_MISMATCHED, "the answer has no item for position %d",
					   position);
	return give_up(response, RESPONSE_MISMATCHED,
				   "the answer has no item for position %d, nor for %lld others",
				   position, missing - 1);
}

/* The answer as one checked JSON value. */
static bool
parse_answer(const char *body, size_t length, Response *response, JsonSlice *answer)
{
	JsonFault	fault;
	size_t		mark = strlen(BYTE_ORDER_MARK);

	if (length == 0)
		return give_up(response, RESPONSE_MALFORMED, "the answer is empty");
	if (length < mark || memcmp(body, BYTE_ORDER_MARK, mark) != 0)
		mark = 0;				/* RFC 8259 lets a reader skip one */
	if (json_parse(body + mark, length - mark, answer, &fault))
	{
		response->root = *answer;
		return true;
	}
	if (fault.at_end)
		return give_up(response, RESPONSE_MALFORMED, "the answer is cut off after %zu bytes",
					   length);
	return give_up(response, RESPONSE_MALFORMED, "the answer is not JSON: %s at byte %zu",
				   fault.message, fault.offset + mark);
}

/* The JSON that a string in the answer holds, in place of the answer.  False after giving up. */
static bool
open_content(Decoder *decoder, JsonSlice *answer)
{
	Response   *response = decoder->response;
	const Path *path = &decoder->shape->content;
	Finds		finds = {0, {NULL, 0}, NULL, 0};
	ByteBuffer	text = {0};
	const char *why = "out of memory";
	JsonFault	fault;
	char	   *kept = NULL;

	if (!path_find(path, *answer, &response->arena, first_find, &finds) || finds.count == 0)
	{
		give_up(response, RESPONSE_MISMATCHED, "the answer has nothing at %s", path->text);
		return describe_value(response, *answer, NULL);
	}
	if (finds.count > 1 || json_kind(finds.value) != JSON_STRING)
		return give_up(response, RESPONSE_MISMATCHED, "the answer has no single string at %s",
					   path->text);
	if (json_decode_string(finds.value, &text, &why) && !text.failed)
		kept = arena_alloc(&response->arena, text.length + 1);
	if (kept != NULL)
		memcpy(kept, text.data ? text.data : "", text.length);
	if (kept == NULL)
		give_up(response, RESPONSE_MALFORMED, "the string at %s cannot be read: %s", path->text,
				why);
	else if (!json_parse(kept, text.length, answer, &fault))
		give_up(response, RESPONSE_MALFORMED, "the string at %s is not JSON: %s at byte %zu",
				path->text, fault.message, fault.offset);
	buffer_free(&text);
	return response->status == RESPONSE_OK;
}

/* Now that it moves no more, points the values that were made into it. */
static void
settle_made_values(Decoder *decoder)
{
	const MadeValue *made = (const MadeValue *) decoder->made_values.data;
	size_t		count = decoder->made_values.length / sizeof(MadeValue);
	Response   *response = decoder->response;

	for (size_t i = 0; i < count; i++)
		response->values[made[i].slot].start = response->made.data + made[i].offset;
}

/* Room for what is known of the items before they come. */
static bool
prepare_items(Decoder *decoder)
{
	Response   *response = decoder->response;
	const ResponseShape *shape = decoder->shape;
	size_t		slots = (size_t) response->row_count * response->output_count;

	if (shape->has_key || shape->many)
		return make_room(decoder);
	response->item_count = decoder->item_capacity = response->row_count;
	response->values = calloc(slots > 0 ? slots : 1, sizeof(JsonSlice));
	if (shape->has_index)
		decoder->seen = calloc(response->row_count > 0 ? response->row_count : 1, 1);
	if (response->values == NULL || (shape->has_index && decoder->seen == NULL))
		return out_of_memory(response);
	return true;
}

static bool
decode_answer(Decoder *decoder, const char *body, size_t length)
{
	Response   *response = decoder->response;
	const Path *results = &decoder->shape->results;
	JsonSlice	answer;

	if (!parse_answer(body, length, response, &answer))
		return false;
	if (decoder->shape->has_content && !open_content(decoder, &answer))
		return false;
	decoder->answer = answer;
	if (!prepare_items(decoder))
		return false;
	if (!path_find(results, answer, &response->arena, decode_item, decoder))
	{
		give_up(response, RESPONSE_MISMATCHED, "the answer does not fit %s", results->text);
		return describe_value(response, answer, NULL);
	}
	if (response->status != RESPONSE_OK || !check_count(decoder))
		return false;
	response->found_any |= has_empty_list(decoder, answer);
	settle_made_values(decoder);
	if (decoder->shape->many && !decoder->shape->has_key)
		response_assign(response, NULL);
	return response->status == RESPONSE_OK;
}

void
response_decode(const char *body, size_t length, const ResponseShape *shape, int row_count,
				Response *response)
{
	Decoder		decoder = {.response = response, .shape = shape};

	memset(response, 0, sizeof(*response));
	response->status = RESPONSE_OK;
	response->row_count = row_count;
	response->output_count = shape->output_count;
	if (!decode_answer(&decoder, body, length))
		response_free(response);
	free(decoder.seen);
	buffer_free(&decoder.made_values);
}
