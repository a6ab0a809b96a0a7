/*-------------------------------------------------------------------------
 *
 * request_test.c
 *	  Unit tests of templates: template*.c, placeholder.c.
 *
 * Most are tables: a template and what it becomes for the same two rows, or a
 * template and words of the fault it is refused with.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "template/template.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COLUMN_COUNT 8

static const char *const columns[COLUMN_COUNT] = {
	"id", "name", "n", "tags", "job", "a\"b", "caf\xc3\xa9", "odd {name}"
};

static const char *const first_fields[COLUMN_COUNT] = {
	"7", "\"Ann \\\"A\\\" / B\"", NULL, "[\"x\", 1.50]", "\"a job\"", " \"quote\" ",
	"\"caf\xc3\xa9\"", "true"
};

static const char *const second_fields[COLUMN_COUNT] = {
	"8", "\"..\"", " null", "{}", "null", "\"\"", "12345678901234567890.50", "\".\""
};

static const char *const upward_fields[COLUMN_COUNT] = {
	"\"a/..b\"", "\"a/../b\"", NULL, "\"fish\""
};

static const RequestRow rows[] = {
	{"one \"1\"\n", 8, first_fields},
	{"two", 3, second_fields},
	{"", 0, NULL},
	{"x\\..", 4, upward_fields},
};

/* Fills a template for rows [first, first + count); NULL where that is refused. */
static const char *
fill(const Template *tpl, int first, int count, ByteBuffer *out)
{
	RequestScope scope = {42, -3, rows + first, count};
	const char *why = NULL;

	buffer_reset(out);
	buffer_append_string(out, "kept");
	if (!template_fill(tpl, &scope, out, &why))
		return why != NULL && strcmp(out->data,
			"kept") == 0 && out->length == 4 ? NULL : "no reason, or a rest";
	return out->data + 4;
}

static Template *
compile_body(const char *json, TemplateFault *fault)
{
	size_t		length = strlen(json);
	char	   *copy = malloc(length > 0 ? length : 1);
	Template   *tpl;

	memcpy(copy, json, length);
	memset(fault, 0x7f, sizeof(*fault));
	tpl = template_compile_body(copy, length, columns, COLUMN_COUNT, fault);
	free(copy);
	return tpl;
}

typedef struct Filling
{
	const char *text;
	const char *filled;
} Filling;

