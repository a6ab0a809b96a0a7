/*-------------------------------------------------------------------------
 *
 * response_test.c
 *	  Unit tests of path_walk.c, response.c and response_error.c.
 *
 * What path_walk must find was taken from jsonb_path_query.  Answers whose items
 * have keys, or of which a row has many: response_items_test.c.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "plain_path.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_STEPS 2000

static JsonSlice
json(const char *text)
{
	JsonSlice	value = {NULL, 0};
	JsonFault	fault;

	if (!json_parse(text, strlen(text), &value, &fault))
		printf("# not JSON: %s\n", text);
	return value;
}

static bool
append_find(JsonSlice found, void *state)
{
	ByteBuffer	   *out = state;

	if (out->length > 0)
		buffer_append_char(out, ' ');
	buffer_append(out, found.start, found.length);
	return true;
}

typedef struct Walk
{
	const char *path;
	const char *json;
	const char *finds;			/* with blanks between; NULL: does not fit */
} Walk;

static const Walk walks[] = {
	{"$", "1", "1"}, {"$", " [1] ", "[1]"}, {"strict $", "{}", "{}"},
	{"$.a", "{\"a\":1}", "1"}, {"$.a", "{\"b\":1}", ""}, {"strict $.a", "{\"b\":1}", NULL},
	{"$.a", "{\"a\":1,\"a\":2}", "2"}, {"$.a", "{\"\\u0061\":3}", "3"}, {"$.a", "1", ""},
	{"strict $.a", "1", NULL},
	{"$.a", "null", ""}, {"$.a", "[{\"a\":1},{\"b\":2},3,{\"a\":4}]", "1 4"},
	{"$.a", "[[{\"a\":1}],{\"a\":2}]", "2"},
	{"strict $.a", "[{\"a\":1}]", NULL},
	{"$.a.b", "[{\"a\":[{\"b\":1},{\"b\":2}]},{\"a\":{\"b\":3}}]", "1 2 3"},
	{"$[*].a", "[[{\"a\":1}],{\"a\":2}]", "1 2"}, {"$[0]", "[1,2]", "1"}, {"$[1]", "[1,2]", "2"},
	{"$[2]", "[1,2]", ""},
	{"strict $[2]", "[1,2]", NULL}, {"$[0]", "7", "7"}, {"$[1]", "7", ""},
	{"strict $[0]", "7", NULL}, {"$[0]", "{\"a\":1}", "{\"a\":1}"},
	{"$[0]", "[]", ""}, {"$[*]", "[]", ""}, {"strict $[*]", "[]", ""},
	{"$[*]", "[1,[2],{}]", "1 [2] {}"}, {"$[*]", "5", "5"},
	{"strict $[*]", "5", NULL}, {"strict $[*].a", "[{\"a\":1},{\"b\":1}]", NULL},
	{"strict $[*].a", "[{\"a\":1},{\"a\":null}]", "1 null"},
	{"$[*][*]", "[[1,2],3,[[4]]]", "1 2 3 [4]"}, {"$[*][0]", "[[1,2],3,[]]", "1 3"},
	{"$[0][0][0]", "[5]", "5"}, {"$[0][*][0].a", "{\"a\":6}", "6"},
	{"$.a[*]", "[{\"a\":[1,2]},{\"a\":3}]", "1 2 3"},
	{"$.data[*].e", "{\"data\":[{\"e\":[1,2]},{\"e\":[3]}]}", "[1,2] [3]"},
};

static void
test_walks(void)
{
	for (size_t i = 0; i < COUNT(walks); i++)
	{
		PathStep	steps[10];
		Path		path = compile(walks[i].path, steps);
		ByteBuffer	out = {0};
		char		name[200];
		bool		fits;

		buffer_append(&out, "", 0);
		fits = path_walk(&path, json(walks[i].json), append_find, &out);
		snprintf(name, sizeof(name), "%s in %s", walks[i].path, walks[i].json);
		is_str(fits ? out.data : NULL, walks[i].finds, name);
		buffer_free(&out);
	}
}

static bool
count_find(JsonSlice found, void *state)
{
	int		   *left = state;

	(void) found;
	return --*left > 0;
}

