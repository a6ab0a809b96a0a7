/*-------------------------------------------------------------------------
 *
 * http_recall_test.c
 *	  How much can be sent at once, and what is taken back before it was sent.
 *
 * A request is made to wait in each place where it can be: for its turn, for the address
 * of its host (getaddrinfo is replaced), and for its connection, by a TLS handshake that
 * nobody answers.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE				/* strcasestr */

#include <netdb.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "http_client.h"
#include "http_server.h"
#include "tap.h"

static HttpSettings settings = {
	.timeout_ms = 60000, .connect_timeout_ms = 60000, .max_response_size = 1024 * 1024
};

/* Look-ups wait for a byte in here, which they put back: libcurl may make several for a host. */
static int	lookups[2];
static volatile int lookups_begun = 0;

/* In place of libc's, also for libcurl: in the end all hosts are here. */
int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			struct addrinfo **addresses)
{
	struct addrinfo *found = calloc(1, sizeof(*found) + sizeof(struct sockaddr_in));
	struct sockaddr_in *address = (struct sockaddr_in *) (found + 1);
	char		byte;

	(void) host;
	(void) hints;
	lookups_begun++;
	if (read(lookups[0], &byte, 1) != 1 || write(lookups[1], &byte, 1) != 1)
		return EAI_FAIL;
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address->sin_port = htons((uint16_t) atoi(service));
	found->ai_family = AF_INET;
	found->ai_socktype = SOCK_STREAM;
	found->ai_addr = (struct sockaddr *) address;
	found->ai_addrlen = sizeof(*address);
	*addresses = found;
	return 0;
}

void
freeaddrinfo(struct addrinfo *addresses)
{
	free(addresses);
}

/* Starts a request, which is known by a number. */
static void
start(Http *http, const char *scheme_and_host, int port, const char *path, intptr_t number)
{
	char		url[256];
	HttpRequest request = {.method = "GET", .url = url, .tag = (void *) number};

	snprintf(url, sizeof(url), "%s:%d%s", scheme_and_host, port, path);
	if (!http_start(http, &settings, &request))
		bail_out("http_start");
}

static void
start_held(Http *http, intptr_t number)
{
	start(http, "http://127.0.0.1", server_port, "/hold", number);
}

/* Pumps until something holds. */
#define UNTIL(http, condition) \
	do { \
		while (!(condition)) \
		{ \
			struct pollfd watched = {http_descriptor(http), POLLIN, 0}; \
			(void) http_timeout(http); \
			(void) poll(&watched, 1, 10); \
			http_pump(http); \
		} \
	} while (0)

/* Pumps until the server holds that many more. */
static void
until_held(Http *http, int count)
{
	char		report;

	for (; count > 0; count--)
		UNTIL(http, recv(server_channel, &report, 1, MSG_DONTWAIT) == 1);
}

static void
took_back(Http *http, intptr_t number, const char *name)
{
	HttpResult	result = {0};
	bool		taken = http_next_finished(http, &result);

	if (!ok(taken && result.fault == HTTP_NOT_SENT && result.tag == (void *) number &&
			!result.sent && !result.reached && !result.starved && result.body.data == NULL, name))
		printf("# %d, fault %d, number %d\n", taken, result.fault, (int) (intptr_t) result.tag);
}

static void
answered(Http *http, int count, const char *name)
{
	int			seen = 0;

	for (int i = 0; i < count; i++)
	{
		HttpResult	result = take_result(http);

		seen += result.fault == HTTP_ANSWERED;
		buffer_free(&result.body);
	}
	is_int(seen, count, name);
}

