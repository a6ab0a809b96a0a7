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

#include "buffer.h"
#include "bucket.h"
#include "recipe.h"
#include "store.h"

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
	int64		sent_at;		/* monotonic microseconds, last */
	int64		tokens_taken;	/* with the permit to send it last */
	unsigned	setup;			/* the worker's when it was last sent, and with which credentials */
	const Credentials *credentials;
	int64		not_before;		/* monotonic microseconds; 0: at once */
	int64		tokens;			/* estimate */
	ByteBuffer	url;
	ByteBuffer	body;			/* both only while in flight */
	struct Request *next;
} Request;

/* First in, first out; those that wait for a time stand apart, in a binary heap. */
typedef struct Outbox
{
	Request    *first;
	Request    *last;
	int			ready;			/* in the list */
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

/* The next one that may be sent now, or NULL; it stays in the outbox until outbox_pop. */
extern Request *outbox_peek(Outbox *outbox, int64 now);
extern void outbox_pop(Outbox *outbox);

/* When the next delayed request is due, or CLOCK_NEVER. */
extern int64 outbox_next_due(const Outbox *outbox);

extern int	outbox_count(const Outbox *outbox);
extern void request_free(Request *request);

/* An outcome for all rows of a request, which it takes over; the request is freed. */
extern Outcome *request_into_outcome(Request *request, OutcomeKind kind);

#endif							/* PG_ENRICH_OUTBOX_H */
