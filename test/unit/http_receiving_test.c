/*-------------------------------------------------------------------------
 *
 * http_receiving_test.c
 *	  Is an answer arriving (http_is_receiving), and how long is one that has arrived?
 *
 * The test plays the server itself, between two pumps: so it knows what has come and what
 * was read.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>
#include <unistd.h>

#include "http_client.h"
#include "tap.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
#define BODY 100000
#define HALF 50000				/* goes into a socket's buffers */

static HttpSettings settings = {
	.timeout_ms = 60000, .connect_timeout_ms = 60000, .max_response_size = 1024 * 1024
};

static int	listener;
static int	port;

/* Waits until something comes, 20 s at most, and takes none of it. */
static void
wait_for_event(const Http *http)
{
	struct pollfd watched = {http_descriptor(http), POLLIN, 0};

	if (poll(&watched, 1, 20000) == 0)
		bail_out("nothing happens");
}

/* Starts a request, and returns its connection, on which the request has been received. */
static int
request(Http *http)
{
	char		url[64];
	char		received[4096];
	HttpRequest what = {.method = "GET", .url = url};
	struct pollfd watched = {listener, POLLIN, 0};
	int			peer;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	if (!http_start(http, &settings, &what))
		bail_out("http_start");
	while (poll(&watched, 1, 1) == 0)
		http_pump(http);
	peer = accept(listener, NULL, NULL);
	watched.fd = peer;
	while (poll(&watched, 1, 1) == 0)
		http_pump(http);
	if (peer < 0 || recv(peer, received, sizeof(received), 0) <= 0)
		bail_out("no request");
	return peer;
}

static void
put(int peer, const char *bytes, size_t length)
{
	if (send(peer, bytes, length, MSG_NOSIGNAL) != (ssize_t) length)
		bail_out("send");
}

/* So much of the body. */
static void
put_body(int peer, size_t length)
{
	static const char body[BODY] = {0};

	put(peer, body, length);
}

/* Pumps until so many bytes of bodies have come. */
static void
receive(Http *http, int64_t bytes)
{
	while (http_received_bytes(http) < bytes)
	{
		wait_for_event(http);
		http_pump(http);
	}
}

static void
take(Http *http)
{
	HttpResult	result = take_result(http);

	buffer_free(&result.body);
}

static void
test_one(void)
{
	Http	   *http = create(4);
	int			peer;

	ok(!http_is_receiving(http), "nothing is under way");
	peer = request(http);
	ok(!http_is_receiving(http), "a request whose answer is waited for");
	put(peer, HEAD, strlen(HEAD));
	put_body(peer, HALF);
	wait_for_event(http);
	ok(http_is_receiving(http), "something has come, and was not looked at");
	receive(http, HALF);
	ok(http_is_receiving(http), "all that has come is received, and more is to come");
	is_int((int64_t) http_next_length(http), 0, "no length is known of what is not whole");
	put_body(peer, BODY - HALF);
	receive(http, BODY);
	ok(http_has_finished(http) && !http_is_receiving(http), "it is there as a whole");
	is_int((int64_t) http_next_length(http), BODY, "and so long");
	take(http);
	ok(!http_is_receiving(http), "it was taken");
	close(peer);
	http_destroy(http);
}

static void
test_several(void)
{
	Http	   *http = create(4);
	int			first = request(http);
	int			second = request(http);

	put(first, HEAD, strlen(HEAD));
	put_body(first, HALF);
	receive(http, HALF);
	put(second, HEAD, strlen(HEAD));
	put_body(second, BODY);
	receive(http, HALF + BODY);
	ok(http_has_finished(http) && http_is_receiving(http), "one is whole, another one is not");
	close(first);
	take(http);
	take(http);
	ok(!http_is_receiving(http), "that one was cut off");
	close(second);
	http_destroy(http);
}

/* What waits for room is not arriving: it would be waited for in vain. */
static void
test_paused(void)
{
	Http	   *http = create(4);
	int			peer = request(http);

	http_set_room(http, BODY / 2, true);
	put(peer, HEAD, strlen(HEAD));
	put_body(peer, HALF);
	while (!http_holds_back(http))
	{
		wait_for_event(http);
		http_pump(http);
	}
	ok(!http_is_receiving(http), "it waits for room");
	http_set_room(http, 2 * BODY, true);
	http_pump(http);
	receive(http, HALF);
	ok(http_is_receiving(http), "there is room, and it goes on");
	put_body(peer, BODY - HALF);
	take(http);
	ok(!http_is_receiving(http), "until it is whole");
	close(peer);
	http_destroy(http);
}

int
main(void)
{
	listener = listen_on_loopback(8, &port);
	test_one();
	test_several();
	test_paused();
	close(listener);
	return done_testing();
}
