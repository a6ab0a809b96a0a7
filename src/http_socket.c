/*-------------------------------------------------------------------------
 *
 * http_socket.c
 *	  What http.c knows of libcurl's sockets: which are open, what they are for,
 *	  and who uses them.
 *
 * Sockets are found by descriptor, in an array as long as the process may have
 * descriptors, of which only what is used takes memory; and by local port, as
 * different connections of one host may share a port only where their local
 * addresses differ.  The array never moves: a signal handler reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "http_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* More descriptors than this are not looked after: nobody has so many connections. */
#define MAX_DESCRIPTORS (256 * 1024)

#define PORTS 65536

bool
sockets_init(HttpSockets *sockets)
{
	struct rlimit limit;

	memset(sockets, 0, sizeof(*sockets));
	sockets->limit = MAX_DESCRIPTORS;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MAX_DESCRIPTORS)
		sockets->limit = (int) limit.rlim_cur;
	sockets->sockets = calloc((size_t) sockets->limit, sizeof(HttpSocket));
	sockets->by_port = calloc(PORTS, sizeof(int));
	return sockets->sockets != NULL && sockets->by_port != NULL;
}

void
sockets_free(HttpSockets *sockets)
{
	free(sockets->sockets);
	free(sockets->by_port);
	memset(sockets, 0, sizeof(*sockets));
}

HttpSocket *
socket_get(const HttpSockets *sockets, int fd)
{
	if (fd < 0 || fd >= sockets->limit || !sockets->sockets[fd].is_open)
		return NULL;
	return &sockets->sockets[fd];
}

void
socket_opened(HttpSockets *sockets, int fd, OpenedSockets *opened)
{
	HttpSocket *socket;

	if (fd < 0 || fd >= sockets->limit)
		return;
	socket_closed(sockets, fd);	/* should its end have escaped us */
	socket = &sockets->sockets[fd];
	memset(socket, 0, sizeof(*socket));
	socket->is_open = true;
	sockets->open++;
	if (fd >= sockets->end)
		sockets->end = fd + 1;
	opened->fds[opened->count++ % SOCKETS_OPENED] = fd;
}

void
socket_closed(HttpSockets *sockets, int fd)
{
	HttpSocket *socket = socket_get(sockets, fd);
	int		   *link;

	if (socket == NULL)
		return;
	socket->is_open = false;
	sockets->open--;
	if (socket->requests > 0 && socket->shut == SHUT_NOT)
		sockets->ready--;
	if (socket->port == 0)
		return;
	for (link = &sockets->by_port[socket->port]; *link != 0;
		 link = &sockets->sockets[*link - 1].next)
	{
		if (*link == fd + 1)
		{
			*link = socket->next;
			break;
		}
	}
}

/* The local port of a socket in host byte order, or 0. */
static int
local_port(int fd)
{
	struct sockaddr_storage name;
	socklen_t	length = sizeof(name);

	if (getsockname(fd, (struct sockaddr *) &name, &length) != 0)
		return 0;
	if (name.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *) &name)->sin_port);
	if (name.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *) &name)->sin6_port);
	return 0;
}

/* Of those that a request has opened, the one that is connected from that port. */
static int
find_opened(const HttpSockets *sockets, const OpenedSockets *opened, int port)
{
	for (int i = 0; i < opened->count && i < SOCKETS_OPENED; i++)
	{
		const HttpSocket *socket = socket_get(sockets, opened->fds[i]);

		if (socket != NULL && socket->port == 0 && local_port(opened->fds[i]) == port)
			return opened->fds[i];
	}
	return SOCKET_NONE;
}

static int
find_known(const HttpSockets *sockets, const char *address, int port)
{
	for (int link = sockets->by_port[port]; link != 0; link = sockets->sockets[link - 1].next)
	{
		if (strcmp(sockets->sockets[link - 1].address, address) == 0)
			return link - 1;
	}
	return SOCKET_NONE;
}

int
socket_use(HttpSockets *sockets, const OpenedSockets *opened, const char *address, int port,
		   int64_t now)
{
	HttpSocket *socket;
	int			fd;

	if (port <= 0 || port >= PORTS || strlen(address) >= sizeof(socket->address))
		return SOCKET_NONE;
	fd = find_opened(sockets, opened, port);
	if (fd != SOCKET_NONE)
	{
		socket = &sockets->sockets[fd];
		socket->port = port;
		strcpy(socket->address, address);
		socket->next = sockets->by_port[port];
		sockets->by_port[port] = fd + 1;
		socket->heard_at = now;
	}
	else if ((fd = find_known(sockets, address, port)) == SOCKET_NONE)
		return SOCKET_NONE;
	socket = &sockets->sockets[fd];
	socket->users++;
	if (socket->requests++ == 0 && socket->shut == SHUT_NOT)
		sockets->ready++;
	return fd;
}

void
socket_leave(HttpSockets *sockets, int fd, bool answered, int64_t now)
{
	HttpSocket *socket = socket_get(sockets, fd);

	if (socket == NULL || socket->users == 0)
		return;
	if (--socket->users > 0 && !answered)
		socket->abandoned_at = now;
}

const HttpSocket *
socket_last(const HttpSockets *sockets, int fd)
{
	return fd >= 0 && fd < sockets->limit ? &sockets->sockets[fd] : NULL;
}

SocketInput
socket_input(int fd)
{
	char		byte;
	ssize_t		length = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (length > 0)
		return SOCKET_HAS_INPUT;
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return SOCKET_QUIET;
	return SOCKET_CLOSED;
}

void
socket_shut(HttpSockets *sockets, int fd, SocketShut why)
{
	HttpSocket *socket = socket_get(sockets, fd);

	if (socket == NULL || socket->shut != SHUT_NOT)
		return;
	socket->shut = why;
	if (socket->requests > 0)
		sockets->ready--;
	(void) shutdown(fd, SHUT_RDWR);
}
