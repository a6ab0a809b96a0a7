/*-------------------------------------------------------------------------
 *
 * http_test.c
 *	  Unit driver for http.c: faults, deadlines, bounds, without a network.
 *
 * A forked process plays the server on loopback; the path of a request says
 * what it does.  It reports each request that it keeps waiting by a byte on a
 * pipe, and answers those when told to, so nothing here sleeps: the clock is
 * the real one plus an offset that the tests move.  getaddrinfo is replaced,
 * so that looking up a host can hang or fail.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "http/http.h"
#include "http_server.h"
#include "tap.h"

#define MANY 1000
#define CAP (64 * 1024)			/* max_response_size of most tests */
#define SECOND INT64_C(1000000)

/*-------------------------------------------------------------------------
 * What the tests stand on
 *-------------------------------------------------------------------------
 */
static int64_t clock_offset = 0;
static volatile bool lookup_mask_seen = false;
static volatile bool lookup_mask_blocked = false;

static HttpSettings settings = {
	.timeout_ms = 60000, .connect_timeout_ms = 10000, .max_response_size = CAP, .verify_tls = true
};

static int64_t
test_clock(void)
{
	return clock_now() + clock_offset;
}

/*
 * In place of libc's, also for libcurl: "slow.test" never comes back, of
 * "later.test" nobody knows at the moment, and other hosts there are none.
 */
int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			struct addrinfo **addresses)
{
	sigset_t	mask;

	(void) service;
	(void) hints;
	(void) addresses;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	lookup_mask_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1);
	lookup_mask_seen = true;
	while (strcmp(host, "slow.test") == 0)
		pause();
	return strcmp(host, "later.test") == 0 ? EAI_AGAIN : EAI_NONAME;
}

static Http *
create(int max_connections)
{
	char		error[256];
	Http	   *http = http_create(max_connections, test_clock, error, sizeof(error));

	if (http == NULL)
		bail_out(error);
	return http;
}

/* Starts a request to the server, or to a whole URL. */
static void
start(Http *http, const char *method, const char *path, const char *body)
{
	static const char *const secret[] = {"api-key: s3cret"};
	char		url[256];
	HttpRequest request = {.method = method, .url = path, .headers = secret, .header_count = 1};

	request.body = body;
	request.body_length = body != NULL ? strlen(body) : 0;
	if (path[0] == '/')
	{
		snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server_port, path);
		request.url = url;
	}
	if (!http_start(http, &settings, &request))
		ok(false, "http_start");
}

/* Waits as a caller does, but no longer than it takes to see that the test hangs. */
static void
turn(Http *http)
{
	struct pollfd watched[2] = {{http_descriptor(http), POLLIN, 0}, {server_channel, POLLIN, 0}};
	int64_t		timeout = http_timeout(http);

	if (timeout < 0 || timeout > 20000)
		timeout = 20000;
	if (poll(watched, 2, (int) timeout) == 0 && timeout == 20000)
		bail_out("nothing happens");
	http_pump(http);
}

static HttpResult
finish(Http *http)
{
	HttpResult	result;

	while (!http_next_finished(http, &result))
		turn(http);
	return result;
}

/* Pumps until the server holds that many more requests. */
static void
until_held(Http *http, int count)
{
	char		report[MANY];

	while (count > 0)
	{
		ssize_t		got;

		turn(http);
		got = recv(server_channel, report, (size_t) count, MSG_DONTWAIT);
		if (got > 0)
			count -= (int) got;
	}
}

/* libcurl sets short timers of its own while it connects: lets them run out. */
static void
settle(Http *http)
{
	int64_t		timeout;

	while ((timeout = http_timeout(http)) > 0 && timeout <= 500)
		turn(http);
}

/*
 * Time passes while the caller waits as it is told to: the clock is all that
 * moves.  (With a result to be taken the time to wait is 0, and stays so.)
 */
