/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  Requests that wait: for their latency, or hanging until released.
 *
 * Those with a deadline are in a heap, the others in a list; the socket of each
 * is in an epoll set that reports a closed connection, and so is a timer that is
 * set to the first deadline: epoll's own timeout is coarser than what benchmarks
 * are compared with.  Only this file's own thread takes requests out, after it is
 * told to by an eventfd, so an event that epoll has reported never points to a
 * request that is already gone.
 *
 *-------------------------------------------------------------------------
 */
#include "waiting.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define NS_PER_S INT64_C(1000000000)

/* Deadlines are multiples of this, so that those that are close wake the thread once. */
#define GRAIN_NS INT64_C(100000)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static int	epoll_fd = -1;
static int	event_fd = -1;
static int	timer_fd = -1;

/* Guarded by lock. */
static Request **heap;			/* the earliest deadline first */
static size_t heap_count;
static size_t heap_capacity;
static Request *hanging;
static uint64_t ticket;			/* the number of the request that hung last */
static uint64_t released_ticket;	/* those up to it are to be released */
static bool stopping;

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void
heap_place(size_t position, Request *request)
{
	heap[position] = request;
	request->heap_position = position;
}

static void
heap_up(size_t position, Request *request)
{
	while (position > 0 && heap[(position - 1) / 2]->deadline > request->deadline)
	{
		heap_place(position, heap[(position - 1) / 2]);
		position = (position - 1) / 2;
	}
	heap_place(position, request);
}

static void
heap_down(size_t position, Request *request)
{
	for (;;)
	{
		size_t		child = position * 2 + 1;

		if (child + 1 < heap_count && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (child >= heap_count || heap[child]->deadline >= request->deadline)
			break;
		heap_place(position, heap[child]);
		position = child;
	}
	heap_place(position, request);
}

static void
heap_insert(Request *request)
{
	if (heap_count == heap_capacity)
	{
		heap_capacity = heap_capacity > 0 ? heap_capacity * 2 : 64;
		heap = realloc(heap, heap_capacity * sizeof(*heap));
		if (heap == NULL)
			abort();
	}
	heap_up(heap_count++, request);
}

static void
heap_remove(Request *request)
{
	size_t		position = request->heap_position;
	Request    *last = heap[--heap_count];

	if (last == request)
		return;
	if (position > 0 && heap[(position - 1) / 2]->deadline > last->deadline)
		heap_up(position, last);
	else
		heap_down(position, last);
}

static void
list_insert(Request *request)
{
	request->ticket = ++ticket;
	request->previous_hanging = NULL;
	request->next_hanging = hanging;
	if (hanging != NULL)
		hanging->previous_hanging = request;
	hanging = request;
}

static void
list_remove(Request *request)
{
	if (request->next_hanging != NULL)
		request->next_hanging->previous_hanging = request->previous_hanging;
	if (request->previous_hanging != NULL)
		request->previous_hanging->next_hanging = request->next_hanging;
	else
		hanging = request->next_hanging;
}

/* Takes a request out and resumes it: the last touch, it may be freed at once. */
static void
wake_up(Request *request, Wake why)
{
	if (request->deadline == WAIT_FOREVER)
		list_remove(request);
	else
		heap_remove(request);
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, request->socket, NULL);
	request->wake = why;
	MHD_resume_connection(request->connection);
}

/* Those that hang since before the last call for their release. */
static void
wake_released(void)
{
	for (Request *request = hanging; request != NULL;)
	{
		Request    *next = request->next_hanging;

		if (request->ticket <= released_ticket)
			wake_up(request, WAKE_RELEASED);
		request = next;
	}
}

/* The timer goes off at the next deadline; where that has passed, at once. */
static void
set_timer(void)
{
	struct itimerspec next = {0};

	if (heap_count > 0)
	{
		next.it_value.tv_sec = heap[0]->deadline / NS_PER_S;
		next.it_value.tv_nsec = heap[0]->deadline % NS_PER_S;
	}
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &next, NULL) != 0)
		perror("mockapi: timerfd");
}

static void
handle_events(const struct epoll_event *events, int count)
{
	uint64_t	value;

	for (int i = 0; i < count; i++)
	{
		if (events[i].data.ptr != NULL)
			wake_up(events[i].data.ptr, WAKE_GONE);
		else if (read(event_fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
			perror("mockapi: eventfd");
	}
	wake_released();
	for (int64_t now = now_ns(); heap_count > 0 && heap[0]->deadline <= now;)
		wake_up(heap[0], WAKE_TIME);
	set_timer();				/* to a new time, so that it is not ready any more */
}

static void *
run(void *unused)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	(void) unused;
	pthread_mutex_lock(&lock);
	while (!stopping)
	{
		int			count;

		pthread_mutex_unlock(&lock);
		count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
		pthread_mutex_lock(&lock);
		handle_events(events, count);
	}
	while (hanging != NULL)
		wake_up(hanging, WAKE_SHUTDOWN);
	while (heap_count > 0)
		wake_up(heap[0], WAKE_SHUTDOWN);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Makes the thread look again. */
static void
nudge(void)
{
	uint64_t	one = 1;

	if (write(event_fd, &one, sizeof(one)) < 0)
		perror("mockapi: eventfd");
}

bool
waiting_start(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return epoll_fd >= 0 && event_fd >= 0 && timer_fd >= 0 &&
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event) == 0 &&
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) == 0 &&
		pthread_create(&thread, NULL, run, NULL) == 0;
}

void
waiting_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_mutex_unlock(&lock);
	nudge();
	pthread_join(thread, NULL);
	close(epoll_fd);
	close(event_fd);
	close(timer_fd);
	free(heap);
	heap = NULL;
}

enum MHD_Result
waiting_suspend(Request *request, int64_t delay)
{
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLHUP | EPOLLERR, .data.ptr = request};
	bool		earlier = false;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	request->socket = info->connect_fd;
	MHD_suspend_connection(request->connection);

	/* rounded up, so that no request comes back before its time */
	request->deadline = delay == WAIT_FOREVER ? WAIT_FOREVER
		: (now_ns() + delay * 1000000 + GRAIN_NS - 1) / GRAIN_NS * GRAIN_NS;
	pthread_mutex_lock(&lock);
	if (stopping)
	{
		request->wake = WAKE_SHUTDOWN;
		MHD_resume_connection(request->connection);
	}
	else
	{
		if (delay == WAIT_FOREVER)
			list_insert(request);
		else
		{
			heap_insert(request);
			earlier = heap[0] == request;
		}
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, request->socket, &event);
	}
	pthread_mutex_unlock(&lock);
	if (earlier)
		nudge();
	return MHD_YES;
}

void
waiting_release(void)
{
	pthread_mutex_lock(&lock);
	released_ticket = ticket;
	pthread_mutex_unlock(&lock);
	nudge();
}
