/*-------------------------------------------------------------------------
 *
 * response_detach_test.c
 *	  Unit tests of response_detach.c.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "plain_path.h"
#include "tap.h"

#define PADDING "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static PathStep steps[4][10];
static Path outputs[2];
static ResponseShape shape;

/* Answers of rows with an embedding and a name, and whether the name's column takes floats, too. */
static void
make_shape(bool has_key, bool name_takes_floats)
{
	memset(&shape, 0, sizeof(shape));
	shape.results = compile("$.data[*]", steps[0]);
	outputs[0] = compile("$.e", steps[1]);
	outputs[0].takes_floats = true;
	outputs[1] = compile("$.n", steps[2]);
	outputs[1].takes_floats = name_takes_floats;
	shape.outputs = outputs;
	shape.output_count = 2;
	shape.has_key = has_key;
	if (has_key)
		shape.key = compile("$.k", steps[3]);
}

/* Decodes and detaches; the body is gone where it is not needed.  Returns whether it is. */
static bool
decode(const char *answer, int rows, Response *response, char **body)
{
	size_t		length = strlen(answer);
	bool		detached;

	*body = malloc(length + 1);
	memcpy(*body, answer, length + 1);
	response_decode(*body, length, &shape, rows, response);
	is_int(response->status, RESPONSE_OK, "the answer is decoded");
	detached = response_detach(response, &shape, *body, length);
	if (detached)
	{
		free(*body);
		*body = NULL;
	}
	return detached;
}

/* A value as text: numbers with blanks between, or its JSON. */
static const char *
show(JsonSlice value)
{
	static char text[500];
	size_t		count;
	const float *floats;

	text[0] = '\0';
	if (value.start == NULL)
		return NULL;
	if (json_kind(value) != JSON_FLOATS)
	{
		snprintf(text, sizeof(text), "%.*s", (int) value.length, value.start);
		return text;
	}
	floats = floats_of(value, &count);
	strcpy(text, "floats");
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %g", (double) floats[i]);
	return text;
}

static void
test_numbers(void)
{
	Response	response;
	char	   *body;

	make_shape(false, false);
	ok(decode("{\"data\":[{\"e\":[1,2.5],\"n\":\"a\"},{\"n\":[3],\"e\":[4]}],\"p\":\"" PADDING "\"}",
			  2, &response, &body), "numbers and a little more need no body");
	is_str(show(response.values[0]), "floats 1 2.5", "numbers were read");
	is_str(show(response.values[1]), "\"a\"", "a string is as it was");
	is_str(show(response.values[2]), "floats 4", "numbers of another row were read");
	is_str(show(response.values[3]), "[3]", "where none are taken, an array is as it was");
	ok(response.root.start == NULL, "the answer is gone");
	ok(response_size(&response) >= 5 * sizeof(float), "what is held is counted");
	response_free(&response);
	is_int((int64_t) response_size(&response), 0, "nothing is left of it");
}

static void
test_others(void)
{
	Response	response;
	char	   *body;

	make_shape(false, true);
	ok(decode("{\"data\":[{\"e\":[1,null],\"n\":\"AACAPw==\"},{\"e\":null,\"n\":\"{1,2}\"},{\"e\":[]}],"
			  "\"p\":\"" PADDING PADDING "\"}", 3, &response, &body), "oddities need no body");
	is_str(show(response.values[0]), "[1,null]", "an array with a null is left to the store");
	is_str(show(response.values[1]), "floats 1", "base64 was read");
	is_str(show(response.values[2]), "null", "null stays null");
	is_str(show(response.values[3]), "\"{1,2}\"", "a literal is left to the store");
	is_str(show(response.values[4]), "[]", "so is an empty array");
	is_str(show(response.values[5]), NULL, "nothing is nothing");
	response_free(&response);
}

static void
test_much(void)
{
	Response	response;
	char	   *body;

	make_shape(false, false);
	ok(!decode("{\"data\":[{\"e\":[1,2.5],\"n\":\"" PADDING "\"}]}", 1, &response, &body),
	   "a long text needs the body it is in");
	is_str(show(response.values[0]), "floats 1 2.5", "numbers were read all the same");
	is_str(show(response.values[1]), "\"" PADDING "\"", "the text is there");
	response_free(&response);
	free(body);
}

static void
test_keys(void)
{
	Response	response;
	char	   *body;

	make_shape(true, false);
	ok(decode("{\"data\":[{\"k\":17,\"e\":[1]},{\"k\":\"x\",\"e\":[2]}],\"p\":\"" PADDING "\"}", 2,
			  &response, &body), "items with keys need no body");
	is_str(show(response.keys[0]), "17", "a key");
	is_str(show(response.keys[1]), "\"x\"", "another key");
	is_str(show(response.values[2]), "floats 2", "their numbers");
	response_free(&response);
}

/* A text in the answer is JSON: what is read of it stands neither there nor in the answer. */
static void
test_content(void)
{
	Response	response;
	char	   *body;
	PathStep	content[2];

	make_shape(false, false);
	shape.has_content = true;
	shape.content = compile("$.c", content);
	ok(decode("{\"v\":[9,9],\"c\":\"{\\\"data\\\":[{\\\"e\\\":[0.5,2],\\\"n\\\":\\\"b\\\"}]}\"}", 1,
			  &response, &body), "what is in a text needs no body");
	is_str(show(response.values[0]), "floats 0.5 2", "numbers in a text");
	is_str(show(response.values[1]), "\"b\"", "a string in a text");
	response_free(&response);
}

int
main(void)
{
	test_numbers();
	test_others();
	test_much();
	test_keys();
	test_content();
	return done_testing();
}
