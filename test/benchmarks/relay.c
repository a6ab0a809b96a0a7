/*-------------------------------------------------------------------------
 *
 * relay.c
 *	  A network that is slower than loopback: a TCP relay that hands every byte on
 *	  half a round trip after it came.
 *
 *	  relay PORT SERVER-PORT ROUND-TRIP-MS
 *
 * Listens on 127.0.0.1 until its standard input ends.  It limits no throughput: what is
 * on its way is kept in memory, MOST_QUEUED bytes at most, and it has no slow start.  A
 * connection's first bytes wait for a round trip more, which connecting takes elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
#define CHUNKS_A_TURN 16		/* that one side may send before it is another's turn */
#define MOST_QUEUED (INT64_C(1024) * 1024 * 1024)

typedef struct Chunk
{
	struct Chunk *next;
	int64_t		due;			/* microseconds */
	size_t		length;			/* 0: the end */
	size_t		sent;
	char		bytes[];
} Chunk;

/* One of the two ends of a connection, and what is on its way to it. */
typedef struct Side
{
	struct Side *other;
	struct Side *previous;		/* in the list of all sides */
	struct Side *next;
	int			fd;				/* -1: closed */
	int64_t		extra;			/* what comes from it is late by so much: for the first bytes */
	bool		readable;		/* as far as is known */
	bool		writable;
	bool		ended;			/* it says no more */
	Chunk	   *first;
	Chunk	   *last;
} Side;

static int	poller;
static int64_t delay;			/* of one way */
static int64_t queued;			/* bytes on their way, altogether */
static Side *sides;

static void
die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static struct sockaddr_in
local(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t) port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};

	return address;
}

/*-------------------------------------------------------------------------
 * One side
 *-------------------------------------------------------------------------
 */
static Side *
make_side(int fd)
{
	Side	   *side = calloc(1, sizeof(Side));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = side};
	int			on = 1;

	if (side == NULL)
		die("out of memory");
	side->fd = fd;
	(void) fcntl(fd, F_SETFL, O_NONBLOCK);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
	side->next = sides;
	if (sides != NULL)
		sides->previous = side;
	sides = side;
	return side;
}

static void
drop_first(Side *side)
{
	Chunk	   *chunk = side->first;

	side->first = chunk->next;
	if (side->first == NULL)
		side->last = NULL;
	queued -= (int64_t) chunk->length;
	free(chunk);
}

static void
close_side(Side *side)
{
	if (side->fd < 0)
		return;
	close(side->fd);
	side->fd = -1;
	side->readable = side->writable = false;
	while (side->first != NULL)
		drop_first(side);
}

/* What came from a side sets out for the other one. */
static void
queue(Side *from, const char *bytes, size_t length)
{
	Side	   *to = from->other;
	Chunk	   *chunk = malloc(sizeof(Chunk) + length);

	if (chunk == NULL)
		die("out of memory");
	chunk->next = NULL;
	chunk->due = now() + delay + from->extra;
	if (to->last != NULL && chunk->due < to->last->due)
		chunk->due = to->last->due;
	from->extra = 0;
	chunk->length = length;
	chunk->sent = 0;
	memcpy(chunk->bytes, bytes, length);
	if (to->last != NULL)
		to->last->next = chunk;
	else
		to->first = chunk;
	to->last = chunk;
	queued += (int64_t) length;
}

/* Returns whether there is more that can be read now. */
static bool
read_side(Side *side)
{
	static char bytes[CHUNK];

	for (int i = 0; i < CHUNKS_A_TURN && queued < MOST_QUEUED; i++)
	{
		ssize_t		length = recv(side->fd, bytes, sizeof(bytes), 0);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
		{
			side->readable = false;
			return false;
		}
		if (length <= 0)
		{
			side->readable = false;
			side->ended = true;
			if (side->other->fd >= 0)
				queue(side, "", 0);
			return false;
		}
		if (side->other->fd >= 0)
			queue(side, bytes, (size_t) length);
	}
	return queued < MOST_QUEUED;
}

