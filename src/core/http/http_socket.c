/*-------------------------------------------------------------------------
 *
 * http_socket.c
 *	  What http.c knows of libcurl's sockets: which are open, what they are for,
 *	  and who uses them.
 *
 * Sockets are found by descriptor, in an array as long as the process may have
 * descriptors, of which only what is used takes memory; and by local port, as libcurl
 * names a connection by its two ends.  The array never moves: a signal handler reads it,
 * and writes nothing of it but "shut".
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* More descriptors than this are not looked after: nobody has so many connections. */
#define MAX_DESCRIPTORS (64 * 1024)

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
socket_of_descriptor(const HttpSockets *sockets, int fd)
{
	if (fd < 0 || fd >= sockets->limit || !sockets->sockets[fd].is_open)
		return NULL;
	return &sockets->sockets[fd];
}

HttpSocket *
socket_get(const HttpSockets *sockets, SocketRef ref)
{
	HttpSocket *socket = ref.serial != 0 ? socket_of_descriptor(sockets, ref.fd) : NULL;

	return socket != NULL && socket->serial == ref.serial ? socket : NULL;
}

const HttpSocket *
socket_last(const HttpSockets *sockets, SocketRef ref)
{
	const HttpSocket *socket = ref.serial != 0 ? &sockets->sockets[ref.fd] : NULL;

	return socket != NULL && socket->serial == ref.serial ? socket : NULL;
}

static SocketRef
ref_of(const HttpSockets *sockets, const HttpSocket *socket)
{
	SocketRef	ref = {(int) (socket - sockets->sockets), socket->serial};

	return ref;
}

void
socket_opened(HttpSockets *sockets, int fd, OpenedSockets *opened)
{
	HttpSocket *socket;

	if (fd < 0 || fd >= sockets->limit)
		return;
	socket_closed(sockets, fd); /* should its end have escaped us */
	socket = &sockets->sockets[fd];
	memset(socket, 0, sizeof(*socket));
	socket->is_open = true;
	socket->serial = ++sockets->serials;
	sockets->open++;
	if (fd >= sockets->end)
		sockets->end = fd + 1;
	opened->refs[opened->count++ % SOCKETS_OPENED] = ref_of(sockets, socket);
}

void
socket_closed(HttpSockets *sockets, int fd)
{
	HttpSocket *socket = socket_of_descriptor(sockets, fd);
	int		   *link;

	if (socket == NULL)
		return;
	socket->is_open = false;
	sockets->open--;
	if (socket->is_ready)
		sockets->ready--;
	socket->is_ready = false;
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
static HttpSocket *
find_opened(const HttpSockets *sockets, const OpenedSockets *opened, int port)
{
	for (int i = 0; i < opened->count && i < SOCKETS_OPENED; i++)
	{
		HttpSocket *socket = socket_get(sockets, opened->refs[i]);

		if (socket != NULL && socket->port == 0 && local_port(opened->refs[i].fd) == port)
			return socket;
	}
	return NULL;
}

static HttpSocket *
find_known(const HttpSockets *sockets, const SocketEnds *ends)
{
	for (int link = sockets->by_port[ends->port]; link != 0;
		 link = sockets->sockets[link - 1].next)
	{
		HttpSocket *socket = &sockets->sockets[link - 1];

		if (socket->remote_port == ends->remote_port &&
			strcmp(socket->address, ends->address) == 0 &&
			strcmp(socket->remote_address, ends->remote_address) == 0)
			return socket;
	}
	return NULL;
}

/* The ends of a new connection. */
static void
note_ends(HttpSockets *sockets, HttpSocket *socket, const SocketEnds *ends)
{
	socket->port = ends->port;
	socket->remote_port = ends->remote_port;
	strcpy(socket->address, ends->address);
	strcpy(socket->remote_address, ends->remote_address);
	socket->next = sockets->by_port[ends->port];
	sockets->by_port[ends->port] = (int) (socket - sockets->sockets) + 1;
}

HttpSocket *
socket_connected(HttpSockets *sockets, const OpenedSockets *opened, const SocketEnds *ends,
				 int64_t now)
{
	HttpSocket *socket;

	if (ends->port <= 0 || ends->port >= PORTS ||
		strlen(ends->address) >= sizeof(socket->address) ||
		strlen(ends->remote_address) >= sizeof(socket->remote_address))
		return NULL;
	socket = find_opened(sockets, opened, ends->port);
	if (socket == NULL)
		return find_known(sockets, ends);
	note_ends(sockets, socket, ends);
	socket->heard_at = now;
	if (socket->shut == SHUT_NOT)
	{
		socket->is_ready = true;
		sockets->ready++;
	}
	return socket;
}

SocketRef
socket_use(HttpSockets *sockets, const OpenedSockets *opened, const SocketEnds *ends, int64_t now)
{
	SocketRef	none = {0, 0};
	HttpSocket *socket = socket_connected(sockets, opened, ends, now);

	if (socket == NULL)
		return none;
	socket->users++;
	socket->requests++;
	return ref_of(sockets, socket);
}

void
socket_leave(HttpSockets *sockets, SocketRef ref, bool answered, int64_t now)
{
	HttpSocket *socket = socket_get(sockets, ref);

	if (socket == NULL || socket->users == 0)
		return;
	if (--socket->users > 0 && !answered)
		socket->abandoned_at = now;
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
socket_shut(HttpSockets *sockets, SocketRef ref, SocketShut why)
{
	HttpSocket *socket = socket_get(sockets, ref);

	if (socket == NULL || socket->shut != SHUT_NOT)
		return;
	socket->shut = why;
	if (socket->is_ready)
		sockets->ready--;
	socket->is_ready = false;
	(void) shutdown(ref.fd, SHUT_RDWR);
}

void
socket_shut_flood(HttpSockets *sockets, int fd)
{
	if (sockets->sockets[fd].shut != SHUT_NOT)
		return;
	sockets->sockets[fd].shut = SHUT_FLOOD;
	(void) shutdown(fd, SHUT_RDWR);
}
