/*-------------------------------------------------------------------------
 *
 * http_internal.h
 *	  An Http, and what its files call of one another: http.c (its beginning and end,
 *	  requests in, results out), http_pump.c (moving them on), http_memory.c (which
 *	  answers are received), http_queue.c (requests on their way) and http_time.c; each
 *	  calls those after it only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_INTERNAL_H
#define PG_ENRICH_HTTP_INTERNAL_H

#include "http/http_list.h"
#include "http/http_order.h"

#define NEVER (INT64_MAX / 2)	/* a time or a duration; adding to it does not
								 * overflow */

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

	/* http_memory.c's */
	bool		resumable;		/* a paused handle was granted what it wants */
	int64_t		refused_before; /* HttpLoad.refused at the last look */
	int64_t		grant_at;		/* clock of when to grant more, once memory
								 * was refused */

	bool		sweeps;			/* compat_curl_leaves_closing */
	int64_t		swept_at;		/* clock of the last compat_curl_sweep */
	int64_t		settle_at;		/* clock of when to look for sockets to read
								 * once more; or NEVER */
	int64_t		timer_due;		/* when libcurl wants its timer run, by the
								 * clock; or NEVER */

	/* Attended time: see http_time.c.  Microseconds. */
	int64_t		earliest;		/* no running request has an earlier deadline */
	int64_t		away;			/* the clock minus this is attended time */
	int64_t		accounted;		/* until when "away" is right, by the clock */
	int64_t		attending;		/* how long from then the caller said it would
								 * wait */
};

/* In http_time.c */

/* Splits the time since it was last accounted for into attended and away. */
extern void http_account_time(Http *http);

/* In http_queue.c */

/* Submits what waits, as far as connections and resolver threads allow. */
extern void http_submit_waiting(Http *http);

/* Takes what libcurl has finished. */
extern void http_collect_finished(Http *http);

/* Ends what is over its deadline at that attended time, and finds the next that can be. */
extern void http_expire_overdue(Http *http, int64_t now);

/* libcurl is done with one: it has ended, or begins once more. */
extern void http_end_transfer(Http *http, HttpHandle *handle, CURLcode code);

/* Ends one that libcurl has, with HTTP_INTERNAL; the server has not failed by it. */
extern void http_break_off(Http *http, HttpHandle *handle, const char *error);

/*
 * May requests share a connection?  Not any more, once a peer has said HTTP/2 that does
 * not speak it.
 */
extern void http_set_multiplexing(Http *http, bool wanted);

/* In http_memory.c */

/* Clock of when to look at what is paused; or NEVER.  Right after http_account_time. */
extern int64_t http_room_due(const Http *http);

/*
 * Transfers that were paused and may have what they want by now go on.  A call of libcurl,
 * right after http_account_time.
 */
extern void http_resume_granted(Http *http);

#endif							/* PG_ENRICH_HTTP_INTERNAL_H */