/* For two rows; what means a single row means the first. */
static const Filling bodies[] = {
	{"{\"model\": \"m\", \"n\": 1.50, \"input\": \"{{inputs}}\"}",
	"{\"model\": \"m\", \"n\": 1.50, \"input\": [\"one \\\"1\\\"\\n\",\"two\"]}"},
	{" [ 1 , \"a\\u0041\" ] ", " [ 1 , \"a\\u0041\" ] "},
	{"\"{{inputs}}\"", "[\"one \\\"1\\\"\\n\",\"two\"]"},
	{"{\"z\":\"{{job}}\",\"a\":\"{{bucket}}\"}", "{\"z\":42,\"a\":-3}"},
	{"[\"job {{job}}, bucket {{bucket}}.\"]", "[\"job 42, bucket -3.\"]"},
	{"\"{{ inputs }}\"", "[\"one \\\"1\\\"\\n\",\"two\"]"},
	{"\" {{inputs}}\"", "\" [\\\"one \\\\\\\"1\\\\\\\"\\\\n\\\",\\\"two\\\"]\""},
	{"\"{{input}}\"", "\"one \\\"1\\\"\\n\""},
	{"\"Say: {{input}}!\"", "\"Say: one \\\"1\\\"\\n!\""},
	{"[\"{{id}}\",\"{{name}}\",\"{{n}}\",\"{{tags}}\"]",
	"[7,\"Ann \\\"A\\\" / B\",null,[\"x\", 1.50]]"},
	{"\"{{id}}|{{name}}|{{n}}|{{tags}}|\"", "\"7|Ann \\\"A\\\" / B||[\\\"x\\\", 1.50]|\""},
	{"\"{{a\\\"b}}\"", "\"quote\""},
	{"\"{{caf\\u00e9}}\"", "\"caf\xc3\xa9\""},
	{"\"{{\tcaf\xc3\xa9 }}\"", NULL},
	{"\"{{ odd {name} }}\"", "true"},
	{"\"{{odd {name}}}\"", NULL},
	{"\"\\u007b{input\\u007D}\"", "\"one \\\"1\\\"\\n\""},
	{"\"{{{{input}}\"", "\"{{input}}\""},
	{"\"{{{{{{id}}\"", "\"{{7\""},
	{"\"{{{id}}}\"", "\"{7}\""},
	{"\"{ {id} } }}\"", "\"{ {id} } }}\""},
	{"\"\\\\{{id}}\\\\\"", "\"\\\\7\\\\\""},
	{"\"\\\\u007b{id}}\"", "\"\\\\u007b{id}}\""},
	{"\"{{id}}{{id}}\"", "\"77\""},
	{"{\"{{{{key}}\": 1}", "{\"{{key}}\": 1}"},
	{"[\"{{each}}\", \"{{input}}\"]", "[\"one \\\"1\\\"\\n\",\"two\"]"},
	{"{\"a\": [ \"{{ each }}\" , {\"id\": \"r{{id}}\", \"all\": \"{{job}}\"} ], \"b\": [1]}",
	"{\"a\": [{\"id\": \"r7\", \"all\": 42} ,{\"id\": \"r8\", \"all\": 42} ], \"b\": [1]}"},
	{"[[\"{{each}}\",[1]],[\"{{each}}\",\"{{n}}\"],\"{{id}}\"]", "[[[1],[1]],[null,null],7]"},
	{"[\"{{each}}\",\"{{inputs}}\"]",
	"[[\"one \\\"1\\\"\\n\",\"two\"],[\"one \\\"1\\\"\\n\",\"two\"]]"},
	{"[[\"{{each}}\",\"x\"],\"y\"]", "[[\"x\",\"x\"],\"y\"]"},
	{"[{\"a\":1},{\"a\":{\"a\":2}}]", "[{\"a\":1},{\"a\":{\"a\":2}}]"},
};

static void
test_bodies(void)
{
	ByteBuffer	out = {0};
	TemplateFault fault;

	for (size_t i = 0; i < COUNT(bodies); i++)
	{
		Template   *tpl = compile_body(bodies[i].text, &fault);
		const char *filled = tpl != NULL ? fill(tpl, 0, 2, &out) : NULL;
		JsonSlice	value;
		JsonFault	json_fault;

		is_str(filled, bodies[i].filled, bodies[i].text);
		if (filled != NULL)
			ok(json_parse(filled, strlen(filled), &value, &json_fault), "is JSON");
		template_free(tpl);
	}
	buffer_free(&out);
}

static void
test_rows(void)
{
	ByteBuffer	out = {0};
	TemplateFault fault;
	static const char *const two[] = {"id", "caf\xc3\xa9 \"x\""};
	static const char expected[] = "{\"r\":["
	"{\"id\":7,\"caf\xc3\xa9 \\\"x\\\"\":\"Ann \\\"A\\\" / B\"},"
	"{\"id\":8,\"caf\xc3\xa9 \\\"x\\\"\":\"..\"},{\"id\":null,\"caf\xc3\xa9 \\\"x\\\"\":null}]}";
	Template   *tpl = template_compile_body("{\"r\":\"{{rows}}\"}", 16, two, 2, &fault);

	is_str(fill(tpl, 0, 3, &out), expected, "{{rows}}: objects of all columns");
	is_str(fill(tpl, 0, 0, &out), "{\"r\":[]}", "of no row");
	template_free(tpl);
	tpl = template_compile_body("\"{{rows}} {{inputs}}\"", 21, NULL, 0, &fault);
	is_str(fill(tpl, 1, 2, &out), "\"[{},{}] [\\\"two\\\",\\\"\\\"]\"", "without columns, as text");
	template_free(tpl);
	tpl = compile_body("[[\"{{each}}\",\"{{id}}\"],\"{{input}}\",\"{{id}}\"]", &fault);
	is_str(fill(tpl, 0, 0, &out), "[[],\"\",null]", "an each of no row");
	is_str(fill(tpl, 1, 1, &out), "[[8],\"two\",8]", "an each of one row");
	template_free(tpl);
	buffer_free(&out);
}

