/*-------------------------------------------------------------------------
 *
 * worker_store.c
 *	  The step of a worker's turn that stores what has come back.
 *
 * It does so in slices, each in a transaction; what was stored is freed at once.  Where
 * memory runs out a slice becomes smaller, down to one row, and larger again later.  A
 * row for which there is none goes behind the others, which free some.  Where none of
 * them can be stored, the answers of half of them are given up, to be asked for again; and
 * when nothing else is left to be stored, and it still takes more than there is, it fails.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_loop.h"

#include "catalog/pg_class.h"
#include "utils/lsyscache.h"

#include "base/clock.h"
#include "shared/permits.h"
#include "worker/claims.h"

/* No more bytes of answers are stored by one transaction, but of a single outcome. */
#define STORE_SLICE_BYTES (8 * 1024 * 1024)

/* After memory ran out, a slice may be twice as large again after so many. */
#define STORE_GOOD 16

/*
 * Something is given up when memory has run out so often while a single row was stored: with
 * the backoff in between that takes half a minute.  But not what holds less than this, in
 * bytes: it is not its fault then.
 */
#define STORE_TRIES 8
#define STORE_WORTH (1024 * 1024)

/* Will the job pause for its failures once those at hand are stored? */
static bool
too_many_failed(const Worker *worker)
{
	return worker->failed_rows > 0 && worker->job->max_failed_rows >= 0 &&
		worker->failures_seen + worker->failed_rows > worker->job->max_failed_rows;
}

/* Then the paths may be wrong, and no more is to be paid for. */
static bool
nothing_found_yet(const Worker *worker)
{
	return worker->recipe->shape.output_count > 0 && !worker->found_any;
}

/*
 * May the store's commit be asynchronous?  Not where it pauses the job, and others are
 * told so; nor where something outside has taken the results for good.
 */
static bool
may_defer_flush(const Worker *worker)
{
	char		kind = get_rel_relkind(worker->recipe->target);

	return !shared_touched(worker->job->id) && kind != RELKIND_FOREIGN_TABLE &&
		kind != RELKIND_VIEW;
}

static void
store_step(Worker *worker, void *arg pg_attribute_unused())
{
	worker->unsaved.throttled_us += permits_throttled(worker->slot_index);
	worker->storing = worker->unsaved;
	store_outcomes(worker->store, worker->outcomes, &worker->storing);
	if (worker->storing.rows_failed > 0)
		worker_check_failures(worker);
	/*
	 * Rows that are tried again say nothing of the paths: others of their
	 * bucket did find something.
	 */
	if (!worker->found_any && worker->storing.buckets_done > 0 &&
		!worker->outcomes->bucket->row.retried)
		worker_check_paths(worker);
	/* The job makes progress: what earlier workers stumbled over is over. */
	if (!worker->stored_before)
		catalog_forget_starts(worker->job->id);
	if (may_defer_flush(worker))
		wal_flush_defer(&worker->wal_flush);
	worker_note_written(worker);
}

/*
 * What was taken of an outcome is stored: these rows go, and their bucket with its last one.
 * Returns whether the outcome has gone, too.
 */
static bool
release_taken(Worker *worker, Outcome *outcome)
{
	Bucket	   *bucket = outcome->bucket;
	bool		is_done;

	worker->outcome_rows -= outcome->taken;
	worker->failed_rows -= outcome->kind == OUTCOME_FAILED ? outcome->taken : 0;
	bucket->rows_open -= outcome->taken;
	for (; outcome->taken > 0; outcome->taken--)
	{
		Row		   *row = outcome->rows[outcome->stored++];

		if (row->slice->rows_open == 1)
			worker->loaded_bytes -= row->slice->bytes;
		slice_release_row(row);
	}
	is_done = outcome->stored == outcome->row_count;
	if (is_done)
	{
		worker->outcome_bytes -= outcome->bytes;
		outcome_free(outcome);
	}
	if (bucket->rows_open > 0)
		return is_done;
	/* Released first: while it is claimed, those who look again pass it over. */
	claims_release(&worker->claims, bucket->row.bucket);
	if (bucket->lost)
		worker_rescan(worker);
	bucket_free(bucket);
	return is_done;
}

/*
 * Where the outcomes end that are stored together: there is one at least, of which not all
 * is taken where there may be no memory for that.  *rows: those that are taken.
 */
static Outcome **
take_slice(Worker *worker, int *rows)
{
	int			bound = worker->most_rows;
	Outcome   **end = &worker->outcomes;
	int			most = worker_slice_rows(worker);
	Size		bytes = 0;

	if (bound > 0)
		most = Min(most, bound);
	*rows = 0;
	do
	{
		Outcome    *outcome = *end;

		outcome->taken = outcome->row_count - outcome->stored;
		if (bound > 0)
			outcome->taken = Min(outcome->taken, bound);
		*rows += outcome->taken;
		bytes += outcome->bytes;
		end = &outcome->next;
	} while (*end != NULL && *rows + (*end)->row_count - (*end)->stored <= most &&
			 bytes + (*end)->bytes <= STORE_SLICE_BYTES);
	return end;
}

