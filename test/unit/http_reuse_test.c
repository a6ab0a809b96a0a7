/*-------------------------------------------------------------------------
 *
 * http_reuse_test.c
 *	  Requests that have much in common, and sending before the next pump.
 *
 * Requests of one profile are spared most of their setting up: what is sent
 * must be the same as without.
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
	.timeout_ms = 60000, .connect_timeout_ms = 10000, .max_response_size = 1024 * 1024
};

static void
start(Http *http, unsigned profile, const char *method, const char *path, const char *header,
	  const char *body)
{
	char		url[256];
	HttpRequest request = {.method = method, .url = url, .headers = &header, .header_count = 1};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server_port, path);
	request.profile = profile;
	request.body = body;
	request.body_length = body != NULL ? strlen(body) : 0;
	if (!http_start(http, &settings, &request))
		bail_out("http_start");
}

/* What the server says; to be freed. */
static char *
finish(Http *http)
{
	HttpResult	result = take_result(http);

	return result.body.data != NULL ? result.body.data : strdup(result.error);
}

/* Sends a request and checks what of it the server sees. */
static void
echoes(Http *http, unsigned profile, const char *method, const char *path, const char *header,
	   const char *body, const char *begins, const char *name)
{
	char	   *seen;

	start(http, profile, method, path, header, body);
	seen = finish(http);
	if (!ok(strncmp(seen, begins, strlen(begins)) == 0 && strstr(seen, header) != NULL &&
			(body == NULL ? strstr(seen, "Content-") == NULL
			 : strstr(seen, body) != NULL && strstr(seen, "Content-Type: application/json") != NULL),
			name))
		printf("# %s\n", seen);
	free(seen);
}

static void
test_profiles(void)
{
	Http	   *http = create(10);
	char	   *seen;

	echoes(http, 1, "POST", "/echo?a", "x-key: first", "[1]", "POST /echo?a ", "a profile");
	echoes(http, 1, "POST", "/echo?b", "x-key: first", "[22, 333]", "POST /echo?b ",
		   "again, with another URL and a longer body");
	echoes(http, 1, "POST", "/echo", "x-key: first", "[4]", "POST /echo ", "and a shorter one");
	echoes(http, 2, "POST", "/echo", "x-key: second", "[5]", "POST /echo ", "another profile");
	echoes(http, 3, "GET", "/echo", "x-key: third", NULL, "GET /echo ", "one without a body");
	echoes(http, 3, "GET", "/echo?c", "x-key: third", NULL, "GET /echo?c ", "again");
	echoes(http, 0, "POST", "/echo", "x-key: fourth", "[6]", "POST /echo ", "none");
	echoes(http, 0, "PUT", "/echo", "x-key: fifth", "[7]", "PUT /echo ",
		   "none again, which has nothing in common");

	settings.follow_redirects = true;
	echoes(http, 4, "POST", "/307", "x-key: sixth", "[8]", "POST /echo ", "after a redirect");
	start(http, 4, "POST", "/302", "x-key: sixth", "[9]");
	seen = finish(http);
	ok(strncmp(seen, "GET /echo ", 10) == 0, "a redirect turns a request into a GET");
	free(seen);
	echoes(http, 4, "POST", "/echo", "x-key: sixth", "[10]", "POST /echo ",
		   "the next of that profile is a POST again");
	settings.follow_redirects = false;

	start(http, 5, "POST", "/echo", "x key: bad", "[11]");
	seen = finish(http);
	ok(strstr(seen, "request header") != NULL, "what cannot be sent is refused");
	free(seen);
	start(http, 5, "POST", "/echo", "x key: bad", "[11]");
	seen = finish(http);
	ok(strstr(seen, "request header") != NULL, "however often");
	free(seen);
	start(http, 4, "POST", "/ec ho", "x-key: sixth", "[12]");
	seen = finish(http);
	ok(strstr(seen, "URL") != NULL, "and so is a URL, of a known profile, too");
	free(seen);
	http_destroy(http);
}

/* Sends a request of which nothing good comes; one that would hang ends soon. */
static void
breaks_off(Http *http, const char *path, const char *body)
{
	int64_t		timeout_ms = settings.timeout_ms;

	if (strcmp(path, "/partial") == 0)
		settings.timeout_ms = 200;
	start(http, 1, "POST", path, "x-key: seventh", body);
	settings.timeout_ms = timeout_ms;
	free(finish(http));
}

/* However a request ends, what is sent next with its easy handle is whole, and its own. */
static void
test_broken_off(void)
{
	static const char *const ends[] = {"/announced", "/partial", "/cut", "/reset", "/garbage"};
	Http	   *http = create(10);
	char		name[100];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
	{
		breaks_off(http, ends[i], "[13, 14, 15]");
		snprintf(name, sizeof(name), "after %s: the same profile", ends[i]);
		echoes(http, 1, "POST", "/echo", "x-key: seventh", "[16]", "POST /echo ", name);
		breaks_off(http, ends[i], "[17]");
		snprintf(name, sizeof(name), "after %s: another one", ends[i]);
		echoes(http, 2, "GET", "/echo", "x-key: eighth", NULL, "GET /echo ", name);
	}
	http_destroy(http);
}

/* libcurl resends where a connection was closed meanwhile: for each request anew. */
static void
test_closed_meanwhile(void)
{
	Http	   *http = create(10);
	int			answered = 0;

	for (int i = 0; i < 20; i++)
	{
		char	   *seen;

		start(http, 1, "GET", "/once", "x-key: ninth", NULL);
		seen = finish(http);
		answered += strcmp(seen, "once") == 0;
		free(seen);
	}
	ok(answered == 20, "connections that are closed just when they are used again");
	http_destroy(http);
}

/* The server has seen so many requests of which it answers none yet. */
static void
expect_held(int count, const char *name)
{
	char		report[16];
	struct pollfd watched = {server_channel, POLLIN, 0};
	int			seen = 0;

	while (seen < count && poll(&watched, 1, 10000) > 0)
		seen += (int) recv(server_channel, report, (size_t) (count - seen), 0);
	is_int(seen, count, name);
}

static void
test_flush(void)
{
	Http	   *http = create(10);

	/* a connection that is there; a new one takes a pump more */
	free((start(http, 1, "GET", "/whole", "x: y", NULL), finish(http)));
	start(http, 1, "GET", "/hold", "x: y", NULL);
	http_flush(http);
	expect_held(1, "what was started is sent without a pump");
	let_go();
	free(finish(http));
	start(http, 1, "GET", "/hold", "x: y", NULL);
	http_flush(http);
	http_flush(http);
	expect_held(1, "once");
	let_go();
	free(finish(http));

	start(http, 1, "GET", "/hold", "x: y", NULL);
	start(http, 1, "GET", "bad url", "x: y", NULL);
	http_flush(http);
	ok(http_has_finished(http) && http_timeout(http) == 0, "a refused one is there to be taken");
	expect_held(1, "while the other was sent");
	http_destroy(http);
}

int
main(void)
{
	start_server();
	test_profiles();
	test_broken_off();
	test_closed_meanwhile();
	test_flush();
	close(server_channel);
	waitpid(server_pid, NULL, 0);
	return done_testing();
}