static void
test_deep_walks(void)
{
	static PathStep steps[MAX_STEPS];
	Path		path = {.step_count = MAX_STEPS, .steps = steps, .text = ""};
	ByteBuffer	text = {0};
	ByteBuffer	out = {0};
	int			left = 2;

	for (int i = 0; i < MAX_STEPS; i++)
		steps[i].kind = PATH_ALL;
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		buffer_append_char(&text, '[');
	buffer_append_char(&text, '1');
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		buffer_append_char(&text, ']');
	ok(path_walk(&path, json(text.data), append_find, &out), "2,000 steps through 1,000 arrays");
	is_str(out.data, "1", "find what is inside");
	path.step_count = 1;
	ok(path_walk(&path, json("[1,2,3]"), count_find, &left) && left == 0, "a visitor can stop");
	buffer_free(&text);
	buffer_free(&out);
}

/* A shape, its answer, and what becomes of it. */
typedef struct Answer
{
	const char *results;
	const char *index;			/* or NULL */
	const char *outputs[2];
	int			rows;
	const char *body;
	ResponseStatus status;
	const char *expected;		/* values, a blank behind each, - for none; or words of the error */
} Answer;

static const Answer answers[] = {
	{"$[*]", NULL, {"$"}, 3, "[1,\"a\",null]", RESPONSE_OK, "1 \"a\" null "},
	{"$[*]", NULL, {"$.a", "$.b"}, 2, "[{\"a\":1},{\"b\":2}]", RESPONSE_OK, "1 - - 2 "},
	{"$[*]", NULL, {NULL}, 2, "[1,2]", RESPONSE_OK, ""},
	{"$", NULL, {"$.x"}, 1, "\xef\xbb\xbf {\"x\":[1, 2]}\n", RESPONSE_OK, "[1, 2] "},
	{"$", NULL, {"$.x[*]", "$.y[*]"}, 1, "{\"x\":[1, 2],\"y\":[{\"z\":1},null,\"c\"]}", RESPONSE_OK,
	"[1,2] [{\"z\":1},null,\"c\"] "},
	{"$", NULL, {"$.x[*]"}, 1, "{\"x\":[1]}", RESPONSE_OK, "1 "},
	{"$.data[*]", "$.index", {"$.v"}, 3,
	"{\"data\":[{\"index\":2,\"v\":\"c\"},{\"index\":0,\"v\":\"a\"},{\"index\":1}]}",
	RESPONSE_OK, "\"a\" - \"c\" "},
	{"$[*]", NULL, {"$"}, 0, "[]", RESPONSE_OK, ""},
	{"$[*]", NULL, {"strict $.a"}, 4, "[{\"a\":1},{\"b\":1},{\"a\":null},{\"a\":2}]", RESPONSE_OK,
	"1 - - 2 "},
	{"$[*]", NULL, {"strict $.a[*].b", "$.c"}, 2,
	"[{\"a\":[{\"b\":1},{\"b\":2},{}],\"c\":1},{\"a\":[{\"b\":3},{\"b\":4}]}]",
	RESPONSE_OK, "- 1 [3,4] - "},
	{"$[*]", NULL, {"strict $[*]"}, 2, "[[],[null,null]]", RESPONSE_OK, "- [null,null] "},
	{"$[*]", NULL, {"$"}, 5, "[1,2,3]", RESPONSE_MISMATCHED, "the answer has 3 items for 5 rows"},
	{"$[*]", NULL, {"$"}, 2, "[1,2,3]", RESPONSE_MISMATCHED, "the answer has 3 items for 2 rows"},
	{"$[*]", NULL, {"$"}, 2, "[1]", RESPONSE_MISMATCHED, "the answer has 1 item for 2 rows"},
	{"$[*]", NULL, {"$[*]"}, 1, "[[1,2],[3,4]]", RESPONSE_MISMATCHED,
	"the answer has 2 items for 1 row"},
	{"$.data[*]", NULL, {"$"}, 2, "{\"error\":1}", RESPONSE_MISMATCHED,
	"the answer has nothing at $.data[*] for 2 rows; it has the members \"error\""},
	{"$.data", NULL, {"$"}, 2, "{\"data\":[1,2]}", RESPONSE_MISMATCHED,
	"the answer has 1 item for 2 rows, an array: its elements are at $.data[*]"},
	{"$", NULL, {"$"}, 2, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9}",
	RESPONSE_MISMATCHED, "members \"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", ..."},
	{"$.data", "$.i", {"$"}, 2, "{\"data\":[{\"i\":0},{\"i\":1}]}", RESPONSE_MISMATCHED,
	"more than one position at $.i, an array: its elements are at $.data[*]"},
	{"$.data[*]", "$.i", {"$"}, 2, "{\"data\":[]}", RESPONSE_MISMATCHED,
	"the answer has nothing at $.data[*]"},
	{"strict $.data[*]", NULL, {"$"}, 2, "{\"error\":1}", RESPONSE_MISMATCHED,
	"the answer does not fit strict $.data[*]; it has the members \"error\""},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":0},{\"i\":0}]", RESPONSE_MISMATCHED,
	"more than one item for position 0"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":0},{\"i\":2}]", RESPONSE_MISMATCHED,
	"position 2, but the positions of the request are 0 to 1"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":-1}]", RESPONSE_MISMATCHED, "position -1"},
	{"$[*]", "$.i", {"$"}, 3, "[{\"i\":0},{\"i\":2}]", RESPONSE_MISMATCHED,
	"the answer has no item for position 1"},
	{"$[*]", "$.i", {"$"}, 4, "[{\"i\":3}]", RESPONSE_MISMATCHED,
	"no item for position 0, nor for 2 others"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":0},{\"x\":1}]", RESPONSE_MISMATCHED,
	"item 1 of the answer, counted from 0, has no position at $.i"},
	{"$[*]", "strict $.i", {"$"}, 2, "[{\"x\":1}]", RESPONSE_MISMATCHED,
	"has no position at strict $.i"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":\"0\"}]", RESPONSE_MISMATCHED,
	"has no integer at $.i but: \"0\""},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":1.0}]", RESPONSE_MISMATCHED,
	"has no integer at $.i but: 1.0"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":null}]", RESPONSE_MISMATCHED, "but: null"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":[0]}]", RESPONSE_MISMATCHED, "but: array"},
	{"$[*]", "$.i", {"$"}, 2, "[{\"i\":99999999999999999999}]", RESPONSE_MISMATCHED, "no integer"},
	{"$[*]", "$.i[*]", {"$"}, 2, "[{\"i\":[0,1]}]", RESPONSE_MISMATCHED,
	"more than one position at $.i[*]"},
	{"$[*]", NULL, {"$"}, 2, "", RESPONSE_MALFORMED, "the answer is empty"},
	{"$[*]", NULL, {"$"}, 2, "[1,", RESPONSE_MALFORMED, "the answer is cut off after 3 bytes"},
	{"$[*]", NULL, {"$"}, 2, "<html>", RESPONSE_MALFORMED,
	"the answer is not JSON: expected a value at byte 0"},
	{"$[*]", NULL, {"$"}, 2, "\xef\xbb\xbf[1 2]", RESPONSE_MALFORMED, "at byte 6"},
	{"$[*]", NULL, {"$"}, 2, "[\"\xff\"]", RESPONSE_MALFORMED, "invalid UTF-8 at byte 2"},
};

