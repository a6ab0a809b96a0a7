/*-------------------------------------------------------------------------
 *
 * worker_pace.h
 *	  When a worker loads, reads and stores, and how much at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_PACE_H
#define PG_ENRICH_WORKER_PACE_H

#include "postgres.h"

#include "worker/worker_place.h"

/*
 * So many rows are stored together at most, and call for a store; a worker that has
 * something else to do lets these many wait.
 */
#define STORE_ROWS 5000
#define STORE_BUSY_ROWS (4 * STORE_ROWS)

/* Loading waits while there is something to receive, until this part of the cap is left. */
#define LOAD_URGENT_SHARE 4

/* What stores have taken lately, in microseconds. */
typedef struct StorePace
{
	int64		written_at;		/* clock of the last one, before its commit */
	double		row_us;			/* of a row, without the commit; 0: not known yet */
	double		commit_us;
} StorePace;

/* How much of its time a worker waits, in microseconds; of the last window and this one. */
typedef struct Leisure
{
	int64		since;			/* clock of when the last window began */
	int64		window_at;		/* ... and this one */
	int64		waited;			/* since then */
	int64		waited_before;	/* in the last window */
} Leisure;

/* What is known of how fast things go. */
typedef struct WorkerPace
{
	StorePace	store;
	Leisure		leisure;
	Size		answer_size;	/* of answers lately, in bytes */
	int64		pumped_at;		/* clock of the last look at the network */
	int64		read_at;		/* clock of the end of the last answer read */
} WorkerPace;

/* The loop begins. */
extern void worker_pace_begin(Worker *worker);

/* Load: may it wait, where the worker's share of the caps is so many requests? */
extern bool worker_load_can_wait(const Worker *worker, int share);

/*
 * Collect: is it time to look after the network?  That is noted as done.  And may answers
 * be read on, where the first of this turn was begun at that clock?
 */
extern bool worker_pump_is_due(Worker *worker);
extern bool worker_may_read_on(int64 began);

/* Is there an answer that takes a while to read, and can be read now? */
extern bool worker_has_large_answer(const Worker *worker);

/* Store: is it time for that?  urgent: there are outcomes that the job may pause for. */
extern bool worker_store_is_due(const Worker *worker, bool urgent);

/* How many rows to store at a time. */
extern int	worker_slice_rows(const Worker *worker);

/* Sleep: the clock of when something of this is due unless the network brings more before. */
extern int64 worker_pace_due(const Worker *worker);

/* What was done: slept, from that clock on; an answer of so many bytes came; it was read. */
extern void worker_note_waited(Worker *worker, int64 began);
extern void worker_note_answer_size(Worker *worker, Size bytes);
extern void worker_note_read(Worker *worker);

/* A store was written, and is to be committed; it was: so many rows, from that clock on. */
extern void worker_note_written(Worker *worker);
extern void worker_note_stored(Worker *worker, int64 began, int rows);

#endif							/* PG_ENRICH_WORKER_PACE_H */
