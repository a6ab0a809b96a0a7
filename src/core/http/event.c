/*-------------------------------------------------------------------------
 *
 * event.c
 *	  One descriptor that watches many: epoll on Linux, kqueue elsewhere.
 *
 * Holds no state of its own: the kernel's table is the only one, so a
 * descriptor number that was closed and given out again behind our back (as
 * libcurl does with sockets) cannot leave a stale entry here.
 *
 *-------------------------------------------------------------------------
 */
#include "http/event.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/epoll.h>

int
event_open(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

bool
event_watch(int descriptor, int fd, bool readable, bool writable, bool watched)
{
	struct epoll_event entry;

	memset(&entry, 0, sizeof(entry));
	entry.data.fd = fd;
	entry.events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);

	if (epoll_ctl(descriptor, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &entry) == 0)
		return true;

	/* The hint was wrong: a number closed and given out again, for one. */
	if (watched && errno == ENOENT)
		return epoll_ctl(descriptor, EPOLL_CTL_ADD, fd, &entry) == 0;
	if (!watched && errno == EEXIST)
		return epoll_ctl(descriptor, EPOLL_CTL_MOD, fd, &entry) == 0;
	return false;
}

void
event_forget(int descriptor, int fd)
{
	struct epoll_event unused;	/* kernels before 2.6.9 want one */

	memset(&unused, 0, sizeof(unused));
	(void) epoll_ctl(descriptor, EPOLL_CTL_DEL, fd, &unused);
}

int
event_ready(int descriptor, Event *events, int max)
{
	struct epoll_event ready[EVENT_BATCH];
	int			count;

	if (max > EVENT_BATCH)
		max = EVENT_BATCH;
	do
		count = epoll_wait(descriptor, ready, max, 0);
	while (count < 0 && errno == EINTR);

	for (int i = 0; i < count; i++)
	{
		bool		broken = (ready[i].events & (EPOLLERR | EPOLLHUP)) != 0;

		events[i].fd = ready[i].data.fd;
		events[i].readable = broken || (ready[i].events & EPOLLIN) != 0;
		events[i].writable = broken || (ready[i].events & EPOLLOUT) != 0;
	}
	return count;
}

#else							/* kqueue */

#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

int
event_open(void)
{
	int			descriptor = kqueue();

	if (descriptor >= 0)
		(void) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
	return descriptor;
}

/* Adds or removes one filter.  Removing one that is not there is no fault. */
static bool
set_filter(int descriptor, int fd, int filter, bool wanted)
{
	struct kevent change;

	EV_SET(&change, fd, filter, wanted ? EV_ADD : EV_DELETE, 0, 0, 0);
	return kevent(descriptor, &change, 1, NULL, 0, NULL) == 0 || !wanted;
}

bool
event_watch(int descriptor, int fd, bool readable, bool writable, bool watched)
{
	(void) watched;				/* kqueue adds and modifies alike */
	return set_filter(descriptor, fd, EVFILT_READ, readable) &&
		set_filter(descriptor, fd, EVFILT_WRITE, writable);
}

void
event_forget(int descriptor, int fd)
{
	(void) set_filter(descriptor, fd, EVFILT_READ, false);
	(void) set_filter(descriptor, fd, EVFILT_WRITE, false);
}

int
event_ready(int descriptor, Event *events, int max)
{
	struct kevent ready[EVENT_BATCH];
	struct timespec at_once = {0, 0};
	int			count;

	if (max > EVENT_BATCH)
		max = EVENT_BATCH;
	do
		count = kevent(descriptor, NULL, 0, ready, max, &at_once);
	while (count < 0 && errno == EINTR);

	for (int i = 0; i < count; i++)
	{
		bool		broken = (ready[i].flags & (EV_EOF | EV_ERROR)) != 0;

		events[i].fd = (int) ready[i].ident;
		events[i].readable = broken || ready[i].filter == EVFILT_READ;
		events[i].writable = broken || ready[i].filter == EVFILT_WRITE;
	}
	return count;
}

#endif

/* Not by event_ready: what epoll has given once comes behind all others the next time. */
bool
event_pending(int descriptor)
{
	struct pollfd watched = {descriptor, POLLIN, 0};

	return poll(&watched, 1, 0) > 0;
}

void
event_close(int descriptor)
{
	if (descriptor >= 0)
		(void) close(descriptor);
}