/* Writes the values as Answer.expected does. */
static void
print_values(const Response *response, ByteBuffer *out)
{
	buffer_append(out, "", 0);
	for (int i = 0; i < response->row_count * response->output_count; i++)
	{
		if (response->values[i].start == NULL)
			buffer_append_char(out, '-');
		else
			buffer_append(out, response->values[i].start, response->values[i].length);
		buffer_append_char(out, ' ');
	}
}

/* Decodes a copy of the body without a byte to spare.  The values point into *copy. */
static void
decode(const Answer *answer, Response *response, char **copy)
{
	static PathStep steps[4][10];
	static Path outputs[2];
	ResponseShape shape = {0};
	size_t		length = strlen(answer->body);

	*copy = malloc(length > 0 ? length : 1);
	memcpy(*copy, answer->body, length);
	shape.results = compile(answer->results, steps[0]);
	shape.has_index = answer->index != NULL;
	if (shape.has_index)
		shape.index = compile(answer->index, steps[1]);
	shape.outputs = outputs;
	for (int i = 0; i < 2 && answer->outputs[i] != NULL; i++, shape.output_count++)
		outputs[i] = compile(answer->outputs[i], steps[2 + i]);
	response_decode(*copy, length, &shape, answer->rows, response);
}

static void
test_answers(void)
{
	for (size_t i = 0; i < COUNT(answers); i++)
	{
		Response	response;
		char	   *copy;
		ByteBuffer	out = {0};

		decode(&answers[i], &response, &copy);
		is_int(response.status, answers[i].status, answers[i].body);
		if (response.status == RESPONSE_OK)
		{
			print_values(&response, &out);
			is_str(out.data, answers[i].expected, "values");
		}
		else if (!ok(strstr(response.error, answers[i].expected) != NULL, answers[i].expected))
			printf("# %s\n", response.error);
		buffer_free(&out);
		response_free(&response);
		free(copy);
	}
}