/* What has arrived goes out.  The end that has arrived closes it. */
static void
write_side(Side *side, int64_t time)
{
	while (side->writable && side->first != NULL && side->first->due <= time)
	{
		Chunk	   *chunk = side->first;
		ssize_t		length;

		if (chunk->length == 0)
		{
			(void) shutdown(side->fd, SHUT_WR);
			drop_first(side);
			if (side->ended)
				close_side(side);
			return;
		}
		length = send(side->fd, chunk->bytes + chunk->sent, chunk->length - chunk->sent,
					  MSG_NOSIGNAL);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
			side->writable = false;
		else if (length < 0)
			close_side(side);
		else if ((chunk->sent += (size_t) length) == chunk->length)
			drop_first(side);
	}
}

/* A pair goes when both have nothing to say, or to be told, any more. */
static bool
is_over(const Side *side)
{
	return side->fd < 0 || (side->ended && side->first == NULL && side->other->fd < 0);
}

static void
unlink_side(Side *side)
{
	if (side->previous != NULL)
		side->previous->next = side->next;
	else
		sides = side->next;
	if (side->next != NULL)
		side->next->previous = side->previous;
}

/*-------------------------------------------------------------------------
 * All of them
 *-------------------------------------------------------------------------
 */
static void
accept_clients(int listener, int server_port)
{
	int			fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
	{
		struct sockaddr_in address = local(server_port);
		int			upstream = socket(AF_INET, SOCK_STREAM, 0);
		Side	   *client;
		Side	   *server;

		if (upstream < 0 || connect(upstream, (struct sockaddr *) &address, sizeof(address)) != 0)
			die("connect");
		client = make_side(fd);
		server = make_side(upstream);
		client->other = server;
		server->other = client;
		client->extra = 2 * delay;
	}
}

/* Moves everything on; returns how long, in milliseconds, there is nothing to do but wait. */
static int
turn(void)
{
	int64_t		time;
	int64_t		next = INT64_MAX;
	Side	   *following;

	for (Side *side = sides; side != NULL; side = side->next)
	{
		if (side->readable && read_side(side))
			next = 0;
	}
	time = now();
	for (Side *side = sides; side != NULL; side = side->next)
	{
		write_side(side, time);
		if (side->writable && side->first != NULL && side->first->due < next)
			next = side->first->due;
	}
	for (Side *side = sides; side != NULL; side = following)
	{
		following = side->next;
		if (following == side->other && following != NULL)
			following = following->next;
		if (is_over(side) && is_over(side->other))
		{
			unlink_side(side);
			unlink_side(side->other);
			close_side(side);
			close_side(side->other);
			free(side->other);
			free(side);
		}
	}
	if (next == INT64_MAX)
		return -1;
	time = now();
	return next <= time ? 0 : (int) ((next - time + 999) / 1000);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address;
	struct rlimit files;
	struct epoll_event event = {.events = EPOLLIN};
	int			listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int			on = 1;
	int			wait = -1;

	if (argc != 4)
	{
		fprintf(stderr, "usage: relay PORT SERVER-PORT ROUND-TRIP-MS\n");
		return 2;
	}
	delay = atoi(argv[3]) * INT64_C(500);
	address = local(atoi(argv[1]));
	(void) signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	(void) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listener, 1024) != 0)
		die("listen");
	poller = epoll_create1(EPOLL_CLOEXEC);
	event.data.ptr = &listener;
	(void) epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
	event.data.ptr = NULL;
	(void) epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	while (true)
	{
		struct epoll_event events[256];
		int			count = epoll_wait(poller, events, 256, wait);

		for (int i = 0; i < count; i++)
		{
			Side	   *side = events[i].data.ptr;

			if (side == NULL)
				return 0;
			if (events[i].data.ptr == &listener)
				accept_clients(listener, atoi(argv[2]));
			else
			{
				side->readable |= !side->ended && (events[i].events & ~(uint32_t) EPOLLOUT) != 0;
				side->writable |= (events[i].events & EPOLLOUT) != 0;
			}
		}
		wait = turn();
	}
}
