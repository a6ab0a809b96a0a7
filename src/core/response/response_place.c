/*-------------------------------------------------------------------------
 *
 * response_place.c
 *	  Where an item of an answer belongs: its row's place, by order or index, or
 *	  behind the items before it, with its key.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response_internal.h"

#include <stdlib.h>
#include <string.h>

/* Gives up on an item whose index is no integer, and shows it if it is short. */
static bool
not_a_position(Decoder *decoder, JsonSlice value)
{
	JsonKind	kind = json_kind(value);
	bool		shown = value.length <= 60 && kind != JSON_ARRAY && kind != JSON_OBJECT;
	const char *name = json_kind_name(kind);

	return response_fail(decoder->response, RESPONSE_MISMATCHED,
						 "item %lld of the answer, counted from 0, has no integer at %s but: %.*s",
						 (long long) decoder->item_count, decoder->shape->index.text,
						 shown ? (int) value.length : (int) strlen(name),
						 shown ? value.start : name);
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

	if (!find_in_item(decoder, path, item, first_find, &finds) || finds.count == 0)
	{
		response_fail(response, RESPONSE_MISMATCHED,
					  "item %lld of the answer, counted from 0, has no position at %s", number,
					  path->text);
		return response_describe(response, item, &decoder->shape->results);
	}
	if (finds.count > 1)
	{
		response_fail(response, RESPONSE_MISMATCHED,
					  "item %lld of the answer, counted from 0, has more than one position at %s",
					  number, path->text);
		return response_describe(response, item, &decoder->shape->results);
	}
	if (json_kind(finds.value) != JSON_NUMBER || !json_to_int64(finds.value, &position))
		return not_a_position(decoder, finds.value);
	if (position < 0 || position >= response->row_count)
		return response_fail(response, RESPONSE_MISMATCHED,
							 "the answer has an item for position %lld,"
							 " but the positions of the request are 0 to %d",
							 (long long) position, response->row_count - 1);
	if (decoder->seen[position])
		return response_fail(response, RESPONSE_MISMATCHED,
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
		return response_out_of_memory(response);
	decoder->item_capacity = capacity;
	return true;
}

static bool
read_key(Decoder *decoder, JsonSlice item, JsonSlice *key)
{
	Response   *response = decoder->response;
	const Path *path = &decoder->shape->key;
	Finds		finds = {0, {NULL, 0}, NULL, 0};

	if (!find_in_item(decoder, path, item, first_find, &finds) || finds.count == 0 ||
		json_kind(finds.value) == JSON_NULL)
	{
		response_fail(response, RESPONSE_MISMATCHED,
					  "item %lld of the answer, counted from 0, has no key at %s",
					  (long long) decoder->item_count, path->text);
		return response_describe(response, item, &decoder->shape->results);
	}
	if (finds.count > 1)
	{
		response_fail(response, RESPONSE_MISMATCHED,
					  "item %lld of the answer, counted from 0, has more than one key at %s",
					  (long long) decoder->item_count, path->text);
		return response_describe(response, item, &decoder->shape->results);
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
		return response_fail(response, RESPONSE_MISMATCHED,
							 "the answer has more items than the %d row%s of the request",
							 response->row_count, response->row_count == 1 ? "" : "s");
	if (decoder->item_count == RESPONSE_MAX_ITEMS)
		return response_fail(response, RESPONSE_MISMATCHED, "the answer has more than %d items",
							 RESPONSE_MAX_ITEMS);
	if (response->item_count == decoder->item_capacity && !make_room(decoder))
		return false;
	*place = response->item_count++;
	return !decoder->shape->has_key || read_key(decoder, item, &response->keys[*place]);
}

bool
response_place_item(Decoder *decoder, JsonSlice item, int *place)
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

bool
response_prepare_items(Decoder *decoder)
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
		return response_out_of_memory(response);
	return true;
}