static void
test_strictness(void)
{
	Answer		answer = {"$[*]", NULL, {"strict $.a", "strict $.b"}, 4,
		"[{\"a\":1,\"b\":2},{\"a\":null},5,{\"a\":1,\"b\":null}]", RESPONSE_OK, NULL};
	Response	response;
	char	   *copy;

	decode(&answer, &response, &copy);
	ok(response.status == RESPONSE_OK && response.item_errors != NULL,
		"rows have errors of their own");
	is_str(response.item_errors[0], NULL, "not the one that fits");
	is_str(response.item_errors[1], "the item has null at strict $.a",
		"null; the first reason counts");
	is_str(response.item_errors[2], "the item does not fit strict $.a", "no object");
	is_str(response.item_errors[3], "the item has null at strict $.b", "the second path");
	ok(response.found_any, "something was found");
	response_free(&response);
	response_free(&response);
	free(copy);
	answer.outputs[0] = "$.x";
	answer.outputs[1] = NULL;
	decode(&answer, &response, &copy);
	ok(response.status == RESPONSE_OK && response.item_errors == NULL && !response.found_any,
	   "a lax path that finds nothing at all is seen");
	response_free(&response);
	free(copy);
}

/* Arrays made of several finds stay right while their buffer moves. */
static void
test_many_made(void)
{
	Answer		answer = {"$[*]", "$.i", {"$.v[*]", "$.w[*]"}, 5000, NULL, RESPONSE_OK, NULL};
	Response	response;
	ByteBuffer	body = {0};
	char	   *copy;
	bool		right = true;

	buffer_append_char(&body, '[');
	for (int i = 4999; i >= 0; i--)
	{
		buffer_append_string(&body, "{\"i\":");
		buffer_append_integer(&body, i);
		buffer_append_string(&body, ",\"v\":[");
		buffer_append_integer(&body, i);
		buffer_append_string(&body, " , 7],\"w\":[8]}");
		buffer_append_string(&body, i > 0 ? "," : "]");
	}
	answer.body = body.data;
	decode(&answer, &response, &copy);
	is_int(response.status, RESPONSE_OK, "5,000 rows");
	for (int i = 0; i < 5000; i++)
	{
		char		expected[30];
		JsonSlice	v = response.values[2 * i];
		JsonSlice	w = response.values[2 * i + 1];

		snprintf(expected, sizeof(expected), "[%d,7]", i);
		right &= v.length == strlen(expected) && memcmp(v.start, expected, v.length) == 0;
		right &= w.length == 1 && *w.start == '8';
	}
	ok(right, "each with its own values");
	response_free(&response);
	buffer_free(&body);
	free(copy);
}

