/*-------------------------------------------------------------------------
 *
 * response_items_test.c
 *	  Unit tests of response.c and response_rows.c: items that say by a key which
 *	  rows they belong to, and rows that have any number of them.
 *
 *-------------------------------------------------------------------------
 */
#include "plain_path.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An answer whose items say by a key which rows they belong to, or of which a row has many. */
typedef struct Items
{
	const char *key;			/* or NULL */
	bool		many;
	const char *outputs[2];
	int			rows;
	const char *body;			/* of $.l[*] */
	int			assigned[6];	/* with a key: the rows of the items */
	const char *expected;		/* rows with a | behind each, of items as in Answer; or the error */
} Items;

static const Items keyed[] = {
	{"$.k", false, {"$.v"}, 3, "{\"l\":[{\"k\":3,\"v\":1},{\"v\":2,\"k\":\"1\"},{\"k\":[2]}]}",
	{2, 0, 1}, "2 |- |1 |"},
	{"$.k", false, {"$.v"}, 3, "{\"l\":[{\"k\":3,\"v\":1}]}", {1}, "|1 ||"},
	{"$.k", false, {"$.v"}, 2, "{\"l\":[]}", {0}, "||"},
	{"$.k", false, {"$.v"}, 2, "{}", {0}, "||"},
	{"$.k", false, {NULL}, 2, "{\"l\":[{\"k\":1},{\"k\":2}]}", {1, 0}, "||"},
	{"$.k", true, {"$.v", "$.w"}, 3, "{\"l\":[{\"k\":1,\"v\":1,\"w\":2},{\"k\":3},{\"k\":1,\"v\":4},"
	"{\"k\":3,\"w\":5},{\"k\":1}]}", {0, 2, 0, 2, 0}, "1 2 4 - - - ||- - - 5 |"},
	{"$.k", true, {"$.v"}, 2, "{\"l\":[]}", {0}, "||"},
	{NULL, true, {"$.v"}, 1, "{\"l\":[{\"v\":1},{\"v\":2},{}]}", {0}, "1 2 - |"},
	{NULL, true, {"$.v"}, 1, "{\"l\":[]}", {0}, "|"}, {NULL, true, {"$.v"}, 1, "1", {0}, "|"},
	{NULL, true, {"$"}, 1, "{\"l\":null}", {0}, "null |"},
	{"$.k", false, {"$.v"}, 1, "{\"l\":[{\"k\":1},{\"k\":2}]}", {0},
	"the answer has more items than the 1 row of the request"},
	{"$.k", false, {"$.v"}, 2, "{\"l\":[{\"k\":1},{\"k\":2},{\"v\":2}]}", {0},
	"the answer has more items than the 2 rows of the request"},
	{"$.k", true, {"$.v"}, 1, "{\"l\":[{\"k\":1},{\"v\":2}]}", {0},
	"item 1 of the answer, counted from 0, has no key at $.k"},
	{"$.k", true, {"$.v"}, 1, "{\"l\":[{\"k\":null}]}", {0}, "has no key at $.k"},
	{"$.k", false, {"$.v"}, 1, "{\"l\":[null]}", {0}, "item 0 of the answer, counted from 0, has no"},
	{"strict $.k", false, {"$.v"}, 1, "{\"l\":[7]}", {0}, "has no key at strict $.k"},
	{"$.k[*]", false, {"$.v"}, 1, "{\"l\":[{\"k\":[1,2]}]}", {0}, "more than one key at $.k[*]"},
};

/* Decodes a copy of the body, as decode does. */
static void
decode_items(const Items *items, Response *response, char **copy)
{
	static PathStep steps[4][10];
	static Path outputs[2];
	ResponseShape shape = {.many = items->many, .has_key = items->key != NULL};
	size_t		length = strlen(items->body);

	*copy = malloc(length);
	memcpy(*copy, items->body, length);
	shape.results = compile("$.l[*]", steps[0]);
	if (shape.has_key)
		shape.key = compile(items->key, steps[1]);
	shape.outputs = outputs;
	for (int i = 0; i < 2 && items->outputs[i] != NULL; i++, shape.output_count++)
		outputs[i] = compile(items->outputs[i], steps[2 + i]);
	response_decode(*copy, length, &shape, items->rows, response);
}

