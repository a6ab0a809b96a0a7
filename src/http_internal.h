/*-------------------------------------------------------------------------
 *
 * http_internal.h
 *	  An Http, and what its three files call of one another: http.c (its beginning and
 *	  end, requests in, results out, time), http_queue.c (requests on their way) and
 *	  http_pump.c (moving them on).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_INTERNAL_H
#define PG_ENRICH_HTTP_INTERNAL_H

#include "http_list.h"
#include "http_order.h"

#define NEVER (INT64_MAX / 2)	/* a time or a duration; adding to it does not overflow */

struct Http
{
	CURLM	   *multi;
	int			descriptor;		/* of event.c */
	int64_t		(*clock) (void);
	int			max_connections;
	bool		watched;		/* watchdog_stop is owed */

	HandleList	waiting;		/* not given to libcurl yet, oldest first */
	HandleList	running;		/* libcurl has them */
	HandleList	finished;		/* ended, not yet taken, oldest first */
	HandleList	spare;			/* to be reused */
	HttpProfile *profile;		/* of the request started last */
	HttpLoad	load;			/* kept by the handles */
	int			submitted;		/* since the last round */
	HttpOrder	order;

	bool		sweeps;			/* compat_curl_leaves_closing */
	int64_t		swept_at;		/* clock of the last compat_curl_sweep */
	int64_t		settle_at;		/* clock of when to look for sockets to read once more; or NEVER */
	int64_t		timer_due;		/* when libcurl wants its timer run, by the clock; or NEVER */

	/* Attended time: see the head of this file.  Microseconds. */
	int64_t		earliest;		/* no running request has an earlier deadline */
	int64_t		away;			/* the clock minus this is attended time */
	int64_t		accounted;		/* until when "away" is right, by the clock */
	int64_t		attending;		/* how long from then the caller said it would wait */
};

/* In http.c: time, as the head of that file explains it. */

/* Splits the time since it was last accounted for into attended and away. */
extern void http_account_time(Http *http);

/* In http_queue.c */

/* Submits what waits, as far as connections and resolver threads allow. */
extern void http_submit_waiting(Http *http);

/* Takes what libcurl has finished. */
extern void http_collect_finished(Http *http);

/* Ends what is over its deadline at that attended time, and finds the next that can be. */
extern void http_expire_overdue(Http *http, int64_t now);

/*
 * May requests share a connection?  Not any more, once a peer has said HTTP/2 that does
 * not speak it.
 */
extern void http_set_multiplexing(Http *http, bool wanted);

#endif							/* PG_ENRICH_HTTP_INTERNAL_H */