typedef struct Refusal
{
	const char *text;
	const char *words;			/* in the message, detail or hint */
} Refusal;

static const Refusal refused_bodies[] = {
	{"", "not JSON: unexpected end of text"},
	{"{{inputs}}", "not JSON: expected a member name"},
	{"{\"input\": {{inputs}}}", "A placeholder stands in a JSON string"},
	{"\"{{foo}}\"", "unknown placeholder \"{{foo}}\""},
	{"[1, \"all: {{ imputs }}\"]", "Perhaps you meant {{inputs}}. {{inputs}}, {{rows}}"},
	{"\"{{NAME}}\"", "Perhaps you meant {{name}}."},
	{"\"{{nmae}}\"", "Perhaps you meant {{name}}."},
	{"\"{{upper(name)}}\"", "is an expression"},
	{"\"{{foo}}\"", "{{inputs}}, {{rows}}, {{job}}, {{bucket}}, {{input}}, {{id}}, {{name}}"},
	{"\"{{}}\"", "placeholder without a name"},
	{"\"a {{ }}\"", "placeholder without a name"},
	{"\"{{Inputs}}\"", "unknown placeholder"},
	{"\"{{now}}\"", "placeholder \"{{now}}\" cannot be sent"},
	{"\"at {{fingerprint}}\"", "cannot be sent"},
	{"[1,\"{{input\"]", "unterminated \"{{input\" in the request template"},
	{"\"caf\xc3\xa9 {{input}\"", "Close it with \"}}\": {{input}}, or"},
	{"\"{{ input\"", "Close it with \"}}\", or"},
	{"\"{{a\\u0000}}\"", "malformed placeholder"},
	{"{\"{{id}}\":1}", "placeholder \"{{id}}\" in a key"},
	{"{\"x{{foo}}\":1}", "placeholder \"{{foo}}\" in a key"},
	{"{\"{{each}}\":1}", "misplaced"},
	{"{\"{{\":1}", "unterminated"},
	{"{\"a\":1,\"b\":2,\"a\":3}", "key \"a\" is repeated"},
	{"[{\"x\":{\"a\":1,\"\\u0061\":[]}}]", "key \"a\" is repeated"},
	{"{\"a\":{\"b\":1},\"c\":{\"b\":1},\"a\":{}}", "key \"a\" is repeated"},
	{"{\"\\ud800\":1}", "malformed key"},
	{"\"{{each}}\"", "[\"{{each}}\", T]"},
	{"[\"{{each}}\"]", "nothing to repeat"},
	{"[\"{{each}}\",1,2]", "more than one"},
	{"[1,\"{{each}}\"]", "misplaced"},
	{"[\" {{each}}\",1]", "misplaced"},
	{"{\"a\":\"{{each}}\"}", "misplaced"},
	{"[\"{{each}}\",\"{{each}}\"]", "misplaced"},
	{"[\"{{each}}\",[\"{{each}}\",1]]", "inside another"},
	{"[\"{{each}}\",{\"a\":[[\"{{each}}\",1]]}]", "inside another"},
};

static bool
has_words(const TemplateFault *fault, const char *words)
{
	return strstr(fault->message, words) != NULL || strstr(fault->detail, words) != NULL ||
		strstr(fault->hint, words) != NULL;
}

