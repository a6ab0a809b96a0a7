/*-------------------------------------------------------------------------
 *
 * http_large_test.c
 *	  Many large answers at once: a few are received at a time.
 *
 * The test plays the server itself, between two pumps: so it knows what lies in
 * each socket when one begins.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http.h"
#include "loopback.h"
#include "tap.h"

#define ANSWERS 32
#define PIECE (32 * 1024)		/* goes into a socket's buffers, and makes an answer a large one */
#define BODY (20 * PIECE)
#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 655360\r\n\r\n"

typedef struct Peer
{
	int			fd;
	size_t		sent;			/* bytes */
} Peer;

static Peer peers[ANSWERS];
static int	peer_count = 0;
static int	listener;
static int	port;
static char answer[sizeof(HEAD) + BODY];
static size_t answer_length;

static void
start(Http *http)
{
	static const HttpSettings settings = {
		.timeout_ms = 60000, .connect_timeout_ms = 10000, .max_response_size = 1024 * 1024
	};
	char		url[64];
	HttpRequest request = {.method = "GET", .url = url};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	if (!http_start(http, &settings, &request))
		bail_out("http_start");
}

/* Waits until something comes to the client, or the time that it wants to be called at. */
static void
turn(Http *http)
{
	struct pollfd watched[2] = {{http_descriptor(http), POLLIN, 0}, {listener, POLLIN, 0}};
	int64_t		timeout = http_timeout(http);

	(void) poll(watched, 2, timeout < 0 || timeout > 100 ? 100 : (int) timeout);
	http_pump(http);
}

/* Has all requests sent, and reads them. */
static void
take_requests(Http *http)
{
	for (int i = 0; i < ANSWERS; i++)
		start(http);
	while (peer_count < ANSWERS)
	{
		int			fd;

		turn(http);
		while (peer_count < ANSWERS && (fd = accept(listener, NULL, NULL)) >= 0)
			peers[peer_count++] = (Peer) {fd, 0};
	}
	for (int i = 0; i < ANSWERS; i++)
	{
		char		request[4096];
		int			length = 0;

		(void) fcntl(peers[i].fd, F_SETFL, O_NONBLOCK);
		while (length < 4 || memcmp(request + length - 4, "\r\n\r\n", 4) != 0)
		{
			ssize_t		got = recv(peers[i].fd, request + length, sizeof(request) - length, 0);

			if (got > 0)
				length += (int) got;
			else
				turn(http);
		}
	}
}

/* Another piece into each socket, as far as it has room. */
static void
send_pieces(void)
{
	for (int i = 0; i < ANSWERS; i++)
	{
		size_t		left = answer_length - peers[i].sent;
		ssize_t		sent = send(peers[i].fd, answer + peers[i].sent, left < PIECE ? left : PIECE,
								MSG_NOSIGNAL);

		if (sent > 0)
			peers[i].sent += (size_t) sent;
	}
}

/* Has the server a request on a new connection? */
static bool
has_new_request(void)
{
	struct pollfd watched = {accept(listener, NULL, NULL), POLLIN, 0};
	bool		has = watched.fd >= 0 && poll(&watched, 1, 0) > 0;

	if (watched.fd >= 0)
		close(watched.fd);
	return has;
}

static void
test_large(void)
{
	char		error[256];
	Http	   *http = http_create(ANSWERS + 1, clock_now, error, sizeof(error));
	HttpResult	result;
	int			whole = 0;

	if (http == NULL)
		bail_out(error);
	take_requests(http);
	send_pieces();
	http_pump(http);
	ok(http_received_bytes(http) >= PIECE, "something is received");
	ok(http_received_bytes(http) <= ANSWERS / 2 * PIECE, "but not of all answers at a time");
	send_pieces();
	start(http);
	http_pump(http);
	http_pump(http);
	ok(has_new_request(), "a new request waits for none of them");
	for (int i = 0; i < ANSWERS + 1; i++)
	{
		while (!http_next_finished(http, &result))
		{
			send_pieces();
			http_pump(http);
		}
		whole += result.fault == HTTP_ANSWERED && result.body.length == BODY &&
			memcmp(result.body.data, answer + strlen(HEAD), BODY) == 0;
		buffer_free(&result.body);
	}
	is_int(whole, ANSWERS, "all of them come whole in the end");
	http_destroy(http);
}

int
main(void)
{
	listener = listen_on_loopback(ANSWERS, &port);
	(void) fcntl(listener, F_SETFL, O_NONBLOCK);
	answer_length = (size_t) sprintf(answer, "%s", HEAD);
	for (int i = 0; i < BODY; i++)
		answer[answer_length++] = (char) ('a' + i % 26);
	test_large();
	return done_testing();
}