static void
wait_out(Http *http, int64_t microseconds)
{
	for (int idle = 0; microseconds > 0 && idle < 10; idle++)
	{
		int64_t		step = http_timeout(http) * 1000;

		if (step < 0 || step > microseconds)
			step = microseconds;
		if (step > 0)
			idle = 0;
		clock_offset += step;
		microseconds -= step;
		http_pump(http);
	}
}

/* The body as a string; "" when there is none. */
static const char *
text_of(const HttpResult *result)
{
	return result->body.data != NULL ? result->body.data : "";
}

static void
is_result(HttpResult result, HttpFault fault, int status, const char *text, const char *name)
{
	char		label[128];

	snprintf(label, sizeof(label), "%s: fault", name);
	is_int(result.fault, fault, label);
	snprintf(label, sizeof(label), "%s: status", name);
	is_int(result.status, status, label);
	snprintf(label, sizeof(label), "%s: text", name);
	if (fault == HTTP_ANSWERED)
		is_str(text_of(&result), text, label);
	else if (!ok(strstr(result.error, text) != NULL && result.body.data == NULL, label))
		printf("#      got: %s\n# expected: %s\n", result.error, text);
	buffer_free(&result.body);
}

static void
check(const char *path, HttpFault fault, int status, const char *text)
{
	Http	   *http = create(10);
	bool		is_plain = strcspn(path, "\r\n") == strlen(path);

	start(http, "GET", path, NULL);
	is_result(finish(http), fault, status, text, is_plain ? path : "line break in a URL");
	is_int(http_in_flight(http), 0, "nothing is left in flight");
	is_int(http_received_bytes(http), 0, "nor any bytes");
	http_destroy(http);
}

/*-------------------------------------------------------------------------
 * Tests
 *-------------------------------------------------------------------------
 */
static void
test_answers(void)
{
	check("/whole", HTTP_ANSWERED, 200, "hello");
	check("/error", HTTP_ANSWERED, 500, "oops");
	check("/empty", HTTP_ANSWERED, 200, "");
	check("/chunked", HTTP_ANSWERED, 200, "hello world");
	check("/until-close", HTTP_ANSWERED, 200, "hello");
	check("/interim", HTTP_ANSWERED, 200, "hello");
	check("/gzip", HTTP_ANSWERED, 200, "hello");
	check("/302", HTTP_ANSWERED, 302, "old");
}

static void
test_faults(void)
{
	char		closed[64];
	char		url[64];
	int			port;

	close(listen_on_loopback(1, &port));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/?key=s3cret", port);
	snprintf(closed, sizeof(closed), "could not connect (127.0.0.1:%d): Connection refused", port);
	check(url, HTTP_TRANSIENT, 0, closed);
	check("/cut", HTTP_TRANSIENT, 200, "answer cut off");
	check("/cut-chunked", HTTP_TRANSIENT, 200, "");
	check("/nothing", HTTP_TRANSIENT, 0, "without an answer");
	check("/reset", HTTP_TRANSIENT, 0, "connection failed while receiving");
	check("/garbage", HTTP_TRANSIENT, 0, "malformed answer");
	check("/not-gzip", HTTP_TRANSIENT, 200, "malformed answer");
	check("/bomb", HTTP_TOO_LARGE, 200, "exceeds max_response_size, 65536 bytes");
	check("/endless", HTTP_TOO_LARGE, 200, "exceeds max_response_size, 65536 bytes");
	check("/announced", HTTP_TOO_LARGE, 200, "exceeds max_response_size, 65536 bytes");
	check("/many-headers", HTTP_TOO_LARGE, 200, "headers of the answer exceed");
	check("http://unknown.test/?key=s3cret", HTTP_REFUSED, 0, "unknown host (unknown.test:80)");
	check("http://later.test/", HTTP_TRANSIENT, 0, "host could not be looked up (later.test:80)");
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/?key=s3cret", server_port);
	settings.verify_tls = false;	/* else it looks for the system's certificates first */
	check(url, HTTP_REFUSED, 0, "TLS handshake failed (127.0.0.1:");
	settings.verify_tls = true;
	check("file:///etc/passwd", HTTP_REFUSED, 0, "does not begin with http://");
	check("http://127.0.0.1:99999/", HTTP_REFUSED, 0, "malformed URL");
	check("http://127.0.0.1/\r\nX: y", HTTP_REFUSED, 0, "the URL holds");
}

