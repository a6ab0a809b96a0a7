/*-------------------------------------------------------------------------
 *
 * http_watchdog.c
 *	  Ends a call of libcurl that a peer keeps busy.
 *
 * A tick of the timer that finds the same call at work as the one before, and
 * little that has come in since, shuts down its socket; of a call that may handle
 * any, all those that have input.  libcurl then finds the connection closed, and the
 * call ends.
 *
 * The handler only shuts sockets down and counts.  All it shares with the rest are
 * volatile words; the array of sockets does not move while it is watched.
 *
 *-------------------------------------------------------------------------
 */
#include "http_watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>

/*
 * Processor time between two ticks.  A call that is at work for its own sake takes a
 * few milliseconds at most; 6 MB out of a socket's buffer, decrypted and inflated,
 * some 200, but they bring something.
 */
#define TICK_US 50000

/* Ticks in a call that has brought nothing, after which it is ended: 50 to 100 ms. */
#define TICKS 2

/* Bytes of bodies in a tick that are worth its time. */
#define WORTH_A_TICK (64 * 1024)

static int	starts = 0;

static volatile sig_atomic_t inside = 0;	/* a call; then those below count */
static volatile sig_atomic_t ticks;
static HttpSockets *volatile watched;
static volatile int current;	/* the socket at work, or SOCKET_NONE */
static volatile size_t progress;	/* since the last tick */

static void
shut_current(void)
{
	if (current != SOCKET_NONE)
	{
		socket_shut(watched, current, SHUT_FLOOD);
		return;
	}
	for (int fd = 0; fd < watched->limit; fd++)
	{
		if (watched->sockets[fd].is_open && socket_input(fd) == SOCKET_HAS_INPUT)
			socket_shut(watched, fd, SHUT_FLOOD);
	}
}

static void
on_tick(int signal_number)
{
	int			saved = errno;

	(void) signal_number;
	if (inside && progress >= WORTH_A_TICK)
		ticks = 0;
	else if (inside && ++ticks >= TICKS)
		shut_current();
	progress = 0;
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
	inside = 0;
	if (starts > 0 && --starts == 0)
		(void) set_timer(0);
}

void
watchdog_enter(HttpSockets *sockets, int fd)
{
	inside = 0;
	watched = sockets;
	current = fd;
	ticks = 0;
	inside = 1;
}

void
watchdog_leave(void)
{
	inside = 0;
}

void
watchdog_progress(size_t bytes)
{
	progress += bytes;
}