static void
test_refused_bodies(void)
{
	for (size_t i = 0; i < COUNT(refused_bodies); i++)
	{
		TemplateFault fault;
		Template   *tpl = compile_body(refused_bodies[i].text, &fault);

		if (!ok(tpl == NULL && has_words(&fault, refused_bodies[i].words),
				refused_bodies[i].text) && tpl == NULL)
			printf("# %s\n# %s\n# %s\n", fault.message, fault.detail, fault.hint);
		template_free(tpl);
	}
}

/* Where the columns are not known, any name may be one; all else is refused as ever. */
static void
test_without_columns(void)
{
	TemplateFault fault;
	static const char taken[] = "[[\"{{each}}\",\"{{foo}}\"],\"{{now}} {{bar}}\"]";
	static const char *const refused[] = {
		"{\"a\": \"{{each}}\"}", "{\"{{foo}}\": 1}", "{\"a\": \"{{foo\"}", "\"{{}}\"",
		"{\"a\": 1, \"a\": 2}", "{{inputs}}"
	};

	ok(template_check_body(taken, strlen(taken), &fault), "any name may be a column's");
	for (size_t i = 0; i < COUNT(refused); i++)
		ok(!template_check_body(refused[i], strlen(refused[i]), &fault), refused[i]);
	ok(template_check_url("http://h/{{foo}}?{{inputs}}", "url", &fault), "also in a url");
	ok(!template_check_url("http://h/{{each}}", "url", &fault), "which takes no each");
}

/* Messages are whole characters however long the names. */
static void
test_long_names(void)
{
	ByteBuffer	text = {0};
	TemplateFault fault;
	const char *many[300];
	bool		whole;

	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = "gr\xc3\xb6\xc3\x9f" "e";
	for (int shift = 0; shift < 3; shift++)
	{
		buffer_reset(&text);
		buffer_append(&text, "\"{{xxx", 3 + shift);
		for (int i = 0; i < 1000; i++)
			buffer_append_string(&text, "\xe2\x82\xac");
		buffer_append_string(&text, "}}\"");
		ok(template_compile_body(text.data, text.length, many, COUNT(many), &fault) == NULL,
		   "a long name");
		whole = utf8_valid_prefix(fault.message, strlen(fault.message)) == strlen(fault.message);
		ok(whole && strlen(fault.message) > 200, "is cut at a whole character");
		ok(utf8_valid_prefix(fault.unknown, strlen(fault.unknown)) == strlen(fault.unknown),
		   "also where it stands alone");
		ok(strstr(fault.hint, ", ... can stand here.") != NULL, "and so is the list of columns");
	}
	buffer_free(&text);
}

static void
test_big_templates(void)
{
	ByteBuffer	text = {0};
	ByteBuffer	out = {0};
	TemplateFault fault;
	Template   *tpl;

	for (int i = 0; i < JSON_MAX_DEPTH - 1; i++)
		buffer_append_string(&text, i % 2 == 0 ? "[" : "{\"a\":");
	buffer_append_string(&text, "[\"{{each}}\",\"{{input}}\"]");
	for (int i = JSON_MAX_DEPTH - 2; i >= 0; i--)
		buffer_append_char(&text, i % 2 == 0 ? ']' : '}');
	tpl = template_compile_body(text.data, text.length, NULL, 0, &fault);
	ok(tpl != NULL && strstr(fill(tpl, 0, 2, &out), "[\"one") != NULL, "the deepest template");
	template_free(tpl);
	buffer_reset(&text);
	for (int i = 0; i < 100000; i++)
		buffer_append_string(&text, i % 2 == 0 ? "[" : "{\"a\":");
	ok(template_compile_body(text.data, text.length, NULL, 0, &fault) == NULL, "one too deep");
	buffer_reset(&text);
	buffer_append_char(&text, '{');
	for (int i = 0; i < 100000; i++)
	{
		buffer_append_string(&text, i > 0 ? ",\"" : "\"");
		buffer_append_integer(&text, i);
		buffer_append_string(&text, "\":\"{{job}}\"");
	}
	buffer_append_char(&text, '}');
	tpl = template_compile_body(text.data, text.length, NULL, 0, &fault);
	ok(tpl != NULL && fill(tpl, 0, 1, &out) != NULL && out.length > 1000000, "100,000 keys");
	template_free(tpl);
	buffer_free(&text);
	buffer_free(&out);
}

