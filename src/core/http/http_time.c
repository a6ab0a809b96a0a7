/*-------------------------------------------------------------------------
 *
 * http_time.c
 *	  Attended time: the clock without the time in which the caller was away.
 *
 * A request's deadlines run from when libcurl is given it: time in our queue says
 * nothing of the server.  They are kept in attended time, so suspending all of
 * them is one addition.  The caller attends from http_timeout to the http_pump
 * that follows, for as long as it said it would wait; the rest of the time
 * between two pumps it was away.
 *
 * The earliest deadline is kept as a bound only: it is lowered as requests
 * are submitted and raised by a walk over the running ones once it has passed.
 * Deadlines are seldom met, so that walk is rare: at most one for each
 * request, when every one ends by its deadline, and in practice one in a
 * timeout's length.  A heap would cost more, twice for each request.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_internal.h"

/* Waking up this late is the scheduler's doing and not worth a correction. */
#define LATE_WAKEUP_US 20000

void
http_account_time(Http *http)
{
	int64_t		now = http->clock();
	int64_t		excess = now - http->accounted - http->attending;

	if (excess > (http->attending > 0 ? LATE_WAKEUP_US : 0))
		http->away += excess;
	http->accounted = now;
	http->attending = 0;
}
