/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  When a worker loads and stores, and how much at a time.
 *
 * The worker says what is the case (PaceFacts), asks (pace_plan), and does what the plan
 * says.  Pure: time comes in as an argument, in microseconds of base/clock.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PACE_H
#define PG_ENRICH_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No store takes more rows, unless a single outcome has more. */
#define PACE_STORE_ROWS 20000

/* What stores have taken lately, in microseconds.  Zero-filled to begin with. */
typedef struct Pace
{
	double		row_us;			/* of a row, without the commit; 0: not known
								 * yet */
	double		commit_us;
} Pace;

typedef struct PaceFacts
{
	int64_t		now;

	/* Requests */
	int			share;			/* that this worker may have in flight */
	int			batch_size;		/* rows of one, at most; 1 or more */
	int			ready;			/* could be sent now, if there were permits */
	int			queued;			/* are loaded: those, and others that wait to
								 * be tried again */
	int			in_flight;		/* are sent, and not read yet */
	bool		receiving;		/* an answer is arriving, or is to be read and
								 * can be */

	/* Outcomes that wait to be stored */
	int			rows;
	size_t		bytes;
	int64_t		since;			/* the oldest one does; of no meaning where
								 * there are no rows */
	int64_t		store_not_before;	/* a store has failed, and is to be tried
									 * again then */
	bool		job_may_pause;	/* for what is in them, and is not to pay for
								 * more before */

	/* Memory */
	size_t		memory_used;
	size_t		memory_limit;
	bool		needs_memory;	/* answers cannot be received, or read, before
								 * others are stored */
} PaceFacts;

typedef struct PacePlan
{
	int			wanted;			/* requests that should be loaded by and by;
								 * 0: enough are */
	int			load;			/* ... by one query now; 0: not now */
	int64_t		store_at;		/* clock of when to store; CLOCK_NEVER: there
								 * is nothing */
	int			store_rows;		/* at most, but for a single outcome that
								 * holds more ... */
	size_t		store_bytes;	/* ... or is larger */
} PacePlan;

/* What to do, as things are. */
extern PacePlan pace_plan(const Pace *pace, const PaceFacts *facts);

/* So many rows (1 or more) were stored, which took so long; and so long took its commit. */
extern void pace_note_store(Pace *pace, int rows, int64_t write_us, int64_t commit_us);

#endif							/* PG_ENRICH_PACE_H */
