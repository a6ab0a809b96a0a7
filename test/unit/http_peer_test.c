/*-------------------------------------------------------------------------
 *
 * http_peer_test.c
 *	  Peers of HTTP/1.1 that break its rules: whatever they say, an answer is that
 *	  of its request, and what is wrong has a reason.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE				/* strcasestr */

#include <stdlib.h>
#include <sys/wait.h>

#include "http_client.h"
#include "http_server.h"
#include "tap.h"

static HttpSettings settings = {
	.timeout_ms = 10000, .connect_timeout_ms = 10000, .max_response_size = 1024 * 1024
};

static void
start(Http *http, const char *path, void *tag)
{
	char		url[256];
	HttpRequest request = {.method = "GET", .url = url, .profile = 1, .tag = tag};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server_port, path);
	if (!http_start(http, &settings, &request))
		bail_out("http_start");
}

/* A request's answer, or why there is none, is to begin so. */
static void
gets(Http *http, const char *path, const char *expected, const char *name)
{
	HttpResult	result;
	const char *got;

	start(http, path, NULL);
	result = take_result(http);
	got = result.fault == HTTP_ANSWERED && result.body.data != NULL ? result.body.data
		: result.error;
	if (!ok(strncmp(got, expected, strlen(expected)) == 0, name))
		printf("#      got: %s (status %d)\n# expected: %s\n", got, result.status, expected);
	buffer_free(&result.body);
}

static void
test_unasked(void)
{
	Http	   *http = create(30);

	gets(http, "/then-unasked", "first", "an answer");
	let_go();
	gets(http, "/whole", "hello", "what came after it is not the next one's");
	gets(http, "/then-tired", "first", "an answer");
	let_go();
	gets(http, "/whole", "hello", "nor is a 408 on an idle connection");
	http_destroy(http);

	http = create(30);
	gets(http, "/once-408", "once", "a connection that is used once");
	gets(http, "/once-408", "once", "a 408 that has crossed the request: it goes on a new one");
	http_destroy(http);
}

/* One of the cases of which libcurl before 8.1 read memory that was freed. */
static void
test_headers(const char *path)
{
	Http	   *http = create(30);
	HttpResult	result;
	char		name[100];

	gets(http, "/whole", "hello", "a connection that was used");
	start(http, path, NULL);
	result = take_result(http);
	snprintf(name, sizeof(name), "%s: refused as malformed, or read", path);
	if (!ok(result.fault == HTTP_ANSWERED ? strncmp(result.body.data, "hello", 5) == 0
			: strstr(result.error, "malformed answer") != NULL, name))
		printf("# %d: %s\n", result.fault, result.error);
	buffer_free(&result.body);
	gets(http, "/whole", "hello", "and the next one is answered");
	http_destroy(http);
}

/*
 * Answers that claim to be HTTP/2 are read, or refused by libcurl from 8.8 on; but none is
 * another's.  Twenty requests, five at a time.
 */
static void
test_false_http2(const char *version, bool all_answered, const char *name)
{
	Http	   *http = create(30);
	char		paths[20][40];
	int			started = 0;
	int			wrong = 0;
	int			answered = 0;

	settings.http_version = version;
	for (int i = 0; i < 20; i++)
		snprintf(paths[i], sizeof(paths[i]), "/says-http2/%d", i);
	for (int taken = 0; taken < 20; taken++)
	{
		HttpResult	result;

		while (started < 20 && http_in_flight(http) < 5)
		{
			start(http, paths[started], paths[started]);
			started++;
		}
		result = take_result(http);
		if (result.fault == HTTP_ANSWERED)
		{
			answered++;
			wrong += strcmp(result.body.data, result.tag) != 0;
		}
		else
			wrong += result.error[0] == '\0';
		buffer_free(&result.body);
	}
	settings.http_version = NULL;
	is_int(wrong, 0, name);
	if (all_answered)
		ok(answered == 20 || answered == 0, "all are, or none, as libcurl has it");
	http_destroy(http);
}

static void
test_reasons(void)
{
	Http	   *http = create(30);

	gets(http, "/gzip-and-more", "malformed answer (127.0.0.1:", "bytes behind a compressed body");
	gets(http, "/not-gzip", "malformed answer (127.0.0.1:", "a body that is not compressed");
	gets(http, "/cut-chunked", "answer cut off", "chunks that end too early");
	http_destroy(http);
}

int
main(void)
{
	start_server();
	test_unasked();
	test_headers("/folded");
	test_headers("/nameless");
	test_headers("/bad-trailer");
	test_false_http2(NULL, true, "HTTP/2 in the status line: no answer is another's");
	test_false_http2("2", false, "nor where connections might be shared");
	test_reasons();
	close(server_channel);
	waitpid(server_pid, NULL, 0);
	return done_testing();
}
