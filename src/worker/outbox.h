/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  Requests that wait to be sent: cut from loaded rows, or to be sent again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_OUTBOX_H
#define PG_ENRICH_OUTBOX_H

#include "postgres.h"

#include "base/buffer.h"
#include "recipe/recipe.h"
#include "staging/bucket.h"
#include "store/store.h"

/* Two requests that were one. */
typedef struct Pair
{
	int			members;		/* that are still there */
	int			refused;
} Pair;

/* One HTTP call for some rows of one bucket.  malloc'd, with all it points to. */
typedef struct Request
{
	Bucket	   *bucket;
	int			row_count;
	Row		  **rows;
	int			sent;			/* times, so far */
	int			attempts;		/* those that count for max_attempts */
	int			failures;		/* transient ones, in a row */
	uint32		outages;		/* of the server, when it last failed */
	int64		failed_at;		/* clock of that, where it is not known yet whose fault it was */
	int64		sent_at;		/* monotonic microseconds, last */
	int64		tokens_taken;	/* with the permit to send it last */
	unsigned	setup;			/* the worker's when it was last sent, and with which credentials */
	const Credentials *credentials;
	int64		not_before;		/* monotonic microseconds; 0: at once */
	int64		tokens;			/* estimate */
	Pair	   *pair;			/* of halves of a request that was refused; or NULL */
	int			refusal_status; /* why the rows may have to fail, while that is open: */
	char	   *refusal;		/* UTF-8; else NULL */
	ByteBuffer	url;
	ByteBuffer	body;			/* both only while in flight */
	struct Request *next;
} Request;

/*
 * First in, first out, but parts of refused requests, and those put first, before
 * all others; those that wait for a time stand apart, in a binary heap.
 */
typedef struct Outbox
{
	Request    *first_part;
	Request    *last_part;
	Request    *first;
	Request    *last;
	int			ready;			/* in both lists */
	Request   **delayed;		/* heap, earliest first */
	int			delayed_count;
	int			delayed_capacity;
} Outbox;

/*
 * Cut a slice's rows into requests of at most batch_size rows and
 * max_request_tokens.  Rows that are not sent become outcomes at once, which
 * are returned as a list: empty inputs are skipped, inputs that cannot be
 * written in UTF-8 fail.
 */
extern Outcome *outbox_cut(Outbox *outbox, const Recipe *recipe, Slice *slice);

/* Put a request back, to be sent at not_before. */
extern void outbox_put(Outbox *outbox, Request *request);

/* The same, to be sent at once, before those that are no parts. */
extern void outbox_put_part(Outbox *outbox, Request *request);

/* The same, before all others. */
extern void outbox_put_first(Outbox *outbox, Request *request);

/* A new request for some rows of another one, which keeps them, too. */
extern Request *request_part(const Request *request, int first, int count);

/* Note that two requests were one. */
extern void request_pair(Request *one, Request *other);

/* A request was refused.  True: so was the one that it was one with. */
extern bool request_note_refused(Request *request);

/* Keep why its rows may have to fail; NULL: they need not. */
extern void request_set_refusal(Request *request, int http_status, const char *refusal);

/* The next one that may be sent now, or NULL; it stays in the outbox until outbox_pop. */
extern Request *outbox_peek(Outbox *outbox, int64 now);
extern void outbox_pop(Outbox *outbox);

/* When the next delayed request is due, or CLOCK_NEVER. */
extern int64 outbox_next_due(const Outbox *outbox);

extern int	outbox_count(const Outbox *outbox);
extern void request_free(Request *request);

/* An outcome for all rows of a request, which it takes over; the request is freed. */
extern Outcome *request_into_outcome(Request *request, OutcomeKind kind);

/*
 * A request for those rows of an outcome that are not stored, to be sent once more, which is
 * no attempt; the outcome is freed.
 */
extern Request *outcome_into_request(Outcome *outcome);

#endif							/* PG_ENRICH_OUTBOX_H */
