/*-------------------------------------------------------------------------
 *
 * response.c
 *	  From an answer's bytes to the values that belong to each row.
 *
 * The answer is checked once as a whole, then walked: an item's values are
 * slices of it, put where its row's values belong as soon as it is found.  So
 * beside the values there is only one flag a row (with an index), the arrays
 * made of several finds, and numbers read while it is checked.  Owns what a
 * Response holds, until response_free.  Failure is a status with a reason for a
 * person; a result never lands on a wrong row, since an answer that does not
 * match its request gives no values at all.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A value that is in Response.made, which still moves. */
typedef struct MadeValue
{
	size_t		slot;			/* in Response.values */
	size_t		offset;			/* in Response.made */
} MadeValue;

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

static bool
set_item_error(Decoder *decoder, int item, const char *problem, const Path *path)
{
	Response   *response = decoder->response;
	const char *column = path->column != NULL ? path->column : "";
	size_t		size = strlen(problem) + strlen(path->text) + strlen(column) + 32;

	if (response->item_errors == NULL)
		response->item_errors = calloc(decoder->item_capacity, sizeof(char *));
	if (response->item_errors == NULL)
		return response_out_of_memory(response);
	if (response->item_errors[item] != NULL)
		return true;			/* the first one tells */
	response->item_errors[item] = malloc(size);
	if (response->item_errors[item] == NULL)
		return response_out_of_memory(response);
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
		return response_out_of_memory(response);
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

	if (!find_in_item(decoder, path, item, collect_find, &finds))
	{
		if (finds.count > 1)
			response->made.length = finds.offset;
		return set_item_error(decoder, place, "does not fit", path);
	}
	if (response->made.failed)
		return response_out_of_memory(response);
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

/* PathVisitor: an item of the answer. */
static bool
decode_item(JsonSlice item, void *state)
{
	Decoder    *decoder = state;
	Response   *response = decoder->response;
	int			place = -1;

	if (decoder->item_count == 0)
		decoder->first = item;
	if (!response_place_item(decoder, item, &place))
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
		response_fail(response, RESPONSE_MISMATCHED, "the answer has nothing at %s for %d row%s",
					  results->text, response->row_count, response->row_count == 1 ? "" : "s");
		return response_describe(response, decoder->answer, NULL);
	}
	if (!decoder->shape->has_index)
	{
		response_fail(response, RESPONSE_MISMATCHED, "the answer has %lld item%s for %d row%s",
					  (long long) decoder->item_count, decoder->item_count == 1 ? "" : "s",
					  response->row_count, response->row_count == 1 ? "" : "s");
		if (decoder->item_count == 1)
			response_describe(response, decoder->first, results);
		return false;
	}
	while (decoder->seen[position])
		position++;
	if (missing == 1)
		return response_fail(response, RESPONSE_MISMATCHED,
							 "the answer has no item for position %d",
							 position);
	return response_fail(response, RESPONSE_MISMATCHED,
						 "the answer has no item for position %d, nor for %lld others",
						 position, missing - 1);
}

static bool
takes_floats(const ResponseShape *shape)
{
	for (int i = 0; i < shape->output_count; i++)
		if (shape->outputs[i].takes_floats)
			return true;
	return false;
}

/* Checks a text, and reads arrays of numbers meanwhile if any output takes them. */
static bool
parse(Decoder *decoder, const char *text, size_t length, JsonSlice *value, JsonFault *fault)
{
	FloatPool  *pool = &decoder->response->floats;

	float_pool_forget(pool);
	return json_parse_taking(text, length, takes_floats(decoder->shape) ? float_pool_take : NULL,
							 pool, value, fault);
}

/* The answer as one checked JSON value. */
static bool
parse_answer(Decoder *decoder, const char *body, size_t length, JsonSlice *answer)
{
	Response   *response = decoder->response;
	JsonFault	fault;
	size_t		mark = strlen(BYTE_ORDER_MARK);

	if (length == 0)
		return response_fail(response, RESPONSE_MALFORMED, "the answer is empty");
	if (length < mark || memcmp(body, BYTE_ORDER_MARK, mark) != 0)
		mark = 0;				/* RFC 8259 lets a reader skip one */
	if (parse(decoder, body + mark, length - mark, answer, &fault))
	{
		response->root = *answer;
		return true;
	}
	if (fault.at_end)
		return response_fail(response, RESPONSE_MALFORMED, "the answer is cut off after %zu bytes",
							 length);
	return response_fail(response, RESPONSE_MALFORMED, "the answer is not JSON: %s at byte %zu",
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
	const char *why = NULL;
	JsonFault	fault;
	char	   *kept = NULL;

	if (!path_find(path, *answer, &response->arena, first_find, &finds) || finds.count == 0)
	{
		response_fail(response, RESPONSE_MISMATCHED, "the answer has nothing at %s", path->text);
		return response_describe(response, *answer, NULL);
	}
	if (finds.count > 1 || json_kind(finds.value) != JSON_STRING)
		return response_fail(response, RESPONSE_MISMATCHED, "the answer has no single string at %s",
							 path->text);
	if (json_decode_string(finds.value, &text, &why) && !text.failed)
		kept = arena_alloc(&response->arena, text.length + 1);
	if (kept != NULL)
		memcpy(kept, text.data ? text.data : "", text.length);
	if (kept == NULL && why == NULL)
		response_out_of_memory(response);
	else if (kept == NULL)
		response_fail(response, RESPONSE_MALFORMED,
					  "the string at %s cannot be read: %s", path->text,
					  why);
	else if (!parse(decoder, kept, text.length, answer, &fault))
		response_fail(response, RESPONSE_MALFORMED, "the string at %s is not JSON: %s at byte %zu",
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

static bool
decode_answer(Decoder *decoder, const char *body, size_t length)
{
	Response   *response = decoder->response;
	const Path *results = &decoder->shape->results;
	JsonSlice	answer;

	if (!parse_answer(decoder, body, length, &answer))
		return false;
	if (decoder->shape->has_content && !open_content(decoder, &answer))
		return false;
	decoder->answer = answer;
	if (!response_prepare_items(decoder))
		return false;
	if (!path_find(results, answer, &response->arena, decode_item, decoder))
	{
		response_fail(response, RESPONSE_MISMATCHED, "the answer does not fit %s", results->text);
		return response_describe(response, answer, NULL);
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
	Decoder		decoder = {
		.response = response,
		.shape = shape
	};

	memset(response, 0, sizeof(*response));
	response->status = RESPONSE_OK;
	response->row_count = row_count;
	response->output_count = shape->output_count;
	if (!decode_answer(&decoder, body, length))
		response_free(response);
	free(decoder.seen);
	buffer_free(&decoder.made_values);
}
