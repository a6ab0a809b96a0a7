/*-------------------------------------------------------------------------
 *
 * url_test.c
 *	  Unit tests of checking, joining and encoding URLs (url.c), and of
 *	  suggesting names (similar.c).
 *
 *-------------------------------------------------------------------------
 */
#include "base/similar.h"
#include "template/template.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Refusal
{
	const char *text;
	const char *words;			/* in the message, detail or hint */
} Refusal;

static bool
has_words(const TemplateFault *fault, const char *words)
{
	return strstr(fault->message, words) != NULL || strstr(fault->detail, words) != NULL ||
		strstr(fault->hint, words) != NULL;
}

static const char *const good_urls[] = {
	"http://h", "https://api.example.com/v1", "HTTP://H/", "hTTps://h:8080/a/b/?x=1&y=//..",
	"http://127.0.0.1:1",
	"http://[::1]:65535/x", "http://[fe80::1%25eth0]/", "http://xn--bcher-kva.example/",
	"http://[::ffff:127.0.0.1]/",
	"http://h?x={{id}}",
	"http://h/{{ odd #/..//@ name }}/x?y={{a b}}", "http://h/a..b/...", "http://h/{{{{x",
	"http://h/%20", "http://h/a:b@c",
};

static const Refusal bad_urls[] = {
	{"", "http://"}, {"h/v1", "does not begin with"}, {"ftp://h/", "does not begin with"},
	{"//h/", "does not begin with"},
	{"http:/h", "does not begin with"}, {"http://", "has no host"}, {"http:///x", "has no host"},
	{"http://:80/", "has no host"},
	{"http://?x", "has no host"}, {"https://[]/", "has no host"}, {"http://[::1", "malformed host"},
	{"http://h<>/", "malformed host"}, {"http://[::1]x/", "malformed host"},
	{"http://[::%31]/", "malformed host"}, {"http://[::1%eth0]/", "Write %25"},
	{"http://[fe80::1%25]/", "malformed host"}, {"http://[localhost]/", "malformed host"},
	{"http://b\xc3\xbc" "cher.example/", "xn--"}, {"http://b\xc3\xbc" "cher.example:80/", "xn--"},
	{"http://h:/", "malformed port"}, {"http://h:0/", "malformed port"},
	{"http://h:65536/", "malformed port"},
	{"http://h:8o/", "malformed port"}, {"http://h:100000000000/", "malformed port"},
	{"http://h:+80/", "malformed port"},
	{"http://user@h/", "USER MAPPING"}, {"http://user:secret@h/", "holds a user or a password"},
	{"http://{{id}}/", "scheme or host"}, {"http://h:{{id}}/", "scheme or host"},
	{"{{id}}://h/", "scheme or host"},
	{"http://h{{a/b}}.com/", "scheme or host"}, {"http://{{id}}@h/", "scheme or host"},
	{"http://h/#x", "fragment"}, {"http://h/?x#y", "fragment"}, {"http://h/a b", "white space"},
	{" http://h/", "white space"},
	{"http://h/\n", "white space"}, {"http://h/\x7f", "control"}, {"http://h/a\\b", "backslash"},
	{"http://h/../x", "\"..\" segment"}, {"http://h/a/..", "\"..\" segment"},
	{"http://h/a/..?x", "\"..\" segment"},
	{"http://h/%2e%2E/", "\"..\" segment"}, {"http://h/a%2f..%2Fb", "\"..\" segment"},
	{"http://h/.%2e%5cb", "\"..\" segment"},
	{"http://h//x", "\"//\""}, {"http://h/a//b", "\"//\""}, {"http://h//", "\"//\""},
	{"http://h/{{id", "unterminated"},
	{"http://h/{{id}}//{{id}}", "\"//\""},
	{"http://h/100%", "without two hexadecimal digits"},
	{"http://h/%zz{{id}}", "Write %25"}, {"http://h/%4{{id}}", "Write %25"},
	{"http://h/..%00/a", "holds a NUL"}, {"http://h/{{id}}?a=%00", "Remove it"},
};

static const char *const good_paths[] = {
	"", "/", "/v1/embeddings", "embeddings", "models/m:predict?alt=json", "?x=1",
	"/{{a/../b}}/{{id}}", "/a?b=../c//d",
	"/a/", "/x?u=http://y/", "/...",
};

