/*-------------------------------------------------------------------------
 *
 * json_test.c
 *	  Unit tests of buffer.c, json.c and json_string.c.
 *
 * Texts are copied into blocks of their exact size first, so that a sanitizer
 * or valgrind sees one byte read too many.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "json/json.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* json_parse on a copy without a byte to spare. */
static bool
parse(const char *text, size_t length, JsonFault *fault)
{
	char	   *copy = malloc(length > 0 ? length : 1);
	JsonSlice	value;
	bool		good;

	memcpy(copy, text, length);
	good = json_parse(copy, length, &value, fault);
	free(copy);
	return good;
}

static JsonSlice
slice(const char *text)
{
	JsonSlice	value = {text, strlen(text)};

	return value;
}

static void
test_buffer(void)
{
	ByteBuffer	buffer = {0};
	bool		same = true;

	buffer_append(&buffer, "", 0);
	is_str(buffer.data, "", "an empty append terminates");
	buffer_append_integer(&buffer, INT64_MIN);
	buffer_append_char(&buffer, ' ');
	buffer_append_integer(&buffer, 0);
	buffer_append_char(&buffer, ' ');
	buffer_append_integer(&buffer, INT64_MAX);
	is_str(buffer.data, "-9223372036854775808 0 9223372036854775807", "integers");
	buffer_reset(&buffer);
	for (int i = 0; i < 100000; i++)
		buffer_append_char(&buffer, (char) ('a' + i % 26));
	for (int i = 0; i < 100000; i++)
		same &= buffer.data[i] == (char) ('a' + i % 26);
	ok(same && buffer.length == 100000 && buffer.data[100000] == '\0', "growth keeps the bytes");
	buffer_append(&buffer, "", SIZE_MAX - 10);
	ok(buffer.failed && buffer.length == 100000, "an impossible length fails, contents stay");
	buffer_append_char(&buffer, 'x');
	is_int((int64_t) buffer.length, 100000, "appends after a failure do nothing");
	buffer_reset(&buffer);
	buffer_append_string(&buffer, "again");
	is_str(buffer.failed ? NULL : buffer.data, "again", "usable again after reset");
	buffer_free(&buffer);
	ok(buffer.data == NULL && buffer.capacity == 0 && !buffer.failed, "free leaves it empty");
}