/* There was memory for what was stored: perhaps there is for more. */
static void
grow_slice(Worker *worker)
{
	if (worker->most_rows == 0 || ++worker->good_stores < STORE_GOOD)
		return;
	worker->most_rows = worker->most_rows * 2 < STORE_ROWS ? worker->most_rows * 2 : 0;
	worker->good_stores = 0;
}

/* The first outcome goes behind the others. */
static void
put_last(Worker *worker)
{
	Outcome    *outcome = worker->outcomes;

	worker->outcomes = outcome->next;
	outcome->next = NULL;
	*worker->outcomes_end = outcome;
	worker->outcomes_end = &outcome->next;
}

/* The next row of the only outcome fails. */
static void
give_up_row(Worker *worker)
{
	Outcome    *outcome = worker->outcomes;
	Outcome    *failed = outcome_take_row(outcome);

	if (failed == NULL)
		return;					/* not even for that is there memory now */
	worker->outcome_rows--;
	if (outcome->stored == outcome->row_count)
	{
		worker->outcome_bytes -= outcome->bytes;
		worker->outcomes = NULL;
		worker->outcomes_end = &worker->outcomes;
		outcome_free(outcome);
	}
	snprintf(failed->error, sizeof(failed->error), "out of memory, each of %d times that this was "
			 "tried to be stored, with nothing else in the way", STORE_TRIES);
	worker_add_outcome(worker, failed);
}

/* The outcomes from there on are given up; answers are asked for again. */
static void
give_up_from(Worker *worker, Outcome **from)
{
	Outcome    *outcome = *from;

	*from = NULL;
	worker->outcomes_end = from;
	while (outcome != NULL)
	{
		Outcome    *next = outcome->next;

		if (outcome->kind != OUTCOME_ANSWERED)
		{
			*worker->outcomes_end = outcome;
			worker->outcomes_end = &outcome->next;
			outcome->next = NULL;
		}
		else
		{
			worker->outcome_rows -= outcome->row_count - outcome->stored;
			worker->outcome_bytes -= outcome->bytes;
			outbox_put(&worker->outbox, outcome_into_request(outcome));
		}
		outcome = next;
	}
}

/* None of the outcomes can be stored: let go of every second one, which are the last ones. */
static void
give_up_half(Worker *worker)
{
	Outcome   **from = &worker->outcomes;
	int			count = 0;
	int			rows = worker->outcome_rows;

	for (const Outcome *outcome = worker->outcomes; outcome != NULL; outcome = outcome->next)
		count++;
	for (int i = 0; i < (count + 1) / 2; i++)
		from = &(*from)->next;
	give_up_from(worker, from);
	ereport(LOG,
			errmsg("job " INT64_FORMAT " of pg_enrich has given up answers for %d rows, for want of "
				   "memory to store them", worker->job->id, rows - worker->outcome_rows),
			errdetail("They will be asked for again."));
}

/* Memory ran out while so many rows were stored. */
static void
take_less(Worker *worker, int rows)
{
	Attempts   *attempts = &worker->attempts[STEP_STORE];

	worker->good_stores = 0;
	if (rows > 1)
	{
		/* At once: that is another store. */
		worker->most_rows = rows / 2;
		attempts->failed = 1;
		attempts->not_before = 0;
	}
	else if (attempts->failed >= STORE_TRIES && worker->outcome_bytes >= STORE_WORTH)
	{
		if (worker->outcomes->next != NULL)
			give_up_half(worker);
		else
			give_up_row(worker);
		worker_forget_failure(worker, STEP_STORE);
	}
	else if (worker->outcomes->next != NULL)
		put_last(worker);
}

void
turn_store(Worker *worker)
{
	Outcome   **end;
	Outcome    *rest;
	int64		began;
	int			rows;
	bool		stored;

	if (!worker_store_is_due(worker, too_many_failed(worker) || nothing_found_yet(worker)))
		return;
	worker_show_memory(worker, true);
	end = take_slice(worker, &rows);
	rest = *end;
	*end = NULL;
	began = clock_now();
	stored = worker_try_as(worker, STEP_STORE, store_step, NULL);
	*end = rest;
	if (!stored)
	{
		store_failed(worker->store);
		if (worker->attempts[STEP_STORE].last == ERROR_LOCK)
			worker_set_waiting(worker, WAITING_LOCK);
		else if (worker->attempts[STEP_STORE].lacked_memory)
			take_less(worker, rows);
		return;
	}
	wal_flush_request(&worker->wal_flush);
	worker_note_stored(worker, began, rows);
	grow_slice(worker);
	store_committed(worker->store);
	worker_note_progress(worker);
	worker->unread = false;
	while (worker->outcomes != rest)
	{
		Outcome    *next = worker->outcomes->next;

		if (!release_taken(worker, worker->outcomes))
			break;
		worker->outcomes = next;
	}
	if (worker->outcomes == NULL)
		worker->outcomes_end = &worker->outcomes;
}