static void
test_damage(void)
{
	static const char sample[] = "{\"data\":["
	"{\"i\":1,\"v\":[1,2]},{\"i\":0,\"v\":\"\\u20ac\"}],\"n\":2}";
	Answer		answer = {"$.data[*]", "$.i", {"$.v[*]", "strict $.v"}, 2, NULL, RESPONSE_OK, NULL};
	char		text[sizeof(sample)];
	char		reason[30];
	bool		all_cut = true;
	int			statuses[4] = {0};
	unsigned	random = 3;
	Response	response;
	char	   *copy;

	answer.body = text;
	for (size_t cut = 0; cut < sizeof(sample) - 1; cut++)
	{
		memcpy(text, sample, sizeof(sample));
		text[cut] = '\0';
		decode(&answer, &response, &copy);
		all_cut &= response.status == RESPONSE_MALFORMED;
		response_free(&response);
		free(copy);
	}
	ok(all_cut, "an answer cut at every byte is malformed");
	for (int turn = 0; turn < 50000; turn++)
	{
		memcpy(text, sample, sizeof(sample));
		for (int flips = turn % 3; flips >= 0; flips--)
		{
			random = random * 1103515245 + 12345;
			text[(random >> 8) % (sizeof(sample) - 1)] = "[]{}\",:\\0 1n"[(random >> 4) % 12];
		}
		decode(&answer, &response, &copy);
		response_error_text(copy, strlen(text), reason, sizeof(reason));
		statuses[response.status]++;
		response_free(&response);
		free(copy);
	}
	ok(statuses[RESPONSE_OK] > 0 && statuses[RESPONSE_MALFORMED] > 0 &&
	   statuses[RESPONSE_MISMATCHED] > 0, "50,000 damaged answers");
}

static const char *const reasons[][2] = {
	{"{\"error\":{\"message\":\"no such model\",\"type\":\"x\"}}", "no such model"},
	{"[{\"error\":{\"code\":400,\"message\":\"in an array\"}}]", "in an array"},
	{"{\"error\":\"invalid_client\",\"error_description\":\"unknown client\"}", "unknown client"},
	{"{\"error\":\"plain\"}", "plain"}, {"{\"error\":null,\"message\":\"msg\"}", "msg"},
	{"{\"message\":[\"first\",\"second\"]}", "first"},
	{"{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}", "field required"},
	{"{\"detail\":\"Not found.\"}", "Not found."},
	{"{\"errors\":[{\"message\":\"m\"}]}", "m"}, {"{\"errors\":[\"e\"]}", "e"},
	{"{\"title\":\"T\",\"detail\":\"D\"}", "D"},
	{"{\"fault\":{\"faultstring\":\"f\"}}", "f"}, {"{\"Message\":\"aws\"}", "aws"},
	{"{\"error\":{\"message\":\"\",\"code\":\"c\"}}", "c"},
	{"\"only a string\"", "only a string"}, {"{\"x\":\n\t1}", "{\"x\":  1}"},
	{"{\"message\":\"a\\nb\\u0007c\\u0085d\\u007f\"}", "a b c d "},
	{"{\"message\":\"\\ud800 x\"}", "\\ud800 x"}, {"  \r\n\n  Bad Gateway  \nmore", "Bad Gateway"},
	{"", ""}, {" \n ", ""},
	{"<html>\n<body>", "<html>"}, {"a\x01" "b\xff" "c\xc3", "a b?c?"},
	{"{\"message\":\"cut", "{\"message\":\"cut"},
};

static void
test_reasons(void)
{
	char		out[64];
	bool		whole = true;

	for (size_t i = 0; i < COUNT(reasons); i++)
	{
		memset(out, 'x', sizeof(out));
		response_error_text(reasons[i][0], strlen(reasons[i][0]), out, sizeof(out));
		is_str(out, reasons[i][1], reasons[i][0]);
	}
	for (size_t size = 1; size < 12; size++)
	{
		response_error_text("a\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9", 10, out, size);
		whole &= strlen(out) < size && utf8_valid_prefix(out, strlen(out)) == strlen(out);
	}
	ok(whole, "whole characters in any size");
	is_str(out, "a\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9", "all, where there is room");
	out[0] = 'x';
	response_error_text("abc", 3, out, 0);
	is_int(out[0], 'x', "nothing is written where there is no room");
}

int
main(void)
{
	test_walks();
	test_deep_walks();
	test_answers();
	test_strictness();
	test_many_made();
	test_damage();
	test_reasons();
	return done_testing();
}
