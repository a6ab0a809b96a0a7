/*-------------------------------------------------------------------------
 *
 * float_pool_test.c
 *	  Unit tests of float_pool.c, and of json_parse_taking that calls it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "json/float_pool.h"
#include "tap.h"

/* Parses a text with a pool, in memory that ends where it does. */
static bool
parse(const char *text, FloatPool *pool, JsonSlice *value)
{
	size_t		length = strlen(text);
	static char *memory;
	JsonFault	fault;
	JsonFault	plain_fault;
	JsonSlice	plain = {NULL, 0};
	bool		good;

	free(memory);
	memory = malloc(length);
	memcpy(memory, text, length);
	float_pool_forget(pool);
	good = json_parse_taking(memory, length, float_pool_take, pool, value, &fault);
	if (json_parse(memory, length, &plain, &plain_fault) != good)
		ok(false, "taking numbers accepts what is accepted without");
	if (!good && (fault.offset != plain_fault.offset || fault.at_end != plain_fault.at_end ||
				  strcmp(fault.message, plain_fault.message) != 0))
		ok(false, "taking numbers refuses for the same reason");
	return good;
}

/* What is read of a text that is an array: numbers with blanks between, or NULL for nothing. */
static void
test_array(const char *text, const char *expected)
{
	FloatPool	pool = {0};
	JsonSlice	value;
	JsonSlice	floats = {NULL, 0};
	char		shown[1000] = "";
	size_t		count;
	const float *numbers;

	if (parse(text, &pool, &value))
		floats = float_pool_find(&pool, value.start);
	if (floats.start == NULL)
	{
		is_str(NULL, expected, text);
		is_int((int64_t) pool.count, 0, "... and leaves nothing in the pool");
	}
	else
	{
		numbers = floats_of(floats, &count);
		for (size_t i = 0; i < count; i++)
			snprintf(shown + strlen(shown), sizeof(shown) - strlen(shown), "%s%.9g",
					 i > 0 ? " " : "", (double) numbers[i]);
		is_str(shown, expected, text);
		ok(json_kind(floats) == JSON_FLOATS, "... as a value of its kind");
	}
	float_pool_free(&pool);
}

static void
test_arrays(void)
{
	test_array("[1,2.5,-3e2]", "1 2.5 -300");
	test_array("[ 1 ,\n2 ]", "1 2");
	test_array("[0.1,1.00000017881393432617187500]", "0.100000001 1.00000024");
	test_array("[1e-45,3]", NULL);	/* too small to be exact */
	test_array("[1e39]", NULL);
	test_array("[1e400,1]", NULL);
	test_array("[]", NULL);
	test_array("[1,null]", NULL);
	test_array("[1,[null]]", NULL);
	test_array("[1,\"2\"]", NULL);
	test_array("[01]", NULL);
	test_array("[1.]", NULL);
	test_array("[-]", NULL);
	test_array("[1e]", NULL);
	test_array("[1,]", NULL);
	test_array("[1 2]", NULL);
	test_array("[1,2", NULL);
	test_array("[1.00000017881393432617187500", NULL);
	test_array("[1.00000017881393432617187500x", NULL);
	test_array("[0x1", NULL);
	test_array("7", NULL);
}

/* Arrays inside others, and more numbers than there was room for. */
static void
test_many(void)
{
	FloatPool	pool = {0};
	ByteBuffer	text = {0};
	JsonSlice	value = {NULL, 0};
	JsonSlice	array;
	JsonCursor	cursor;
	bool		good = true;
	size_t		count;
	int			arrays = 0;

	buffer_append_char(&text, '[');
	for (int i = 0; i < 100; i++)
	{
		buffer_append_string(&text, i > 0 ? ",[" : "[");
		for (int j = 0; j < 77; j++)
		{
			if (j > 0)
				buffer_append_char(&text, ',');
			buffer_append_integer(&text, i * 1000 + j);
		}
		buffer_append_char(&text, ']');
	}
	buffer_append_char(&text, ']');
	ok(parse(text.data, &pool, &value), "an array of arrays");
	ok(float_pool_find(&pool, value.start).start == NULL, "... is none of numbers");
	is_int((int64_t) pool.count, 100 * 78, "the inner ones are in the pool");
	ok(float_pool_close(&pool, 0, 0), "the pool takes no more than it needs");
	is_int((int64_t) (pool.room * sizeof(float)), 100 * 78 * sizeof(float), "... which is this");
	for (cursor = json_elements(value); json_next_element(&cursor, &array); arrays++)
	{
		const float *floats = floats_of(float_pool_find(&pool, array.start), &count);

		good &= count == 77;
		for (size_t j = 0; j < count && good; j++)
			good &= floats[j] == (float) (arrays * 1000 + (int) j);
	}
	ok(good && arrays == 100, "each of the inner ones is found");
	ok(float_pool_find(&pool, value.start + 5).start == NULL, "what starts elsewhere is not");
	float_pool_forget(&pool);
	ok(float_pool_find(&pool, value.start + 1).start == NULL, "nor what was forgotten");
	float_pool_free(&pool);
	buffer_free(&text);
}

static void
test_base64(void)
{
	FloatPool	pool = {0};
	size_t		count;
	JsonSlice	value;

	ok(float_pool_add_base64(&pool, "AACAPwAAAMA=", 12).start == NULL, "no room, nothing read");
	ok(float_pool_close(&pool, 2, 6), "room is made");
	value = float_pool_add_base64(&pool, "AACAPwAAAMA=", 12);
	ok(value.start != NULL && floats_of(value, &count)[0] == 1.0f && count == 2 &&
	   floats_of(value, &count)[1] == -2.0f, "base64 is read");
	ok(float_pool_add_base64(&pool, "AACA", 4).start == NULL, "what holds no whole float is not");
	ok(float_pool_add_base64(&pool, "AA!APw==", 8).start == NULL, "nor what is no base64");
	is_int((int64_t) pool.count, 3, "neither leaves anything");
	float_pool_free(&pool);
}

int
main(void)
{
	test_arrays();
	test_many();
	test_base64();
	return done_testing();
}