/* Writes the rows as Items.expected does. */
static void
print_rows(const Response *response, ByteBuffer *out)
{
	buffer_append(out, "", 0);
	for (int row = 0; row < response->row_count; row++)
	{
		for (int n = 0; n < response_row_item_count(response, row); n++)
			for (int i = 0; i < response->output_count; i++)
			{
				int			item = response_row_item(response, row, n);
				JsonSlice	value = response->values[item * response->output_count + i];

				if (value.start == NULL)
					buffer_append_char(out, '-');
				else
					buffer_append(out, value.start, value.length);
				buffer_append_char(out, ' ');
			}
		buffer_append_char(out, '|');
	}
}

static void
test_items(void)
{
	for (size_t i = 0; i < COUNT(keyed); i++)
	{
		Response	response;
		char	   *copy;
		ByteBuffer	out = {0};

		decode_items(&keyed[i], &response, &copy);
		if (response.status == RESPONSE_OK)
		{
			if (keyed[i].key != NULL)
				response_assign(&response, keyed[i].assigned);
			print_rows(&response, &out);
			is_str(out.data, keyed[i].expected, keyed[i].body);
		}
		else if (!ok(response.status == RESPONSE_MISMATCHED && response.item_count == 0 &&
					 strstr(response.error, keyed[i].expected) != NULL, keyed[i].expected))
			printf("# %s\n", response.error);
		buffer_free(&out);
		response_free(&response);
		free(copy);
	}
}

/* Are there items, or a place for them? */
static void
test_empty_lists(void)
{
	static const struct
	{
		const char *body;
		bool		found;
	}			lists[] = {
		{"{\"l\":[]}", true}, {"[{\"l\":1},{\"l\":[]}]", false}, {"[{\"x\":1},{\"l\":[]}]", true},
		{"{\"x\":[]}", false}, {"[]", false}, {"{\"l\":[{\"w\":1}]}", false},
		{"{\"l\":[{\"v\":null}]}", true}
	};
	Items		items = {NULL, true, {"$.v"}, 1, NULL, {0}, NULL};
	Response	response;
	char	   *copy;

	for (size_t i = 0; i < COUNT(lists); i++)
	{
		items.body = lists[i].body;
		decode_items(&items, &response, &copy);
		ok(response.status == RESPONSE_OK && response.found_any == lists[i].found, lists[i].body);
		response_free(&response);
		free(copy);
	}
}

/* Keys, errors of items, and what response_reject leaves. */
static void
test_item_errors(void)
{
	Items		items = {"$.k", true, {"strict $.v", "$.w[*]"}, 3, NULL, {0}, NULL};
	const int	rows[] = {1, 0, 1, 1};
	char		reason[1000];
	Response	response;
	char	   *copy;

	items.body = "{\"l\":[{\"k\":\"b\",\"v\":1,\"w\":[1,2]},{\"k\":{\"a\":1},\"v\":1},{\"k\":\"b\"},"
		"{\"k\":\"b\",\"v\":null}]}";
	decode_items(&items, &response, &copy);
	ok(response.status == RESPONSE_OK && response.item_count == 4, "four items");
	ok(response.keys[1].length == 7 && memcmp(response.keys[1].start, "{\"a\":1}", 7) == 0,
	   "keys as they came");
	is_int(response_row_item_count(&response, 0), 0, "belong to no row until they are assigned");
	response_assign(&response, rows);
	is_str(response_row_error(&response, 0), NULL, "a row whose item fits");
	is_str(response_row_error(&response, 1), "the item does not fit strict $.v",
		   "the first error of a row's items");
	is_str(response_row_error(&response, 2), NULL, "a row without an item");
	is_int(response_row_item(&response, 1, 2), 3, "the last of three");
	memset(reason, 'x', sizeof(reason));
	memcpy(reason + sizeof(response.error) - 2, "\xe2\x82\xac", 4);
	response_reject(&response, reason);
	ok(response.status == RESPONSE_MISMATCHED && response.item_count == 0 && !response.found_any &&
	   response.values == NULL && response.keys == NULL && response.row_items == NULL,
	   "nothing is left of what is rejected");
	is_int(strlen(response.error), sizeof(response.error) - 2, "but the reason, in whole characters");
	response_free(&response);
	free(copy);
}

