/*-------------------------------------------------------------------------
 *
 * http_watchdog.c
 *	  Ends a call of libcurl that a peer keeps busy.
 *
 * The first tick of the timer in a call notes how much was read of each socket.  A
 * later one that finds the same call at work, and little of any body come in since,
 * shuts down those sockets of which much was read.  libcurl then finds the connection
 * closed, and the call ends.  (A call for one socket also does what is due for
 * others: so it takes a look at all of them to see which one it is.)
 *
 * The handler only looks at sockets, shuts them down and counts.  It does so in the thread
 * that calls libcurl: in others, which libcurl starts to look up hosts, it does nothing.
 * What it reads of the array of sockets may be in the midst of a change, of one socket: at
 * worst that one is not looked at in this tick.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifdef __linux__
#include <linux/tcp.h>			/* with tcpi_bytes_received, unlike
								 * netinet/tcp.h */
#endif

/*
 * Processor time between two ticks.  What a call does for many connections at once,
 * such as hundreds of TLS handshakes, may take longer: but it reads little of each.
 */
#define TICK_US 50000

/* Bytes of bodies in a tick with which it was not in vain. */
#define WORTH_A_TICK (64 * 1024)

/*
 * Bytes read of one socket, since the first tick, that are a flood.  A handshake reads some
 * 5 kB; a flood 5 MB in a tick, or 100 kB where libcurl reads byte by byte.
 */
#define FLOOD_BYTES (64 * 1024)

static int	starts = 0;
static pthread_t watched_thread;

static HttpSockets *volatile inside;	/* those of the call under way; NULL:
										 * none is */
static volatile sig_atomic_t ticks; /* in that call, since something came in */
static volatile size_t progress;	/* since the last tick */

/* Bytes that were read of a socket so far; -1: not known. */
static int64_t
bytes_read(int fd)
{
#ifdef __linux__
	struct tcp_info info;
	socklen_t	length = sizeof(info);
	int			unread = 0;

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
		length >= offsetof(struct tcp_info, tcpi_bytes_received) +
		sizeof(info.tcpi_bytes_received) &&
		ioctl(fd, FIONREAD, &unread) == 0)
		return (int64_t) info.tcpi_bytes_received - unread;
#else
	(void) fd;
#endif
	return -1;
}

static void
note_bytes(HttpSockets *sockets)
{
	for (int fd = 0; fd < sockets->end; fd++)
	{
		if (sockets->sockets[fd].is_open)
			sockets->sockets[fd].read_before = bytes_read(fd);
	}
}

static void
shut_floods(HttpSockets *sockets)
{
	for (int fd = 0; fd < sockets->end; fd++)
	{
		const HttpSocket *socket = &sockets->sockets[fd];

		if (socket->is_open && socket->read_before >= 0 &&
			bytes_read(fd) - socket->read_before >= FLOOD_BYTES)
			socket_shut_flood(sockets, fd);
	}
}

static void
on_tick(int signal_number)
{
	HttpSockets *sockets = inside;
	int			saved = errno;

	(void) signal_number;
	if (!pthread_equal(pthread_self(), watched_thread))
		return;
	if (progress >= WORTH_A_TICK)
		ticks = 0;
	progress = 0;
	if (sockets != NULL && ticks++ == 0)
		note_bytes(sockets);
	else if (sockets != NULL)
		shut_floods(sockets);
	errno = saved;
}

static bool
set_timer(long interval_us)
{
	struct itimerval timer;

	memset(&timer, 0, sizeof(timer));
	timer.it_interval.tv_usec = interval_us;
	timer.it_value.tv_usec = interval_us;
	return setitimer(ITIMER_PROF, &timer, NULL) == 0;
}

bool
watchdog_start(void)
{
	struct sigaction action;

	if (starts > 0)
	{
		starts++;
		return true;
	}
	watched_thread = pthread_self();
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_tick;
	action.sa_flags = SA_RESTART;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGPROF, &action, NULL) != 0 || !set_timer(TICK_US))
		return false;
	starts++;
	return true;
}

/* The handler stays: a last tick may be on its way, and would end the process without it. */
void
watchdog_stop(void)
{
	inside = NULL;
	if (starts > 0 && --starts == 0)
		(void) set_timer(0);
}

void
watchdog_enter(HttpSockets *sockets)
{
	inside = NULL;
	ticks = 0;
	inside = sockets;
}

void
watchdog_leave(void)
{
	inside = NULL;
}

void
watchdog_progress(size_t bytes)
{
	progress += bytes;
}