static void
test_requests(void)
{
	Http	   *http = create(10);
	HttpResult	result;
	HttpRequest large = {.method = "PUT"};
	char		url[64];

	settings.max_response_size = 10 * 1024 * 1024;
	start(http, "POST", "/echo?q=1", "{\"a\": 1}");
	result = finish(http);
	ok(strncmp(text_of(&result), "POST /echo?q=1 HTTP/1.1\r\n", 25) == 0, "request line");
	ok(strstr(text_of(&result), "\r\napi-key: s3cret\r\n") != NULL, "given header");
	ok(strstr(text_of(&result), "\r\nContent-Type: application/json\r\n") != NULL, "content type");
	ok(strstr(text_of(&result), "\r\nUser-Agent: pg_enrich/1.0\r\n") != NULL, "user agent");
	ok(strstr(text_of(&result), "\r\n\r\n{\"a\": 1}") != NULL, "body");
	ok(result.bytes_in > (int64_t) result.body.length, "bytes in include the headers");
	is_int(result.bytes_out, (int64_t) result.body.length, "bytes out are those that arrived");
	buffer_free(&result.body);

	start(http, "GET", "/echo", "ignored");
	result = finish(http);
	ok(strstr(text_of(&result), "ignored") == NULL &&
	   strstr(text_of(&result), "Content-") == NULL, "GET sends no body");
	buffer_free(&result.body);

	large.body_length = 3 * 1024 * 1024;
	large.body = calloc(1, large.body_length);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/length", server_port);
	large.url = url;
	ok(http_start(http, &settings, &large), "a large body starts");
	is_result(finish(http), HTTP_ANSWERED, 200, "3145728", "large body");
	free((void *) large.body);
	settings.max_response_size = CAP;
	http_destroy(http);
}

static void
test_reuse(void)
{
	Http	   *http = create(10);
	HttpResult	first;
	HttpResult	second;

	start(http, "GET", "/connection", NULL);
	first = finish(http);
	start(http, "POST", "/connection", "body");
	second = finish(http);
	is_str(text_of(&second), text_of(&first), "a connection is used again");
	buffer_free(&first.body);
	buffer_free(&second.body);
	http_destroy(http);
}

static void
test_refused_headers(void)
{
	static const char *const bad[] = {
		"X: a\r\nY: b", "X: a\nY: b", "X", ": a", "X Y: a", "X: \x01", "Content-Length: 7"
	};
	static const char *const good[] = {"X-Empty:", "X-Tab: a\tb", "Accept: text/csv"};
	char		url[64];
	HttpRequest request = {.method = "GET", .url = url};
	Http	   *http = create(10);
	HttpResult	result;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/echo", server_port);
	request.header_count = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		request.headers = &bad[i];
		http_start(http, &settings, &request);
		is_result(finish(http), HTTP_REFUSED, 0, "request header", "bad header");
	}
	request.headers = good;
	request.header_count = 3;
	http_start(http, &settings, &request);
	result = finish(http);
	ok(strstr(text_of(&result), "\r\nX-Empty:\r\n") != NULL, "header without a value");
	ok(strstr(text_of(&result), "\r\nX-Tab: a\tb\r\n") != NULL, "header with a tab");
	ok(strstr(text_of(&result), "application/json") == NULL, "Accept in place of the default");
	buffer_free(&result.body);
	request.method = "GET /x";
	http_start(http, &settings, &request);
	is_result(finish(http), HTTP_REFUSED, 0, "method", "bad method");
	http_destroy(http);
}