static void
test_valid(void)
{
	static const char *const texts[] = {
		"null", "true", "false", "0", "-0", "10", "-1.5", "1e5", "1E+5", "0.0e-0",
		"123456789012345678901234567890",
		"\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uD800\"", "[]", "{}", " [ ] ", "{ }",
		"[1,2]", "[ 1 , \"two\" , [ ] , { } ]", "{\"a\":1}",
		" { \"a\" : { \"b\" : [ null ] } , \"a\" : 2 } \r\n\t",
		"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\"",
		"\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"",
		"[0.12345678901234567890,-0.12345678]", "\"a string that is longer than a word or two\"",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
	{
		JsonFault	fault;

		ok(parse(texts[i], strlen(texts[i]), &fault), texts[i]);
	}
}

typedef struct BadText
{
	const char *text;
	size_t		offset;
	bool		at_end;
} BadText;

static void
test_invalid(void)
{
	static const BadText texts[] = {
		{"", 0, true}, {"  ", 2, true}, {"nul", 3, true}, {"nulL", 3, false}, {"NaN", 0, false},
		{"truex", 4, false}, {"01", 1, false}, {"-", 1, true}, {"-x", 1, false}, {"+1", 0, false},
		{"1.", 2, true}, {"1.x", 2, false}, {".5", 0, false}, {"1e", 2, true}, {"1e+", 3, true},
		{"1ex", 2, false}, {"[12345678:2]", 9, false}, {"[0.123456/7]", 9, false},
		{"-01", 2, false},
		{"0x10", 1, false}, {"Infinity", 0, false},
		{"[", 1, true}, {"[1", 2, true}, {"[1,", 3, true}, {"[1,]", 3, false}, {"[,]", 1, false},
		{"[1 2]", 3, false}, {"[1}", 2, false}, {"]", 0, false}, {"[]]", 2, false},
		{"1 1", 2, false},
		{"{", 1, true}, {"{\"a\"", 4, true}, {"{\"a\":", 5, true}, {"{\"a\":1", 6, true},
		{"{\"a\":1,", 7, true}, {"{\"a\":1,}", 7, false}, {"{a:1}", 1, false}, {"{1:1}", 1, false},
		{"{\"a\" 1}", 5, false}, {"{\"a\":}", 5, false}, {"{,}", 1, false}, {"{\"a\":1]", 6, false},
		{"{\"a\":1 \"b\":2}", 7, false}, {"{\"a\"}", 4, false}, {"/* */1", 0, false},
		{"1//", 1, false},
		{"\"", 1, true}, {"\"abc", 4, true}, {"\"\\", 2, true}, {"\"\\x\"", 2, false},
		{"\"\\u12", 5, true},
		{"\"\\u12g4\"", 5, false}, {"\"\\'\"", 2, false}, {"'a'", 0, false}, {"\"a\nb\"", 2, false},
		{"\"\t\"", 1, false}, {"\"12345678\x01\"", 9, false}, {"\"\x1f\"", 1, false},
		{"\"\x80\"", 1, false}, {"\"\xc0\x80\"", 1, false}, {"\"\xc1\xbf\"", 1, false},
		{"\"\xe0\x9f\xbf\"", 1, false}, {"\"\xed\xa0\x80\"", 1, false},
		{"\"\xf0\x8f\xbf\xbf\"", 1, false},
		{"\"\xf4\x90\x80\x80\"", 1, false}, {"\"\xf5\x80\x80\x80\"", 1, false},
		{"\"\xff\"", 1, false},
		{"\"\xc3\"", 1, false}, {"\"\xc3", 2, true}, {"\"\xf0\x9f\x98", 4, true},
		{"\"\xe2\x82\"", 1, false},
		{"\xef\xbb\xbf" "1", 0, false}, {"\x0b" "1", 0, false}, {"\xc2\xa0" "1", 0, false},
	};
	JsonFault	fault;

	for (size_t i = 0; i < COUNT(texts); i++)
	{
		char		name[100];
		bool		refused = !parse(texts[i].text, strlen(texts[i].text), &fault);

		snprintf(name, sizeof(name), "refused: text %zu, at byte %zu%s", i, texts[i].offset,
				 texts[i].at_end ? ", its end" : "");
		if (!ok(refused && fault.offset == texts[i].offset && fault.at_end == texts[i].at_end &&
				fault.message != NULL, name))
			printf("# text: %s, offset %zu, message %s\n", texts[i].text, fault.offset,
				fault.message);
	}
	ok(!parse("\"a\0b\"", 5, &fault) && fault.offset == 2 && !fault.at_end, "a NUL in a string");
	ok(!parse("1\0", 2, &fault) && fault.offset == 1, "a NUL behind the value");
	ok(!parse("\"\\\0\"", 4, &fault) && fault.offset == 2, "a NUL as an escape");
}

static void
test_depth(void)
{
	size_t		length = 100000;
	char	   *text = malloc(2 * length);
	JsonFault	fault;

	memset(text, '[', length);
	memset(text + length, ']', length);
	ok(parse(text + length - JSON_MAX_DEPTH, 2 * JSON_MAX_DEPTH, &fault), "the deepest nesting");
	ok(!parse(text + length - JSON_MAX_DEPTH - 1, 2 * JSON_MAX_DEPTH + 2, &fault) &&
	   fault.offset == JSON_MAX_DEPTH && !fault.at_end, "one level more");
	ok(!parse(text, 2 * length, &fault), "100,000 levels of arrays");
	for (size_t i = 0; i + 5 <= 2 * length; i += 5)
		memcpy(text + i, "{\"\":[", 5);
	ok(!parse(text, 2 * length, &fault) && fault.offset < 5000, "objects and arrays by turns");
	free(text);
}

static const char sample[] =
"{\"data\": [{\"index\": 0, \"embedding\": [0.1, -2.5e-3, 1234567890.123456789]}, \n"
" {\"in\\u0064ex\": 1, \"text\": \"a \\\"quoted\\\" \\\\ \xe2\x82\xac \\ud83d\\ude00\"}], \n"
" \"usage\": {\"total\": 17, \"ok\": true, \"no\": false, \"nil\": null, \"e\": [], \"o\": {}}}";

/* Walks all values of a text, as deep as they are; returns how many. */
static int
walk_all(JsonSlice top)
{
	JsonSlice	stack[200];
	int			depth = 0;
	int			count = 0;
	ByteBuffer	decoded = {0};

	stack[depth++] = top;
	while (depth > 0)
	{
		JsonSlice	value = stack[--depth];
		JsonKind	kind = json_kind(value);
		JsonCursor	cursor;
		JsonSlice	name;
		JsonSlice	child;
		int64_t		number;
		const char *why;

		count++;
		if (kind == JSON_STRING)
			json_decode_string(value, &decoded, &why);
		if (kind == JSON_NUMBER)
			json_to_int64(value, &number);
		cursor = json_elements(value);
		while (kind == JSON_ARRAY && json_next_element(&cursor, &child))
			depth += depth < 200 ? (stack[depth] = child, 1) : 0;
		while (kind == JSON_OBJECT && json_next_member(&cursor, &name, &child))
		{
			json_string_equals(name, "index", 5);
			depth += depth < 200 ? (stack[depth] = child, 1) : 0;
		}
	}
	buffer_free(&decoded);
	return count;
}

/* Cut off anywhere: refused,
	and known to be cut off.  Damaged: whatever is accepted can be walked. */
static void
test_damage(void)
{
	size_t		length = strlen(sample);
	JsonFault	fault;
	JsonSlice	value;
	bool		all_cut = true;
	int			accepted = 0;
	unsigned	random = 1;

	for (size_t cut = 0; cut < length; cut++)
		all_cut &= !parse(sample, cut, &fault) && fault.at_end && fault.offset == cut;
	ok(all_cut, "the sample, cut at every byte");
	for (int turn = 0; turn < 100000; turn++)
	{
		char	   *copy = malloc(length);

		memcpy(copy, sample, length);
		for (int flips = turn % 3; flips >= 0; flips--)
		{
			random = random * 1103515245 + 12345;
			copy[(random >> 8) % length] = "[]{}\",:\\u0 1"[(random >> 4) % 12];
			random = random * 1103515245 + 12345;
			if (turn % 2 == 0)
				copy[(random >> 8) % length] ^= (char) (1 << (random >> 5) % 8);
		}
		if (json_parse(copy, length, &value, &fault))
		{
			accepted++;
			walk_all(value);
		}
		free(copy);
	}
	ok(accepted > 0, "100,000 damaged samples, some of them JSON still");
	ok(json_parse(sample, length, &value, &fault), "the sample as it is");
	is_int(walk_all(value), 18, "all its values");
}

static void
test_walk(void)
{
	JsonSlice	value;
	JsonSlice	name;
	JsonFault	fault;
	JsonCursor	cursor;
	char		text[200];
	static const char array[] = " [1 , \"]\\\\\\\"\" ,[[],{\"}\":\"{\"}], {} ,null] ";
	static const char object[] = "{ \"a\" : 1 , \"b\\\"\":\"x,y\",\"a\":[2]}";

	json_parse(array, strlen(array), &value, &fault);
	is_int((int64_t) value.length, (int64_t) strlen(array) - 2,
		"the value without white space around it");
	cursor = json_elements(value);
	text[0] = '\0';
	while (json_next_element(&cursor, &value))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "<%.*s>", (int) value.length,
			value.start);
	is_str(text, "<1><\"]\\\\\\\"\"><[[],{\"}\":\"{\"}]><{}><null>", "elements");
	ok(!json_next_element(&cursor, &value), "and still none");

	cursor = json_members(slice(object));
	text[0] = '\0';
	while (json_next_member(&cursor, &name, &value))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "<%.*s=%.*s>",
				 (int) name.length, name.start, (int) value.length, value.start);
	is_str(text, "<\"a\"=1><\"b\\\"\"=\"x,y\"><\"a\"=[2]>", "members");
	ok(json_member(slice(object), "a", 1, &value) && value.length == 3,
		"the last of a name counts");
	ok(json_member(slice(object), "b\"", 2, &value) && value.length == 5, "a name with an escape");
	ok(!json_member(slice(object), "b", 1, &value), "a name that is not there");
	ok(!json_member(slice("{ }"), "a", 1, &value), "in an empty object");
	is_str(json_kind_name(json_kind(slice("true"))), "boolean", "kind of true");
	is_str(json_kind_name(json_kind(slice("-1"))), "number", "kind of -1");
	is_str(json_kind_name(json_kind(slice("{}"))), "object", "kind of {}");
}