/* A template cut anywhere or damaged anywhere is refused or compiles; it never crashes. */
static void
test_damage(void)
{
	static const char sample[] = "{\"a\":[\"{{each}}\",{\"x\":\"{{id}} {{{{ {{\\u0069d}}\",\"y\":"
	"\"{{rows}}\"}],\"b\":\"\\u007b{input}}\",\"c\":[\"{{{job}}}\"]}";
	size_t		length = strlen(sample);
	char		copy[sizeof(sample)];
	ByteBuffer	out = {0};
	TemplateFault fault;
	unsigned	random = 7;
	int			refused = 0;
	int			compiled = 0;

	for (size_t cut = 0; cut < length; cut++)
	{
		memcpy(copy, sample, length);
		copy[cut] = '\0';
		refused += compile_body(copy, &fault) == NULL;
	}
	is_int(refused, (int64_t) length, "the sample, cut at every byte");
	for (int turn = 0; turn < 50000; turn++)
	{
		Template   *tpl;

		memcpy(copy, sample, sizeof(sample));
		for (int flips = turn % 3; flips >= 0; flips--)
		{
			random = random * 1103515245 + 12345;
			copy[(random >> 8) % length] = "[]{}\",:\\u }{x"[(random >> 4) % 13];
		}
		tpl = turn % 2 ? compile_body(copy, &fault) :
			template_compile_url(copy, "url", columns, COLUMN_COUNT, &fault);
		if (tpl != NULL)
		{
			compiled++;
			fill(tpl, 0, 2, &out);
			template_free(tpl);
		}
		url_check(copy, &fault);
		url_path_check(copy, &fault);
		buffer_reset(&out);
		url_join(&out, copy, copy + length / 2);
	}
	ok(compiled > 0, "50,000 damaged samples, some of them templates still");
	buffer_free(&out);
}

typedef struct Traits
{
	const char *text;
	const char *single_row;
	bool		needs_fields;
	bool		carries_rows;
} Traits;

static void
test_traits(void)
{
	static const Traits traits[] = {
		{"{}", NULL, false, false}, {"\"{{job}} {{bucket}}\"", NULL, false, false},
		{"\"{{inputs}}\"", NULL, false, true}, {"\"{{rows}}\"", NULL, true, true},
		{"\"{{ input }}\"", "input", false, true}, {"\"{{name}}{{id}}\"", "name", true, true},
		{"[\"{{each}}\",\"{{input}}\"]", NULL, false, true},
		{"[\"{{each}}\",\"{{id}}\"]", NULL, true, true},
		{"[[\"{{each}}\",\"{{id}}\"],\"{{input}}\"]", "input", true, true},
		{"[\"{{each}}\",1]", NULL, false, false},
	};

	for (size_t i = 0; i < COUNT(traits); i++)
	{
		TemplateFault fault;
		Template   *tpl = compile_body(traits[i].text, &fault);

		is_str(template_single_row_placeholder(tpl), traits[i].single_row, traits[i].text);
		ok(template_needs_fields(tpl) == traits[i].needs_fields, "needs fields");
		ok(template_carries_rows(tpl) == traits[i].carries_rows, "carries rows");
		template_free(tpl);
	}
}