static void
test_redirects(void)
{
	Http	   *http = create(10);
	HttpResult	result;

	settings.follow_redirects = true;
	start(http, "POST", "/307", "payload");
	result = finish(http);
	is_int(result.status, 200, "307 is followed");
	ok(strncmp(text_of(&result), "POST /echo", 10) == 0 &&
	   strstr(text_of(&result), "payload") != NULL, "307 keeps method and body");
	buffer_free(&result.body);

	start(http, "POST", "/302", "payload");
	result = finish(http);
	ok(strncmp(text_of(&result), "GET /echo", 9) == 0 &&
	   strstr(text_of(&result), "payload") == NULL &&
	   strstr(text_of(&result), "Content-") == NULL, "302 turns POST into GET");
	ok(strstr(text_of(&result), "s3cret") != NULL,
	   "the same host gets the headers");
	buffer_free(&result.body);
	http_destroy(http);

	check("/other-host", HTTP_REFUSED, 307, "redirect to another scheme, host or port refused");
	check("/other-port", HTTP_REFUSED, 307, "redirect to another scheme, host or port refused");
	check("/other-scheme", HTTP_REFUSED, 307, "redirect to another scheme, host or port refused");
	check("/loop", HTTP_REFUSED, 307, "too many redirects");
	settings.follow_redirects = false;
}

static int64_t
retry_after(const char *path)
{
	Http	   *http = create(1);
	HttpResult	result;

	start(http, "GET", path, NULL);
	result = finish(http);
	buffer_free(&result.body);
	http_destroy(http);
	return result.retry_after_ms;
}

static void
test_retry_after(void)
{
	int64_t		date = retry_after("/date");

	is_int(retry_after("/seconds"), 7000, "Retry-After in seconds");
	is_int(retry_after("/fraction"), 1500, "Retry-After with a fraction");
	ok(date > 0 && date <= 100000, "Retry-After as a date");
	is_int(retry_after("/past"), 0, "Retry-After in the past");
	is_int(retry_after("/nonsense"), -1, "Retry-After that says nothing");
	is_int(retry_after("/rate-reset"), 4000, "when the rate limit is reset");
	is_int(retry_after("/whole"), -1, "no Retry-After");
	is_int(retry_after("/no-error"), -1, "Retry-After of a success does not count");
	is_int(retry_after("/interim"), -1, "Retry-After of a 1xx answer does not count");
}

static void
test_timeouts(void)
{
	Http	   *http = create(10);
	int64_t		timeout;

	start(http, "GET", "/hold", NULL);
	until_held(http, 1);
	wait_out(http, 50 * SECOND);
	settle(http);
	timeout = http_timeout(http);
	ok(timeout > 5000 && timeout <= 10000, "http_timeout knows of the deadline");
	wait_out(http, 9 * SECOND);
	is_int(http_in_flight(http), 1, "before its time nothing happens");
	wait_out(http, SECOND);
	is_result(finish(http), HTTP_TRANSIENT, 0, "no answer within 60 s (127.0.0.1:", "waiting");
	is_int(http_timeout(http), -1, "nothing more is due");

	start(http, "GET", "/partial", NULL);
	while (http_received_bytes(http) < 5)
		turn(http);
	wait_out(http, 60 * SECOND);
	is_result(finish(http), HTTP_TRANSIENT, 200, "5 bytes of it received", "receiving");
	is_int(http_received_bytes(http), 0, "its bytes are no longer counted");

	settings.timeout_ms = 0;
	start(http, "GET", "/hold", NULL);
	until_held(http, 1);
	for (int hours = 0; hours < 3; hours++)
		wait_out(http, 3600 * SECOND);
	is_int(http_in_flight(http), 1, "without a timeout it waits");
	settings.timeout_ms = 60000;
	let_go();
	is_result(finish(http), HTTP_ANSWERED, 200, "held", "at last");
	http_destroy(http);
}

static void
test_connect_timeout(void)
{
	Http	   *http = create(10);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int			port;
	int			listener = listen_on_loopback(0, &port);
	int			fillers[4];
	char		url[64];

	/* Nobody accepts: once the backlog is full, a connection stays half made. */
	address.sin_port = htons((uint16_t) port);
	for (int i = 0; i < 4; i++)
	{
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void) !connect(fillers[i], (struct sockaddr *) &address, sizeof(address));
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	start(http, "GET", url, NULL);
	http_pump(http);
	wait_out(http, 9 * SECOND);
	is_int(http_in_flight(http), 1, "before its time nothing happens");
	wait_out(http, SECOND);
	is_result(finish(http), HTTP_TRANSIENT, 0, "no connection within 10 s", "connecting");
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(listener);
	http_destroy(http);
}

