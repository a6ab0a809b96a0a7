/*-------------------------------------------------------------------------
 *
 * event.h
 *	  One descriptor that watches many: epoll on Linux, kqueue elsewhere.
 *
 * The descriptor is itself readable while a watched one is ready, so that it
 * can stand in another event loop.  Level-triggered.  Nothing is owned but the
 * descriptor; watched descriptors are their owner's to close.  Failures are
 * return values, with errno set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_EVENT_H
#define PG_ENRICH_EVENT_H

#include <stdbool.h>

typedef struct Event
{
	int			fd;
	bool		readable;		/* an error or a hang-up sets both, so that */
	bool		writable;		/* reading or writing tells what happened */
} Event;

/* A new descriptor (close-on-exec), or -1. */
extern int	event_open(void);
extern void event_close(int descriptor);

/*
 * Watch fd for these, in place of what it was watched for.  watched: a hint
 * that saves a system call, may be wrong.
 */
extern bool event_watch(int descriptor, int fd, bool readable, bool writable, bool watched);

/* No longer watch fd.  One that is not watched, or closed by now, is no fault. */
extern void event_forget(int descriptor, int fd);

/* What is ready right now, without waiting: how many events, at most max; -1 on failure. */
extern int	event_ready(int descriptor, Event *events, int max);

/* Is anything ready right now?  It stays so, and in its place. */
extern bool event_pending(int descriptor);

/* The most that event_ready gives in one call. */
#define EVENT_BATCH 256

#endif							/* PG_ENRICH_EVENT_H */
