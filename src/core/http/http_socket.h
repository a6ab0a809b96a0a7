/*-------------------------------------------------------------------------
 *
 * http_socket.h
 *	  What http.c knows of libcurl's sockets: which are open, what they are for,
 *	  and who uses them.
 *
 * libcurl decides which connection a request takes, and trusts connections more
 * than some peers deserve.  To look at one before a request is sent, or to give
 * up one that is dead, its socket must be known, and libcurl names it to nobody.
 * It does name a connection's local address and port, though, to the callback
 * before a request is sent; and it has us open and close every socket.
 *
 * Nothing here allocates after sockets_init.  Failures are return values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_SOCKET_H
#define PG_ENRICH_HTTP_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One socket, also when its descriptor is another one's by now.  All zero: none.
 */
typedef struct SocketRef
{
	int			fd;
	unsigned	serial;
} SocketRef;

/* Why a connection was given up. */
typedef enum SocketShut
{
	SHUT_NOT,
	SHUT_INPUT,					/* it said something that nobody had asked for */
	SHUT_SILENT,				/* nothing came any more, as if it was lost on
								 * the way */
	SHUT_BROKEN,				/* another request has failed by it */
	SHUT_FLOOD					/* it sent without end what brings nothing */
} SocketShut;

typedef struct HttpSocket
{
	bool		is_open;
	unsigned	serial;			/* from 1 */
	bool		is_http2;		/* an answer on it was seen to be HTTP/2 */
	bool		is_ready;		/* counts in HttpSockets.ready */
	volatile SocketShut shut;	/* by us, and why: what is under way on it is
								 * lost */
	bool		unsettled;		/* http.c's: it had input, and is to be read
								 * once more ... */
	int			users_then;		/* ... its users when it was; 0: it was not
								 * yet */
	int64_t		abandoned_at;	/* clock of when a request has last left it
								 * unanswered, while others used it; 0: none
								 * has */
	int			users;			/* requests under way on it */
	int64_t		requests;		/* that it was ready for, so far */
	int64_t		heard_at;		/* clock of the last part of any answer, or of
								 * the first request */
	int64_t		input_at;		/* http.c's: clock of the last input */
	int64_t		read_before;	/* http_watchdog.c's: bytes */
	int			port;			/* local; 0: not connected yet */
	int			next;			/* the next one with that port, plus 1; 0:
								 * none */
	int			remote_port;
	char		address[INET6_ADDRSTRLEN];	/* local */
	char		remote_address[INET6_ADDRSTRLEN];
} HttpSocket;

/* The two ends of a connection: one alone may be another connection's, too. */
typedef struct SocketEnds
{
	const char *address;		/* local */
	int			port;
	const char *remote_address;
	int			remote_port;
} SocketEnds;

/* All zero: none is known. */
typedef struct HttpSockets
{
	HttpSocket *sockets;		/* by descriptor */
	int			limit;			/* of descriptors; what is beyond is not known */
	int		   *by_port;		/* the first of them with a local port, plus
								 * 1; 0: none */
	int			end;			/* above the highest descriptor that was ever
								 * known */
	unsigned	serials;		/* given out */
	int			open;			/* how many are; some libcurls close some
								 * behind our back */
	int			ready;			/* of these, those that have carried a
								 * request, and may again */
	bool		may_share;		/* requests may have shared connections, now
								 * or before */
	bool		false_http2;	/* libcurl takes one for HTTP/2 that is
								 * HTTP/1.1, or might */
} HttpSockets;

/* What a connection that nobody uses has for us. */
typedef enum SocketInput
{
	SOCKET_QUIET,
	SOCKET_HAS_INPUT,			/* somebody has said something, unasked */
	SOCKET_CLOSED				/* by its peer, or broken */
} SocketInput;

/* False: out of memory. */
extern bool sockets_init(HttpSockets *sockets);
extern void sockets_free(HttpSockets *sockets);

/* The sockets that one request has opened: several, where a host has several addresses. */
#define SOCKETS_OPENED 8

typedef struct OpenedSockets
{
	SocketRef	refs[SOCKETS_OPENED];	/* the last ones */
	int			count;			/* of all of them */
} OpenedSockets;

extern void socket_opened(HttpSockets *sockets, int fd, OpenedSockets *opened);

/* fd is about to be closed. */
extern void socket_closed(HttpSockets *sockets, int fd);

/*
 * A connection with these ends is there, which the request that has opened those sockets may
 * have made: it is known by its ends from now on.  Returns its socket; NULL: it is not known.
 */
extern HttpSocket *socket_connected(HttpSockets *sockets, const OpenedSockets *opened,
									const SocketEnds *ends, int64_t now);

/*
 * The same, where the request uses it from now on; none: it is not known.
 */
extern SocketRef socket_use(HttpSockets *sockets, const OpenedSockets *opened,
							const SocketEnds *ends, int64_t now);

/*
 * A request uses it no longer; answered: its answer was received as a whole.  None, or one
 * that is closed by now, is no fault.
 */
extern void socket_leave(HttpSockets *sockets, SocketRef ref, bool answered, int64_t now);

/* NULL: none, not known, or closed by now. */
extern HttpSocket *socket_get(const HttpSockets *sockets, SocketRef ref);

/* The one that has the descriptor now, or NULL. */
extern HttpSocket *socket_of_descriptor(const HttpSockets *sockets, int fd);

/* The same, or what was last known of it where it is closed by now. */
extern const HttpSocket *socket_last(const HttpSockets *sockets, SocketRef ref);

/* Looks, and takes nothing. */
extern SocketInput socket_input(int fd);

/* Its connection is given up: libcurl finds it closed, whoever uses it. */
extern void socket_shut(HttpSockets *sockets, SocketRef ref, SocketShut why);

/* The same, SHUT_FLOOD, in a signal handler. */
extern void socket_shut_flood(HttpSockets *sockets, int fd);

#endif							/* PG_ENRICH_HTTP_SOCKET_H */