static const Refusal bad_paths[] = {
	{"//h/x", "\"//\""}, {"/a//b", "\"//\""}, {"..", "\"..\" segment"},
	{"/..", "\"..\" segment"},
	{"/a/../b", "\"..\" segment"},
	{"../a", "\"..\" segment"}, {"/%2e./a", "\"..\" segment"}, {"https://evil/x", "scheme"},
	{"/x/y://z", "scheme"},
	{"/a#b", "fragment"}, {"/a b", "white space"}, {"/a\tb", "white space"},
	{"/{{id", "unterminated \"{{id\" in the path"}, {"\\..\\a", "backslash"},
	{"/a?b=1?c=2", "holds a second \"?\""}, {"?a={{b?c}}&d?", "%3F for a literal"},
	{"/..%2f{{id}}", "\"..\" segment"},
};

static void
test_checks(bool (*check) (const char *, TemplateFault *), const char *const *good,
	size_t good_count,
			const Refusal *bad, size_t bad_count)
{
	TemplateFault fault;

	for (size_t i = 0; i < good_count; i++)
	{
		if (!ok(check(good[i], &fault), good[i]))
			printf("# %s\n", fault.message);
	}
	for (size_t i = 0; i < bad_count; i++)
	{
		bool		refused = !check(bad[i].text, &fault);

		if (!ok(refused && has_words(&fault, bad[i].words), bad[i].text))
			printf("# %s\n", refused ? fault.message : "accepted");
	}
}

/* Where the fault is: what stands there. */
typedef struct Place
{
	const char *text;
	const char *rest;			/* of the text, from there on */
} Place;

static const Place url_places[] = {
	{"http://h//x", "//x"},
	{"http://h/a//b", "//b"},
	{"http://h/{{id", "{{id"},
	{"http://h/{{id}}//{{id}}", "//{{id}}"},
	{"http://h/100%", "%"},
	{"http://h/%zz{{id}}", "%zz{{id}}"},
};

static const Place path_places[] = {
	{"//h/x", "//h/x"},
	{"/a//b", "//b"},
	{"/a/../b", "../b"},
	{"https://evil/x", "://evil/x"},
	{"/a#b", "#b"},
	{"/a b", " b"},
	{"/{{id", "{{id"},
	{"\\..\\a", "\\..\\a"},
	{"/a?b=1?c=2", "?c=2"},
	{"?a={{b?c}}&d?", "?"},
};

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

static void
test_join(void)
{
	static const char *const joins[][3] = {
		{"http://h/v1?x=1", "/embed", "http://h/v1/embed?x=1"},
		{"http://h/v1", "embed", "http://h/v1/embed"},
		{"http://h/v1/", "/embed", "http://h/v1/embed"}, {"http://h", "/", "http://h/"},
		{"http://h/v1?x=1", "/e?y=2", "http://h/v1/e?x=1&y=2"},
		{"http://h/v1", "?y=2", "http://h/v1?y=2"},
		{"http://h/v1?", "/e?", "http://h/v1/e"}, {"http://h/v1?x=1", NULL, "http://h/v1?x=1"},
		{"http://h/", "", "http://h/"},
		{"http://h?x={{a?b}}", "{{c?d}}?{{e}}", "http://h/{{c?d}}?x={{a?b}}&{{e}}"},
	};
	ByteBuffer	out = {0};

	for (size_t i = 0; i < COUNT(joins); i++)
	{
		buffer_reset(&out);
		url_join(&out, joins[i][0], joins[i][1]);
		is_str(out.data, joins[i][2], joins[i][2]);
	}
	buffer_reset(&out);
	url_append_encoded(&out, "aZ09-._~ /?#%\xc3\xa9\0", 16);
	is_str(out.data, "aZ09-._~%20%2F%3F%23%25%C3%A9%00", "percent-encoding");
	buffer_free(&out);
}

static void
test_similar(void)
{
	static const char *const names[] = {"inputs", "input", "id", "name", "label", "size", "n"};
	static const char *const cases[][2] = {
		{"inptus", "inputs"}, {"INPUT", "input"}, {"imput", "input"}, {"Id", "id"}, {"ids", "id"},
		{"lable", "label"}, {"names", "name"}, {"x", NULL}, {"N", "n"}, {"", NULL}, {"title", NULL},
		{"nr", "n"}, {"sizzzze", NULL},
		{"0123456789012345678901234567890123456789012345678901234567890123456789", NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
	{
		Similar		similar = similar_to(cases[i][0]);

		for (size_t j = 0; j < COUNT(names); j++)
			similar_consider(&similar, names[j]);
		is_str(similar.best, cases[i][1], cases[i][0]);
	}
}

int
main(void)
{
	test_checks(url_check, good_urls, COUNT(good_urls), bad_urls, COUNT(bad_urls));
	test_checks(url_path_check, good_paths, COUNT(good_paths), bad_paths, COUNT(bad_paths));
	test_places(url_check, url_places, COUNT(url_places));
	test_places(url_path_check, path_places, COUNT(path_places));
	test_join();
	test_similar();
	return done_testing();
}
