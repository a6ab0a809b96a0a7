/*-------------------------------------------------------------------------
 *
 * http_watchdog.h
 *	  Ends a call of libcurl that a peer keeps busy.
 *
 * libcurl reads what a socket has until there is no more, and a peer that sends
 * what brings nothing (empty frames of HTTP/2, the body of a proxy's refusal)
 * faster than it is read keeps it inside one call: no deadline is judged, and the
 * process hears no signal.  So the time that a call takes of the processor is
 * watched, and a socket that it reads and reads for nothing is shut down under it.
 *
 * A process has one, with a timer and a signal (ITIMER_PROF, SIGPROF) that count its
 * processor time and are silent while it sleeps.  Not for several threads.  Only on
 * Linux can it be told what was read of a socket; elsewhere nothing is shut down.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_WATCHDOG_H
#define PG_ENRICH_HTTP_WATCHDOG_H

#include "http/http_socket.h"

/* Watch calls, until watchdog_stop was called as often.  False: errno says why not. */
extern bool watchdog_start(void);
extern void watchdog_stop(void);

/*
 * A call begins that handles these sockets.  Calls that follow one another need no
 * watchdog_leave between them.
 */
extern void watchdog_enter(HttpSockets *sockets);
extern void watchdog_leave(void);

/* So many bytes of bodies have come in, in the call under way. */
extern void watchdog_progress(size_t bytes);

#endif							/* PG_ENRICH_HTTP_WATCHDOG_H */
