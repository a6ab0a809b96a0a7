/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A request: one HTTP call for some rows of one bucket.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_REQUEST_H
#define PG_ENRICH_REQUEST_H

#include "postgres.h"

#include "base/buffer.h"
#include "staging/bucket.h"
#include "store/store.h"

/* Two requests that were one. */
typedef struct Pair
{
	int			members;		/* that are still there */
	int			refused;
} Pair;

/* malloc'd, with all it points to. */
typedef struct Request
{
	Bucket	   *bucket;
	int			row_count;
	Row		  **rows;
	int			sent;			/* times, so far */
	int			attempts;		/* those that count for max_attempts */
	int			failures;		/* transient ones, in a row */
	uint32		outages;		/* of the server, when it last failed */
	int64		failed_at;		/* clock of that, where it is not known yet
								 * whose fault it was */
	int64		sent_at;		/* monotonic microseconds, last */
	int64		tokens_taken;	/* with the permit to send it last */
	const Endpoint *endpoint;	/* that it was last sent to; NULL: it was not
								 * yet */
	int64		not_before;		/* monotonic microseconds; 0: at once */
	int64		tokens;			/* estimate */
	Pair	   *pair;			/* of halves of a request that was refused; or
								 * NULL */
	int			refusal_status; /* why the rows may have to fail, while that
								 * is open: */
	char	   *refusal;		/* UTF-8; else NULL */
	ByteBuffer	url;
	ByteBuffer	body;			/* both only while in flight */
	struct Request *next;
} Request;

/*
 * For so many rows of one bucket, which are estimated to cost so many tokens: the sum of
 * request_estimate_tokens.  Raises out_of_memory, as do those below that make one.
 */
extern Request *request_make(Row **rows, int count, int64 tokens);
extern int64 request_estimate_tokens(const Row *row);
extern void request_free(Request *request);

/* A new request for some rows of another one, which keeps them, too. */
extern Request *request_part(const Request *request, int first, int count);

/* Note that two requests were one. */
extern void request_pair(Request *one, Request *other);

/* A request was refused.  True: so was the one that it was one with. */
extern bool request_note_refused(Request *request);

/* Keep why its rows may have to fail; NULL: they need not. */
extern void request_set_refusal(Request *request, int http_status, const char *refusal);

/* An outcome for all rows of a request, which it takes over; the request is freed. */
extern Outcome *request_into_outcome(Request *request, OutcomeKind kind);

/*
 * A request for those rows of an outcome that are not stored, to be sent once more, which is
 * no attempt; the outcome is freed.
 */
extern Request *outcome_into_request(Outcome *outcome);

#endif							/* PG_ENRICH_REQUEST_H */
