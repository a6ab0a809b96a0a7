/*-------------------------------------------------------------------------
 *
 * http_memory_test.c
 *	  Large answers, and little room for them: http_memory.c and http_body.c.
 *
 * The test plays the server itself, between two pumps, and the caller that holds
 * what it has taken until it has "stored" it.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http.h"
#include "loopback.h"
#include "tap.h"

#define ANSWERS 16
#define MEGABYTE (1024 * 1024)

/* What may come for each answer before it is known that there is no room: libcurl's buffers. */
#define SLACK (ANSWERS * 16 * 1024)

typedef struct Peer
{
	int			fd;
	size_t		sent;			/* bytes of the answer */
} Peer;

static Peer peers[ANSWERS];
static int	peer_count;
static int	listener;
static int	port;
static char *answer;
static size_t answer_length;
static size_t body_length;
static HttpSettings settings;

/* The caller */
static int64_t room;			/* of all that is held */
static int64_t held;			/* taken, and not stored */
static int64_t most;			/* that was ever held or received */
static int	whole;
static int	failed;

/* An answer of that length, as each peer sends it; or without saying how long it is. */
static void
make_answer(size_t length, bool says_length)
{
	body_length = length;
	answer = realloc(answer, length + 200);
	answer_length = says_length
		? (size_t) sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length)
		: (size_t) sprintf(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (size_t i = 0; i < length; i++)
		answer[answer_length++] = (char) ('a' + i % 26);
}

static void
note_room(Http *http, bool more_to_come)
{
	http_set_room(http, room - held, more_to_come);
}

static void
note_most(const Http *http)
{
	int64_t		now = held + http_received_bytes(http);

	most = now > most ? now : most;
}

/* As the worker's turns: waits for something to happen, 100 ms at most; true: it did. */
static bool
turn(Http *http, bool more_to_come)
{
	struct pollfd watched = {http_descriptor(http), POLLIN, 0};
	int64_t		timeout;
	bool		happened;

	note_room(http, more_to_come);
	timeout = http_timeout(http);
	happened = poll(&watched, 1, timeout < 0 || timeout > 100 ? 100 : (int) timeout) > 0 ||
		timeout < 100;
	http_pump(http);
	note_most(http);
	return happened;
}

static void
accept_peers(void)
{
	int			fd;

	while (peer_count < ANSWERS && (fd = accept(listener, NULL, NULL)) >= 0)
	{
		(void) fcntl(fd, F_SETFL, O_NONBLOCK);
		peers[peer_count++] = (Peer) {fd, 0};
	}
}

/* Has so many requests sent. */
static void
send_requests(Http *http, int count)
{
	char		url[64];
	HttpRequest request = {.method = "GET", .url = url};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	for (int i = 0; i < count; i++)
		if (!http_start(http, &settings, &request))
			bail_out("http_start");
	while (peer_count < count)
	{
		turn(http, true);
		accept_peers();
	}
}

/* Whatever the sockets take. */
static void
send_answers(void)
{
	char		request[4096];

	for (int i = 0; i < peer_count; i++)
	{
		Peer	   *peer = &peers[i];
		ssize_t		sent;

		while (recv(peer->fd, request, sizeof(request), 0) > 0)
			;
		sent = send(peer->fd, answer + peer->sent, answer_length - peer->sent, MSG_NOSIGNAL);
		if (sent > 0)
			peer->sent += (size_t) sent;
		if (peer->sent == answer_length)
			(void) shutdown(peer->fd, SHUT_WR);
	}
}

static bool
take(Http *http)
{
	HttpResult	result;

	if (!http_next_finished(http, &result))
		return false;
	if (result.fault == HTTP_ANSWERED && result.body.length == body_length &&
		memcmp(result.body.data, answer + answer_length - body_length, body_length) == 0)
		whole++;
	else
	{
		failed++;
		printf("# %s\n", result.error);
	}
	held += (int64_t) result.body.length;
	note_most(http);
	buffer_free(&result.body);
	return true;
}

/* Each answer is held until the turn after it was taken. */
static void
receive_all(Http *http, int count)
{
	int64_t		deadline = clock_now() + 60 * INT64_C(1000000);

	while (whole + failed < count && clock_now() < deadline)
	{
		int64_t		before = held;

		send_answers();
		turn(http, held > 0);
		held -= before;
		while (take(http))
			;
	}
}

static Http *
begin(void)
{
	char		error[256];
	Http	   *http = http_create(ANSWERS, clock_now, error, sizeof(error));

	if (http == NULL)
		bail_out(error);
	settings = (HttpSettings) {
		.timeout_ms = 60000, .connect_timeout_ms = 10000, .max_response_size = 64 * MEGABYTE
	};
	peer_count = whole = failed = 0;
	held = most = 0;
	room = 3 * MEGABYTE;
	return http;
}