static void
test_waiting(void)
{
	Http	   *http = create(3);

	is_int(http_capacity(http), 3, "three connections there may be");
	is_int(http_room(http), 3, "room for three");
	for (intptr_t i = 1; i <= 3; i++)
		start_held(http, i);
	is_int(http_room(http), 0, "and for no more");
	until_held(http, 3);
	is_int(http_unsent(http), 0, "they are sent");
	start_held(http, 4);
	start_held(http, 5);
	is_int(http_unsent(http), 2, "two more wait");
	http_recall(http, 1);
	took_back(http, 5, "the last one is taken back");
	http_recall(http, 10);
	took_back(http, 4, "the other, too");
	ok(!http_has_finished(http), "but not what is on the wire");
	is_int(http_in_flight(http), 3, "three are in flight");
	let_go();
	answered(http, 3, "those are answered");
	is_int(http_room(http), 3, "room for three again");
	http_destroy(http);
}

/* A connection that is being made is reckoned with two descriptors. */
static void
test_connecting(void)
{
	int			port;
	int			listener = listen_on_loopback(10, &port);
	Http	   *http = create(10);

	for (intptr_t i = 1; i <= 3; i++)
		start(http, "https://127.0.0.1", port, "/", i);
	UNTIL(http, http_room(http) == 4);
	ok(true, "three that are being made leave room for four of ten");
	is_int(http_unsent(http), 3, "nothing is sent before the handshake");
	http_recall(http, 2);
	took_back(http, 3, "the last one is taken back at once");
	took_back(http, 2, "and the one before it");
	is_int(http_in_flight(http), 1, "one is left");
	is_int(http_room(http), 8, "the others have made room");
	http_recall(http, 10);
	took_back(http, 1, "it is taken back, too");
	is_int(http_in_flight(http), 0, "nothing is left");
	start(http, "http://127.0.0.1", server_port, "/whole", 4);
	answered(http, 1, "the next request is answered");
	http_destroy(http);
	close(listener);
}

static void
let_lookups_pass(bool pass)
{
	char		byte = 'x';

	if ((pass ? write(lookups[1], &byte, 1) : read(lookups[0], &byte, 1)) != 1)
		bail_out("the pipe of look-ups");
}

/* libcurl would wait for the thread of a look-up. */
static void
test_looking_up(void)
{
	Http	   *http = create(10);
	int			before;

	start(http, "http://some.test", server_port, "/hold", 1);
	UNTIL(http, lookups_begun > 0);
	http_recall(http, 10);
	ok(!http_has_finished(http), "a look-up under way goes on");
	is_int(http_unsent(http), 1, "the request is not sent yet");
	let_lookups_pass(true);
	UNTIL(http, http_has_finished(http));
	took_back(http, 1, "and is taken back in its stead");
	start(http, "http://some.test", server_port, "/whole", 2);
	answered(http, 1, "the next request is answered");

	let_lookups_pass(false);
	before = lookups_begun;
	settings.connect_timeout_ms = 200;
	start(http, "http://other.test", server_port, "/hold", 3);
	UNTIL(http, lookups_begun > before);
	http_recall(http, 10);
	UNTIL(http, http_has_finished(http));
	took_back(http, 3, "one that is never found has not failed");
	settings.connect_timeout_ms = 60000;
	let_lookups_pass(true);
	http_destroy(http);
}

/* Neither the request nor the server can help it. */
static void
test_no_descriptor(void)
{
	struct rlimit limit;
	struct rlimit none;
	HttpResult	result;
	Http	   *http = create(10);

	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	start(http, "http://127.0.0.1", server_port, "/whole", 1);
	result = take_result(http);
	ok(result.fault == HTTP_NOT_SENT && result.starved, "there is no descriptor for its connection");
	is_str(result.error, "no file descriptor was free", "and so it says");
	setrlimit(RLIMIT_NOFILE, &limit);
	start(http, "http://127.0.0.1", server_port, "/whole", 1);
	answered(http, 1, "once there is, it is answered");
	http_destroy(http);
}

int
main(void)
{
	if (pipe(lookups) != 0)
		bail_out("no pipe");
	start_server();
	test_waiting();
	test_connecting();
	test_looking_up();
	test_no_descriptor();
	close(server_channel);
	waitpid(server_pid, NULL, 0);
	return done_testing();
}
