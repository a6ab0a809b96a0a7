/*-------------------------------------------------------------------------
 *
 * server.h
 *	  The HTTP server: its socket, libmicrohttpd's daemon and its callbacks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SERVER_H
#define MOCK_SERVER_H

#include <stdbool.h>

/* Listens and serves; returns the port, or 0 after saying on stderr what failed. */
extern int	server_start(const char *host, const char *port, unsigned threads);

/* Ends all connections. */
extern void server_stop(void);

#endif							/* MOCK_SERVER_H */
