/*-------------------------------------------------------------------------
 *
 * loopback.h
 *	  A socket for the drivers that play a server themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LOOPBACK_H
#define PG_ENRICH_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The tests cannot go on: TAP's word for it. */
static void
bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

static int
listen_on_loopback(int backlog, int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	size = sizeof(address);
	int			listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *) &address, size) != 0 ||
		listen(listener, backlog) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &size) != 0)
		bail_out("no socket on loopback");
	*port = ntohs(address.sin_port);
	return listener;
}

#endif							/* PG_ENRICH_LOOPBACK_H */