/* Makes {"l":[item,item,…]}. */
static void
repeat_item(ByteBuffer *body, const char *item, int count)
{
	buffer_append_string(body, "{\"l\":[");
	for (int i = 0; i < count; i++)
	{
		buffer_append_string(body, i > 0 ? "," : "");
		buffer_append_string(body, item);
	}
	buffer_append_string(body, "]}");
}

/* Arrays that move while values and errors are put into them. */
static void
test_growing_items(void)
{
	Items		items = {"$.k", true, {"$.v[*]", "strict $.w"}, 2, NULL, {0}, NULL};
	int		   *rows = malloc(sizeof(int) * 9000);
	ByteBuffer	body = {0};
	Response	response;
	char	   *copy;
	bool		right = true;

	repeat_item(&body, "{\"k\":0,\"v\":[1, 2],\"w\":1},{\"k\":1,\"v\":[3]},"
				"{\"k\":0,\"v\":[4 , 5],\"w\":1}", 3000);
	items.body = body.data;
	decode_items(&items, &response, &copy);
	is_int(response.item_count, 9000, "9,000 items");
	for (int i = 0; i < 9000; i++)
	{
		const char *expected = i % 3 == 0 ? "[1,2]" : i % 3 == 1 ? "3" : "[4,5]";
		JsonSlice	value = response.values[2 * i];

		rows[i] = i % 3 == 1;
		right &= value.length == strlen(expected) &&
			memcmp(value.start, expected, value.length) == 0;
		right &= (response.item_errors[i] != NULL) == (i % 3 == 1);
		right &= response.keys[i].length == 1 && *response.keys[i].start == "010"[i % 3];
	}
	ok(right, "each with its own values, key and error");
	response_assign(&response, rows);
	for (int n = 0; n < 6000; n++)
		right &= response_row_item(&response, 0, n) == n / 2 * 3 + n % 2 * 2;
	ok(right && response_row_item_count(&response, 0) == 6000 &&
	   response_row_item_count(&response, 1) == 3000, "and the rows have theirs, in order");
	ok(response_row_error(&response, 0) == NULL && response_row_error(&response, 1) != NULL,
	   "one row has an error");
	ok(response_size(&response) > 9000 * (3 * sizeof(JsonSlice) + sizeof(int)),
	   "what it holds is counted");
	response_free(&response);
	buffer_free(&body);
	free(copy);
	free(rows);
}

static void
test_most_items(void)
{
	Items		items = {NULL, true, {"$"}, 1, NULL, {0}, NULL};
	ByteBuffer	body = {0};
	Response	response;
	char	   *copy;

	repeat_item(&body, "7", RESPONSE_MAX_ITEMS);
	items.body = body.data;
	decode_items(&items, &response, &copy);
	is_int(response_row_item_count(&response, 0), RESPONSE_MAX_ITEMS, "as many items as may be");
	ok(response_size(&response) < 32 * 1024 * 1024, "take no more than 32 MB");
	response_free(&response);
	free(copy);
	buffer_free(&body);
	repeat_item(&body, "{\"k\":1}", RESPONSE_MAX_ITEMS + 1);
	items.body = body.data;
	items.key = "$.k";
	decode_items(&items, &response, &copy);
	ok(response.status == RESPONSE_MISMATCHED && response.item_count == 0, "one more is too many");
	is_str(response.error, "the answer has more than 1000000 items", "and says so");
	is_int(response_size(&response), 0, "and nothing is left");
	response_free(&response);
	free(copy);
	buffer_free(&body);
}

int
main(void)
{
	test_items();
	test_empty_lists();
	test_item_errors();
	test_growing_items();
	test_most_items();
	return done_testing();
}
