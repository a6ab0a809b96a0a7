/*-------------------------------------------------------------------------
 *
 * rate_headers.h
 *	  How long an answer asks to be left alone, by its headers.
 *
 * There is one standard (Retry-After) and a dozen habits.  What is understood:
 *
 *	  Retry-After: 7 | 1.5 | an HTTP date		retry-after-ms: 1500
 *	  RateLimit: limit=100, remaining=0, reset=50
 *	  RateLimit: "minute";r=0;t=50, "day";r=9000;t=3600
 *	  names that hold "ratelimit" or "rate-limit" and "reset", with "remaining"
 *	  beside them: RateLimit-Reset, X-RateLimit-Reset, x-ratelimit-reset-tokens,
 *	  anthropic-ratelimit-requests-reset, X-Rate-Limit-Reset, …  Their values are
 *	  seconds, durations (6m0s, 120ms), seconds or milliseconds since 1970, RFC
 *	  3339 or HTTP dates.
 *
 * Pure, of fixed size, cannot fail: what it does not understand it passes over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_RATE_HEADERS_H
#define PG_ENRICH_RATE_HEADERS_H

#include <stddef.h>
#include <stdint.h>

#define RATE_HEADERS_MAX_WAIT_MS (60 * 60 * 1000)	/* nothing is waited for
													 * longer */
#define RATE_HEADERS_LIMITS 8	/* limits that one answer tells of; further
								 * ones do not count */

/* What is left of a limit. */
typedef enum RateRemaining
{
	RATE_REMAINING_UNKNOWN,
	RATE_REMAINING_NOTHING,
	RATE_REMAINING_SOME
} RateRemaining;

typedef struct RateLimit
{
	char		name[48];		/* what its headers' names have in common */
	RateRemaining remaining;
	int64_t		reset_ms;		/* from now; -1: not said */
} RateLimit;

typedef struct RateHeaders
{
	int64_t		retry_after_ms; /* -1: not said */
	int			limit_count;
	RateLimit	limits[RATE_HEADERS_LIMITS];
} RateHeaders;

extern void rate_headers_clear(RateHeaders *headers);

/* One header line, "Name: value", not NUL-terminated; now_ms is the time since 1970. */
extern void rate_headers_note(RateHeaders *headers, const char *line, size_t length,
							  int64_t now_ms);

/*
 * Milliseconds to wait, RATE_HEADERS_MAX_WAIT_MS at most; -1: the headers do not
 * say.  Retry-After counts, else the longest of the limits that have nothing
 * left, or of all where none says what it has left.
 */
extern int64_t rate_headers_wait(const RateHeaders *headers);

#endif							/* PG_ENRICH_RATE_HEADERS_H */