static const Filling urls[] = {
	{"http://h/v1", "http://h/v1"},
	{"http://h/{{id}}", "http://h/7"},
	{"http://h/x/{{name}}/y?q={{input}}",
	"http://h/x/Ann%20%22A%22%20%2F%20B/y?q=one%20%221%22%0A"},
	{"http://h/{{ caf\xc3\xa9 }}", "http://h/caf%C3%A9"},
	{"http://h/{{tags}}", "http://h/%5B%22x%22%2C%201.50%5D"},
	{"http://h/?i={{inputs}}&j={{job}}/{{bucket}}",
	"http://h/?i=%5B%22one%20%5C%221%5C%22%5Cn%22%2C%22two%22%5D&j=42/-3"},
	{"http://h/a{{n}}", "http://h/a"},
	{"http://h/a?n={{n}}&//../", "http://h/a?n=&//../"},
	{"http://h?x={{n}}", "http://h?x="},
	{"http://h/a?{{n}}/b/{{n}}/", "http://h/a?/b//"},
	{"http://h/{{{{id}}", "http://h/{{id}}"},
	{"http://h/{{n}}", NULL},
	{"http://h/{{n}}/x", NULL},
	{"http://h/a/{{n}}?x", NULL},
	{"http://h/a/{{n}}{{n}}/", NULL},
	{"http://h/.{{n}}/", NULL},
	{"http://h/..{{n}}", NULL},
	{"http://h/%2e{{n}}%2E", NULL},
	{"http://h/...{{n}}", "http://h/..."},
	{"/{{id}}/{{n}}", NULL},
};

/* The same for the second row. */
static const Filling second_urls[] = {
	{"http://h/{{name}}", NULL}, {"http://h/x{{name}}", "http://h/x.."},
	{"http://h/?q={{name}}", "http://h/?q=.."},
	{"http://h/.{{odd {name} }}/", NULL}, {"http://h/{{odd {name} }}/", NULL},
	{"http://h/a/{{odd {name} }}{{ odd {name} }}?b", NULL}, {"http://h/{{a\"b}}", NULL},
	{"http://h/{{ caf\xc3\xa9 }}", "http://h/12345678901234567890.50"},
	{"http://h/x{{n}}", "http://h/x"},
	{"http://h/{{tags}}%2f{{name}}", NULL}, {"http://h/x%5C{{name}}%2F{{id}}", NULL},
	{"http://h/?{{tags}}%2f{{name}}", "http://h/?%7B%7D%2f.."},
};

/* The same for a row whose values go up, where encoded slashes count. */
static const Filling upward_urls[] = {
	{"http://h/{{name}}/x", NULL}, {"http://h/a{{name}}", NULL}, {"http://h/{{input}}", NULL},
	{"http://h/..%2{{tags}}", NULL}, {"http://h/a..%2{{tags}}", "http://h/a..%2fish"},
	{"http://h/?{{name}}", "http://h/?a%2F..%2Fb"}, {"http://h/{{id}}", "http://h/a%2F..b"},
};

static void
test_filled_urls(const Filling *cases, size_t count, int row)
{
	ByteBuffer	out = {0};
	TemplateFault fault;

	for (size_t i = 0; i < count; i++)
	{
		Template   *tpl = template_compile_url(cases[i].text, "url", columns, COLUMN_COUNT, &fault);

		ok(tpl != NULL, "a url template");
		if (tpl != NULL)
			is_str(fill(tpl, row, row == 0 ? 2 : 1, &out), cases[i].filled, cases[i].text);
		template_free(tpl);
	}
	buffer_free(&out);
}