static void
end(Http *http)
{
	http_destroy(http);
	for (int i = 0; i < peer_count; i++)
		close(peers[i].fd);
}

static void
test_bound(void)
{
	Http	   *http = begin();

	make_answer(MEGABYTE, true);
	send_requests(http, ANSWERS);
	receive_all(http, ANSWERS);
	is_int(whole, ANSWERS, "all answers come whole");
	ok(most <= room + SLACK, "never is more held than there is room for");
	ok(most >= 2 * MEGABYTE, "but as much as that");
	ok(!http_holds_back(http), "none waits any more");
	is_int(http_received_bytes(http), 0, "nothing is left");
	end(http);
}

static void
test_unknown_length(void)
{
	Http	   *http = begin();

	make_answer(MEGABYTE, false);
	send_requests(http, ANSWERS);
	receive_all(http, ANSWERS);
	is_int(whole, ANSWERS, "answers that do not say how long they are come whole");
	ok(most <= room + MEGABYTE + SLACK, "and exceed the room by one, where all have begun");
	end(http);
}

static void
test_larger_than_room(void)
{
	Http	   *http = begin();

	make_answer(5 * MEGABYTE, true);
	send_requests(http, 4);
	receive_all(http, 4);
	is_int(whole, 4, "answers larger than the room come whole");
	ok(most <= 5 * MEGABYTE + SLACK, "one at a time");
	end(http);
}

/* As long as the caller is about to free something, nothing exceeds the room; and nothing spins. */
static void
test_waiting(void)
{
	Http	   *http = begin();
	int			idle = 0;

	room = MEGABYTE;
	settings.timeout_ms = 400;
	make_answer(2 * MEGABYTE, true);
	send_requests(http, 4);
	for (int64_t until = clock_now() + 1000000; clock_now() < until;)
	{
		send_answers();
		idle += !turn(http, true);
	}
	ok(http_holds_back(http), "answers wait");
	is_int(http_in_flight(http), 4, "none has ended, though the timeout has passed twice");
	ok(http_received_bytes(http) <= SLACK, "nor was received");
	ok(idle >= 5, "and nobody was kept busy meanwhile");
	receive_all(http, 4);
	is_int(whole, 4, "they come whole once there is room");
	end(http);
}

/* Timeouts run for those that are not paused. */
static void
test_timeouts(void)
{
	Http	   *http = begin();
	HttpResult	result;

	settings.timeout_ms = 300;
	room = MEGABYTE;
	make_answer(2 * MEGABYTE, true);
	send_requests(http, 2);
	peer_count = 1;
	while (!http_has_finished(http))
	{
		send_answers();
		turn(http, true);
	}
	ok(http_next_finished(http, &result) && result.fault == HTTP_TRANSIENT &&
	   strncmp(result.error, "no answer within 300 ms", 23) == 0,
	   "a peer that sends nothing is found out while another one has to wait");
	ok(http_holds_back(http), "which still does");
	peer_count = 2;
	end(http);
}

static void
test_small(void)
{
	Http	   *http = begin();
	size_t		large_length;
	char	   *large;

	make_answer(2 * MEGABYTE, true);
	room = MEGABYTE;
	send_requests(http, ANSWERS - 1);
	while (!http_holds_back(http))
	{
		send_answers();
		turn(http, true);
	}
	large = answer;
	large_length = answer_length;
	answer = NULL;
	make_answer(1000, true);
	peer_count = 0;				/* the others get nothing more */
	send_requests(http, 1);
	while (!http_has_finished(http))
	{
		send_answers();
		turn(http, true);
	}
	(void) take(http);
	is_int(whole, 1, "a small answer waits for none that is large");
	free(answer);
	answer = large;
	answer_length = large_length;
	end(http);
}

static void
test_put_back(void)
{
	Http	   *http = begin();
	HttpResult	result;

	make_answer(MEGABYTE, true);
	send_requests(http, 1);
	while (!http_next_finished(http, &result))
	{
		send_answers();
		turn(http, false);
	}
	is_int(http_received_bytes(http), 0, "what was taken is the taker's");
	http_put_back(http, &result);
	is_int(http_received_bytes(http), MEGABYTE, "what was put back is not");
	is_int(http_in_flight(http), 1, "it counts again");
	ok(result.body.data == NULL && take(http), "and is there to be taken");
	is_int(whole, 1, "as it was");
	end(http);
}

int
main(void)
{
	listener = listen_on_loopback(ANSWERS, &port);
	(void) fcntl(listener, F_SETFL, O_NONBLOCK);
	test_bound();
	test_unknown_length();
	test_larger_than_room();
	test_waiting();
	test_timeouts();
	test_small();
	test_put_back();
	free(answer);
	return done_testing();
}
