/*-------------------------------------------------------------------------
 *
 * worker_memory.h
 *	  What a worker holds in memory, and may hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_MEMORY_H
#define PG_ENRICH_WORKER_MEMORY_H

#include "postgres.h"

#include "worker/worker_place.h"

/* Whoever takes or frees rows and bodies counts them here. */
typedef struct WorkerMemory
{
	Size		loaded_bytes;	/* rows in memory, roughly */
	Size		body_bytes;		/* of requests in flight */
	Size		answer_size;	/* of answers lately */
	Size		bound;			/* in place of the setting, as there is less;
								 * 0: there was not */
	int64		refused_before; /* http_memory_refused at the last look */
	bool		unread;			/* an answer waits to be read: stores make
								 * memory for it */
} WorkerMemory;

/*
 * In bytes: what is held; the same with answers to come, by the size of those before, as it
 * counts against pg_enrich.worker_memory; and that, or what there is.
 */
extern Size worker_memory_held(const Worker *worker);
extern Size worker_memory_used(const Worker *worker);
extern Size worker_memory_limit(const Worker *worker);

/* An answer of so many bytes has come. */
extern void worker_note_answer_size(Worker *worker, Size bytes);

/* Have answers arrive as far as there is room for them. */
extern void worker_bound_arriving(Worker *worker);

/* The system has refused memory: less is to be held.  And once a tick: more, again. */
extern void worker_note_memory_refused(Worker *worker);
extern void worker_regrow_memory(Worker *worker);

/* Show what is held; if_much: where that has changed by much since. */
extern void worker_show_memory(Worker *worker, bool if_much);

#endif							/* PG_ENRICH_WORKER_MEMORY_H */