static void
test_refused_url_templates(void)
{
	static const Refusal cases[] = {
		{"http://h/{{id", "unterminated \"{{id\" in the url"},
		{"http://h/{{foo}}", "unknown placeholder \"{{foo}}\" in the url"},
		{"http://h/{{each}}", "cannot stand in the url"},
		{"http://h/{{now}}", "cannot be sent"},
	};
	static const char *const fields[] = {"\"\\u0000\""};
	static const char *const names[] = {"x"};
	RequestRow	row = {"", 0, fields};
	RequestScope scope = {1, 1, &row, 1};
	ByteBuffer	out = {0};
	TemplateFault fault;
	Template   *tpl;
	const char *why = NULL;

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(template_compile_url(cases[i].text, "url", columns, COLUMN_COUNT, &fault) == NULL &&
		   has_words(&fault, cases[i].words), cases[i].text);
	tpl = template_compile_url("http://h/{{x}}", "url", names, 1, &fault);
	ok(!template_fill(tpl, &scope, &out, &why) && strstr(why, "u0000") != NULL,
	   "a value that is no text");
	template_free(tpl);
	buffer_free(&out);
}

/* Where the fault is: what stands there. */
typedef struct Place
{
	const char *text;
	const char *rest;			/* of the text, from there on */
} Place;

static const Place body_places[] = {
	{"", ""},
	{"{{inputs}}", "{inputs}}"},
	{"{\"input\": {{inputs}}}", "{inputs}}}"},
	{"\"{{foo}}\"", "{{foo}}\""},
	{"[1, \"all: {{ imputs }}\"]", "{{ imputs }}\"]"},
	{"\"{{upper(name)}}\"", "{{upper(name)}}\""},
	{"\"{{}}\"", "{{}}\""},
	{"\"a {{ }}\"", "{{ }}\""},
	{"[1,\"{{input\"]", "{{input\"]"},
	{"\"caf\xc3\xa9 {{input}\"", "{{input}\""},
	{"{\"{{id}}\":1}", "{{id}}\":1}"},
	{"{\"a\":1,\"b\":2,\"a\":3}", "\"a\":3}"},
	{"[{\"x\":{\"a\":1,\"\\u0061\":[]}}]", "\"\\u0061\":[]}}]"},
	{"{\"a\":{\"b\":1},\"c\":{\"b\":1},\"a\":{}}", "\"a\":{}}"},
	{"{\"\\ud800\":1}", "\"\\ud800\":1}"},
	{"\"{{each}}\"", "{{each}}\""},
	{"[\"{{each}}\"]", "]"},
	{"[\"{{each}}\",1,2]", ",2]"},
	{"[1,\"{{each}}\"]", "{{each}}\"]"},
	{"[\" {{each}}\",1]", "{{each}}\",1]"},
	{"[\"{{each}}\",[\"{{each}}\",1]]", "\"{{each}}\",1]]"},
};

static const Place url_template_places[] = {
	{"http://h/{{id", "{{id"},
	{"http://h/{{foo}}", "{{foo}}"},
	{"http://h/{{each}}", "{{each}}"},
};

static bool
check_body(const char *text, TemplateFault *fault)
{
	Template   *tpl = compile_body(text, fault);

	template_free(tpl);
	return tpl != NULL;
}

static bool
check_url_template(const char *text, TemplateFault *fault)
{
	Template   *tpl = template_compile_url(text, "url", columns, COLUMN_COUNT, fault);

	template_free(tpl);
	return tpl != NULL;
}

static void
test_places(bool (*check) (const char *, TemplateFault *), const Place *places, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		TemplateFault fault;
		bool		refused = !check(places[i].text, &fault);
		bool		known = refused && fault.offset >= 0 &&
			fault.offset <= (int64_t) strlen(places[i].text);

		is_str(known ? places[i].text + fault.offset : NULL, places[i].rest, places[i].text);
	}
}

int
main(void)
{
	test_bodies();
	test_rows();
	test_refused_bodies();
	test_without_columns();
	test_long_names();
	test_big_templates();
	test_damage();
	test_traits();
	test_filled_urls(urls, COUNT(urls), 0);
	test_filled_urls(second_urls, COUNT(second_urls), 1);
	test_filled_urls(upward_urls, COUNT(upward_urls), 3);
	test_refused_url_templates();
	test_places(check_body, body_places, COUNT(body_places));
	test_places(check_url_template, url_template_places, COUNT(url_template_places));
	return done_testing();
}
