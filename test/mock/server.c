/*-------------------------------------------------------------------------
 *
 * server.c
 *	  The HTTP server: its socket, libmicrohttpd's daemon and its callbacks.
 *
 * libmicrohttpd runs its own threads over epoll; every connection stays with
 * one of them.  Turbo mode spares system calls, and keeps it from shutting a
 * socket down before it closes it, which would send FIN where a script asks
 * for RST.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoints.h"
#include "request.h"
#include "stats.h"
#include "waiting.h"

#define CONNECTION_LIMIT 20000

/* Holds a request's head, so long URLs must fit; bodies come through it in pieces. */
#define CONNECTION_MEMORY ((size_t) 64 * 1024)
#define BACKLOG 4096

static struct MHD_Daemon *daemon_handle;

/* A new request: its first line is there. */
static void *
on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	(void) cls;
	return request_create(target, connection);
}

static bool
is_counted(const Request *request)
{
	return request->endpoint == NULL || !request->endpoint->control;
}

/* Called when the headers are there, for each piece of the body, and behind it. */
static enum MHD_Result
on_progress(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			const char *version, const char *upload, size_t *upload_size, void **state)
{
	Request    *request = *state;

	(void) cls;
	(void) connection;
	switch (request->state)
	{
		case REQUEST_NEW:
			request->state = REQUEST_RECEIVING;
			request->method = method;
			request->path = url;
			request->version = version;
			request->endpoint = endpoint_find(url);
			if (is_counted(request))
				stats_begin(request);
			return MHD_YES;
		case REQUEST_RECEIVING:
			if (*upload_size == 0)
				return request_complete(request);
			request_receive(request, upload, *upload_size);
			*upload_size = 0;
			return MHD_YES;
		case REQUEST_WAITING:
			return request_resume(request);
		case REQUEST_ANSWERING:
			return MHD_YES;
		case REQUEST_CLOSED:
			break;
	}
	return MHD_NO;
}

/* The answer has ended, or the connection. */
static void
on_end(void *cls, struct MHD_Connection *connection, void **state,
	   enum MHD_RequestTerminationCode why)
{
	Request    *request = *state;

	(void) cls;
	(void) connection;
	if (request == NULL)
		return;
	if (request->state != REQUEST_NEW && is_counted(request))
		stats_end(request, why == MHD_REQUEST_TERMINATED_COMPLETED_OK &&
				  request->answered_status > 0);
	request_free(request);
	*state = NULL;
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode what)
{
	bool		opened = what == MHD_CONNECTION_NOTIFY_STARTED;
	int			on = 1;

	(void) cls;
	(void) state;
	stats_connection(opened);
	if (opened)
	{
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		if (info != NULL)
			setsockopt(info->connect_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

/* A listening socket, or -1 with errno set. */
static int
listen_on(const struct addrinfo *address)
{
	int			on = 1;
	int			fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
							address->ai_protocol);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
open_socket(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *addresses;
	int			fault = getaddrinfo(host, port, &hints, &addresses);
	int			fd = -1;

	if (fault != 0)
	{
		fprintf(stderr, "mockapi: %s port %s: %s\n", host, port, gai_strerror(fault));
		return -1;
	}
	for (struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next)
		fd = listen_on(a);
	if (fd < 0)
		fprintf(stderr, "mockapi: %s port %s: %s\n", host, port, strerror(errno));
	freeaddrinfo(addresses);
	return fd;
}

static int
port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t	length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *) &address, &length) != 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *) &address)->sin6_port);
	return ntohs(((struct sockaddr_in *) &address)->sin_port);
}

int
server_start(const char *host, const char *port, unsigned threads)
{
	unsigned	flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME |
		MHD_USE_TURBO;
	int			fd = open_socket(host, port);

	if (fd < 0)
		return 0;
	endpoints_start();
	if (!waiting_start())
	{
		perror("mockapi: cannot start the thread for waiting requests");
		return 0;
	}

	/* a pool of one is none: 0 says so */
	daemon_handle = MHD_start_daemon(flags, 0, NULL, NULL, on_progress, NULL,
									 MHD_OPTION_LISTEN_SOCKET, fd,
									 MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0,
									 MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTION_LIMIT,
									 MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
									 MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
									 MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
									 MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
									 MHD_OPTION_END);
	if (daemon_handle == NULL)
	{
		perror("mockapi: cannot start libmicrohttpd");
		return 0;
	}
	return port_of(fd);
}

/* libmicrohttpd does not stop while a connection is suspended: those go first. */
void
server_stop(void)
{
	waiting_stop();
	MHD_stop_daemon(daemon_handle);
	endpoints_stop();
	script_clear();
}