static void
test_away(void)
{
	Http	   *http = create(10);

	start(http, "GET", "/hold", NULL);
	until_held(http, 1);
	clock_offset += 1000 * SECOND;
	http_pump(http);
	is_int(http_in_flight(http), 1, "time away is not the server's");
	wait_out(http, 50 * SECOND);
	is_int(http_in_flight(http), 1, "the deadline has moved");

	settings.timeout_ms = 5000;
	start(http, "GET", "/hold", NULL);
	until_held(http, 1);
	settle(http);
	(void) http_timeout(http);
	clock_offset += 1000 * SECOND;
	http_pump(http);
	is_result(finish(http), HTTP_TRANSIENT, 0, "no answer within 5 s", "the nearest deadline");
	is_int(http_in_flight(http), 1, "waiting longer than announced is time away");
	settings.timeout_ms = 60000;

	(void) http_timeout(http);
	let_go();
	clock_offset += 61 * SECOND;
	http_pump(http);
	is_result(finish(http), HTTP_ANSWERED, 200, "held", "complete in the socket");
	http_destroy(http);
}

static void
test_connection_limit(void)
{
	Http	   *http = create(2);

	for (int i = 0; i < 3; i++)
		start(http, "GET", "/hold", NULL);
	until_held(http, 2);
	is_int(http_in_flight(http), 3, "one waits its turn");
	wait_out(http, 60 * SECOND);
	is_int(finish(http).fault, HTTP_TRANSIENT, "the first times out");
	is_int(finish(http).fault, HTTP_TRANSIENT, "the second times out");
	is_int(http_in_flight(http), 1, "waiting for a turn does not count");
	until_held(http, 1);
	let_go();
	is_result(finish(http), HTTP_ANSWERED, 200, "held", "the third");
	http_destroy(http);
}

static void
test_many(void)
{
	struct rlimit files;
	Http	   *http;
	int			answered = 0;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < MANY + 100)
	{
		ok(true, "many in flight # SKIP too few descriptors allowed");
		return;
	}
	http = create(MANY);
	for (int i = 0; i < MANY; i++)
		start(http, "POST", "/hold", "x");
	until_held(http, MANY);
	is_int(http_in_flight(http), MANY, "all are at the server at once");
	let_go();
	for (int i = 0; i < MANY; i++)
	{
		HttpResult	result = finish(http);

		if (result.fault == HTTP_ANSWERED && result.body.length == 4)
			answered++;
		buffer_free(&result.body);
	}
	is_int(answered, MANY, "all are answered");
	http_destroy(http);
}

static void
test_destroy(void)
{
	Http	   *http = create(200);
	int64_t		before;

	for (int i = 0; i < 100; i++)
		start(http, "GET", "/hold", NULL);
	until_held(http, 100);
	for (int i = 0; i < 50; i++)
		start(http, "GET", "http://slow.test/", NULL);
	while (!lookup_mask_seen)
		http_pump(http);
	ok(lookup_mask_blocked, "resolver threads take no signals");

	wait_out(http, 10 * SECOND);
	is_result(finish(http), HTTP_TRANSIENT, 0, "looking up the host's address", "slow lookup");
	before = test_clock();
	http_destroy(http);
	ok(test_clock() - before < SECOND / 2, "destroying what hangs is quick");
}

int
main(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	setenv("http_proxy", "http://127.0.0.1:1", 1);	/* must not count */
	start_server();
	test_answers();
	test_faults();
	test_requests();
	test_reuse();
	test_refused_headers();
	test_redirects();
	test_retry_after();
	test_timeouts();
	test_connect_timeout();
	test_away();
	test_connection_limit();
	test_many();
	lookup_mask_seen = false;
	test_destroy();
	close(server_channel);
	waitpid(server_pid, NULL, 0);
	return done_testing();
}
