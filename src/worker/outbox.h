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

#include "recipe/endpoint.h"
#include "worker/request.h"

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
extern Outcome *outbox_cut(Outbox *outbox, const Endpoint *endpoint, Slice *slice);

/* Put a request back, to be sent at not_before. */
extern void outbox_put(Outbox *outbox, Request *request);

/* The same, to be sent at once, before those that are no parts. */
extern void outbox_put_part(Outbox *outbox, Request *request);

/* The same, before all others. */
extern void outbox_put_first(Outbox *outbox, Request *request);

/* The next one that may be sent now, or NULL; it stays in the outbox until outbox_pop. */
extern Request *outbox_peek(Outbox *outbox, int64 now);
extern void outbox_pop(Outbox *outbox);

/* When the next delayed request is due, or CLOCK_NEVER. */
extern int64 outbox_next_due(const Outbox *outbox);

extern int	outbox_count(const Outbox *outbox);

#endif							/* PG_ENRICH_OUTBOX_H */