typedef struct Decoding
{
	const char *token;
	const char *text;			/* NULL: refused */
} Decoding;

static void
test_strings(void)
{
	static const Decoding decodings[] = {
		{"\"\"", ""}, {"\"abc\"", "abc"}, {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
		{"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
		{"\"x\\ud83d\\uDE00y\"", "x\xf0\x9f\x98\x80y"},
		{"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"}, {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
		"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
		{"\"\\u0000\"", NULL}, {"\"\\ud83d\"", NULL}, {"\"\\ude00\"", NULL}, {"\"\\ud83dx\"", NULL},
		{"\"\\ud83d\\n\"", NULL}, {"\"\\ud83d\\u0041\"", NULL}, {"\"\\ude00\\ud83d\"", NULL},
		{"\"\\ud83d\\ud83d\"", NULL},
	};

	for (size_t i = 0; i < COUNT(decodings); i++)
	{
		ByteBuffer	out = {0};
		JsonSlice	token = slice(decodings[i].token);
		const char *text = decodings[i].text;
		const char *why = NULL;
		bool		decoded = json_decode_string(token, &out, &why);

		is_str(decoded ? out.data : NULL, text, decodings[i].token);
		ok(decoded || why != NULL, "with a reason where it is refused");
		if (text != NULL)
		{
			ok(json_string_equals(token, text, strlen(text)), "equals its text");
			ok(!json_string_equals(token, text, strlen(text) + 1), "not a longer one");
			ok(text[0] == '\0' || !json_string_equals(token, text, strlen(text) - 1),
				"nor a shorter one");
		}
		else
			ok(!json_string_equals(token, "\xed\xa0\xbd", 3), "equals nothing");
		buffer_free(&out);
	}
}

/* What is quoted decodes to what it was, and is valid. */
static void
test_quoting(void)
{
	ByteBuffer	text = {0};
	ByteBuffer	quoted = {0};
	ByteBuffer	back = {0};
	JsonSlice	value;
	JsonFault	fault;
	const char *why;

	json_append_quoted(&quoted, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9", 14);
	is_str(quoted.data, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"", "escapes");
	buffer_reset(&quoted);
	json_append_escaped(&quoted, "plain text of some length", 25);
	is_str(quoted.data, "plain text of some length", "only the inside");
	buffer_reset(&quoted);
	for (int shift = 0; shift < 8; shift++)
	{
		for (int c = 1; c < 0x80; c++)
			buffer_append_char(&text, (char) c);
		buffer_append(&text, "\xf0\x9f\x98\x80padding", 4 + shift);
	}
	json_append_quoted(&quoted, text.data, text.length);
	ok(json_parse(quoted.data, quoted.length, &value, &fault), "all characters, quoted, are JSON");
	ok(json_decode_string(value, &back, &why) && back.length == text.length &&
	   memcmp(back.data, text.data, text.length) == 0, "and decode to themselves");
	buffer_free(&text);
	buffer_free(&quoted);
	buffer_free(&back);
}

static void
test_numbers(void)
{
	static const char *const none[] = {
		"1.0", "1e3", "9223372036854775808", "-9223372036854775809", "99999999999999999999",
		"18446744073709551616",
	};
	int64_t		number = 0;

	for (size_t i = 0; i < COUNT(none); i++)
		ok(!json_to_int64(slice(none[i]), &number), none[i]);
	ok(json_to_int64(slice("9223372036854775807"), &number) && number == INT64_MAX, "the largest");
	ok(json_to_int64(slice("-9223372036854775808"), &number) && number == INT64_MIN,
		"the smallest");
	ok(json_to_int64(slice("-0"), &number) && number == 0, "-0");
	ok(json_to_int64(slice("42"), &number) && number == 42, "42");
}

static void
test_utf8(void)
{
	is_int((int64_t) utf8_valid_prefix("", 0), 0, "prefix of nothing");
	is_int((int64_t) utf8_valid_prefix("abcdefgh\xc3\xa9", 10), 10, "all of it");
	is_int((int64_t) utf8_valid_prefix("abcdefgh\xc3\xa9", 9), 8, "not half a character");
	is_int((int64_t) utf8_valid_prefix("ab\xffgh", 5), 2, "up to a stray byte");
	is_int((int64_t) utf8_valid_prefix("a\0b\xed\xa0\x80", 6), 3,
		"up to a surrogate; NUL is a character");
}

int
main(void)
{
	test_buffer();
	test_valid();
	test_invalid();
	test_depth();
	test_damage();
	test_walk();
	test_strings();
	test_quoting();
	test_numbers();
	test_utf8();
	return done_testing();
}
