/*-------------------------------------------------------------------------
 *
 * http_socket_test.c
 *	  Unit tests of http_socket.c, on real sockets of loopback.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_socket.h"
#include "loopback.h"
#include "tap.h"

static HttpSockets sockets;
static const SocketRef nothing = {0, 0};
static int	listener;
static int	port;

/* A connection with the listener, from that address and port, is ready. */
static SocketRef
use(const OpenedSockets *opened, const char *address, int local, int64_t now)
{
	SocketEnds	ends = {address, local, "127.0.0.1", port};

	return socket_use(&sockets, opened, &ends, now);
}

/* A connection to ourselves: the socket, its other end, and the local port of the first. */
static int
connect_one(int *other, int *local)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	socklen_t	length = sizeof(name);
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *) &name, sizeof(name)) != 0)
		bail_out("connect");
	*other = accept(listener, NULL, NULL);
	getsockname(fd, (struct sockaddr *) &name, &length);
	*local = ntohs(name.sin_port);
	return fd;
}

static void
test_use(void)
{
	OpenedSockets opened = {{{0, 0}}, 0};
	OpenedSockets none = {{{0, 0}}, 0};
	int			far;
	int			local;
	int			fd = connect_one(&far, &local);
	int			unconnected = socket(AF_INET, SOCK_STREAM, 0);
	SocketRef	ref;

	socket_opened(&sockets, fd, &opened);
	socket_opened(&sockets, unconnected, &opened);
	ok(socket_of_descriptor(&sockets, fd) != NULL && socket_of_descriptor(&sockets, -1) == NULL &&
	   socket_of_descriptor(&sockets, sockets.limit) == NULL, "what was opened is known, and nothing else");
	is_int(use(&none, "127.0.0.1", local, 1).serial, 0,
		   "a connection that nobody is known to have made");
	ref = use(&opened, "127.0.0.1", local, 1);
	is_int(ref.fd, fd,
		   "of the sockets that were opened the connected one is used");
	is_int(socket_of_descriptor(&sockets, fd)->requests, 1, "for the first time");
	is_int(use(&none, "127.0.0.1", local, 2).fd, fd, "then it is found by its port");
	is_int(socket_of_descriptor(&sockets, fd)->users, 2, "two use it");
	is_int(use(&none, "127.0.0.2", local, 2).serial, 0,
		   "the same port of another address is another");
	is_int(sockets.ready, 1, "a connection");
	socket_leave(&sockets, nothing, true, 7);
	socket_leave(&sockets, ref, true, 7);
	ok(socket_of_descriptor(&sockets, fd)->users == 1 && socket_of_descriptor(&sockets, fd)->abandoned_at == 0,
	    "one has left");
	(void) use(&none, "127.0.0.1", local, 2);
	socket_leave(&sockets, ref, false, 7);
	is_int(socket_of_descriptor(&sockets, fd)->abandoned_at, 7, "another one has left it unanswered");
	socket_closed(&sockets, fd);
	ok(socket_of_descriptor(&sockets, fd) == NULL, "what was closed is not known any more");
	is_int(use(&none, "127.0.0.1", local, 3).serial, 0, "nor is its port");
	socket_leave(&sockets, ref, true, 7);	/* no fault */
	is_int(sockets.ready, 0, "none is left");
	socket_opened(&sockets, fd, &none);
	ok(socket_get(&sockets, ref) == NULL && socket_last(&sockets, ref) == NULL, "nor is it what has its number now");
	is_int(socket_of_descriptor(&sockets, fd)->requests, 0, "its number can be another's");
	close(fd);
	close(far);
	close(unconnected);
}

/* More addresses than are kept: the last ones count. */
/* Who has made a connection may not use it: it is found by whoever does. */
static void
test_made_for_others(void)
{
	OpenedSockets opened = {{{0, 0}}, 0};
	OpenedSockets none = {{{0, 0}}, 0};
	int			far;
	int			local;
	int			fd = connect_one(&far, &local);
	SocketEnds	ends = {"127.0.0.1", local, "127.0.0.1", port};

	socket_opened(&sockets, fd, &opened);
	ok(socket_connected(&sockets, &none, &ends, 1) == NULL,
	   "a connection that nobody is known to have made is not known when it is there");
	ok(socket_connected(&sockets, &opened, &ends, 1) == socket_of_descriptor(&sockets, fd),
	   "it is by who has made it");
	ok(socket_of_descriptor(&sockets, fd)->users == 0 && sockets.ready == 1,
	   "which does not use it; others may");
	is_int(use(&none, "127.0.0.1", local, 2).fd, fd, "and it is found then");
	socket_closed(&sockets, fd);
	close(fd);
	close(far);
}

static void
test_many_opened(void)
{
	OpenedSockets opened = {{{0, 0}}, 0};
	int			tried[2 * SOCKETS_OPENED];
	int			far;
	int			local;
	int			fd;

	for (int i = 0; i < 2 * SOCKETS_OPENED; i++)
	{
		tried[i] = socket(AF_INET, SOCK_STREAM, 0);
		socket_opened(&sockets, tried[i], &opened);
	}
	fd = connect_one(&far, &local);
	socket_opened(&sockets, fd, &opened);
	is_int(use(&opened, "127.0.0.1", local, 1).fd, fd, "the last address answers");
	for (int i = 0; i < 2 * SOCKETS_OPENED; i++)
		close(tried[i]);
	close(fd);
	close(far);
}

static void
test_input(void)
{
	OpenedSockets opened = {{{0, 0}}, 0};
	int			far;
	int			local;
	int			fd = connect_one(&far, &local);
	char		byte;

	is_int(socket_input(fd), SOCKET_QUIET, "nothing was said");
	(void) !write(far, "x", 1);
	is_int(socket_input(fd), SOCKET_HAS_INPUT, "something was");
	is_int(socket_input(fd), SOCKET_HAS_INPUT, "and is still there");
	(void) !read(fd, &byte, 1);
	close(far);
	is_int(socket_input(fd), SOCKET_CLOSED, "the other end was closed");
	close(fd);

	fd = connect_one(&far, &local);
	socket_opened(&sockets, fd, &opened);
	socket_shut(&sockets, opened.refs[0], SHUT_SILENT);
	socket_shut_flood(&sockets, fd);
	is_int(socket_of_descriptor(&sockets, fd)->shut, SHUT_SILENT, "the first reason to give it up counts");
	is_int(socket_input(fd), SOCKET_CLOSED, "and it is found closed");
	close(fd);
	close(far);
}

int
main(void)
{
	if (!sockets_init(&sockets))
		bail_out("out of memory");
	listener = listen_on_loopback(10, &port);
	test_use();
	test_made_for_others();
	test_many_opened();
	test_input();
	sockets_free(&sockets);
	close(listener);
	return done_testing();
}
