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
#include "worker/worker_store.h"

#include "catalog/pg_class.h"
#include "utils/lsyscache.h"

#include "base/clock.h"
#include "catalog/catalog_counters.h"
#include "worker/worker.h"
#include "worker/worker_limits.h"

/* After memory ran out, a slice may be twice as large again after so many. */
#define STORE_GOOD 16

/*
 * Something is given up when memory has run out so often while a single row was stored: with
 * the backoff in between that takes half a minute.  But not what holds less than this, in
 * bytes: it is not its fault then.
 */
#define STORE_TRIES 8
#define STORE_WORTH (1024 * 1024)

void
worker_open_target(Worker *worker)
{
	worker->store.target = store_make(worker->setup.recipe, worker->place.slot->worker_number,
									  worker->context);
}

/*
 * May the store's commit be asynchronous?  Not where it pauses the job, and others are
 * told so; nor where something outside has taken the results for good.
 */
static bool
may_defer_flush(const Worker *worker)
{
	char		kind = get_rel_relkind(worker->setup.recipe->target);

	return !shared_touched(worker->setup.job->id) && kind != RELKIND_FOREIGN_TABLE &&
		kind != RELKIND_VIEW;
}

static void
store_step(Worker *worker, void *arg)
{
	Outcome    *run = arg;

	worker->counters.unsaved.throttled_us += permits_throttled(worker->place.slot_index,
															   worker_server_index(worker));
	worker->counters.storing = worker->counters.unsaved;
	store_outcomes(worker->store.target, run, &worker->counters.storing);
	if (worker->counters.storing.rows_failed > 0)
		worker_check_failures(worker);

	/*
	 * Rows that are tried again say nothing of the paths: others of their
	 * bucket did find something.
	 */
	if (!worker->outcomes.found_any && worker->counters.storing.buckets_done > 0 &&
		!run->bucket->row.retried)
		worker_check_paths(worker);
	/* The job makes progress: what earlier workers stumbled over is over. */
	if (!worker->counters.stored_before)
		catalog_forget_starts(worker->setup.job->id);
	if (may_defer_flush(worker))
		wal_flush_defer(&worker->store.wal_flush);
	worker_note_written(worker);
}

/* A row is stored, and goes. */
static void
release_row(Worker *worker, Row *row)
{
	if (row->slice->rows_open == 1)
		worker->memory.loaded_bytes -= row->slice->bytes;
	slice_release_row(row);
}

/* All rows of a bucket are stored. */
static void
release_bucket(Worker *worker, Bucket *bucket)
{
	/* Released first: while it is claimed, those who look again pass it over. */
	claims_release(&worker->claims, bucket->row.bucket);
	if (bucket->lost)
		claims_rescan(&worker->claims);
	bucket_free(bucket);
}

/* What was taken is stored: these rows go, and buckets with their last ones. */
static void
release_stored(Worker *worker)
{
	const Outcome *outcome;

	while ((outcome = worker->outcomes.run) != NULL)
	{
		Bucket	   *bucket = outcome->bucket;

		for (int i = 0; i < outcome->taken; i++)
			release_row(worker, outcome->rows[outcome->stored + i]);
		bucket->rows_open -= outcome->taken;
		outcome_queue_stored(&worker->outcomes);
		if (bucket->rows_open == 0)
			release_bucket(worker, bucket);
	}
}

/*
 * The outcomes that are stored together.  Where there may be no memory for all rows of one,
 * not all of them are taken.  Returns how many are.
 */
static int
take_run(Worker *worker)
{
	const PacePlan *plan = &worker->pace.plan;
	int			bound = worker->store.most_rows > 0 ? worker->store.most_rows : PG_INT32_MAX;

	return outcome_queue_take(&worker->outcomes, bound, Min(plan->store_rows, bound),
							  plan->store_bytes);
}

/* There was memory for what was stored: perhaps there is for more. */
static void
grow_slice(StoreStage *stage)
{
	if (stage->most_rows == 0 || ++stage->good_stores < STORE_GOOD)
		return;
	stage->most_rows = stage->most_rows * 2 < PACE_STORE_ROWS ? stage->most_rows * 2 : 0;
	stage->good_stores = 0;
}

/* The next row of the only outcome fails. */
static void
give_up_row(Worker *worker)
{
	Outcome    *outcome = outcome_queue_pop(&worker->outcomes);
	Outcome    *failed = outcome_take_row(outcome);

	if (outcome->stored < outcome->row_count)
		outcome_queue_push(&worker->outcomes, outcome);
	else
		outcome_free(outcome);
	if (failed == NULL)
		return;					/* not even for that is there memory now */
	snprintf(failed->error, sizeof(failed->error), "out of memory, each of %d times that this was "
			 "tried to be stored, with nothing else in the way", STORE_TRIES);
	outcome_queue_add(&worker->outcomes, failed);
}

/*
 * None of the outcomes can be stored: let go of every second one, which are the last ones.
 * Answers are asked for again.
 */
static void
give_up_half(Worker *worker)
{
	OutcomeQueue *queue = &worker->outcomes;
	int			rows = queue->rows;
	int			count = 0;

	for (const Outcome *outcome = queue->first; outcome != NULL; outcome = outcome->next)
		count++;
	/* All go round once. */
	for (int i = 0; i < count; i++)
	{
		Outcome    *outcome = outcome_queue_pop(queue);

		if (i < (count + 1) / 2 || outcome->kind != OUTCOME_ANSWERED)
			outcome_queue_push(queue, outcome);
		else
			outbox_put(&worker->outbox, outcome_into_request(outcome));
	}
	ereport(LOG,
			errmsg("job " INT64_FORMAT " of pg_enrich has given up answers for %d rows, for want of "
				   "memory to store them", worker->setup.job->id, rows - queue->rows),
			errdetail("They will be asked for again."));
}

/* Memory ran out while so many rows were stored. */
static void
take_less(Worker *worker, int rows)
{
	OutcomeQueue *queue = &worker->outcomes;
	Attempts   *attempts = &worker->attempts[STEP_STORE];

	worker->store.good_stores = 0;
	if (rows > 1)
	{
		/* At once: that is another store. */
		worker->store.most_rows = rows / 2;
		attempts->failed = 1;
		attempts->not_before = 0;
	}
	else if (attempts->failed >= STORE_TRIES && queue->bytes >= STORE_WORTH)
	{
		if (queue->first->next != NULL)
			give_up_half(worker);
		else
			give_up_row(worker);
		worker_forget_failure(worker, STEP_STORE);
	}
	else if (queue->first->next != NULL)
		outcome_queue_push(queue, outcome_queue_pop(queue));	/* behind the others */
}

/* An error came. */
static void
put_back(Worker *worker, int rows)
{
	const Attempts *attempts = &worker->attempts[STEP_STORE];

	outcome_queue_put_back(&worker->outcomes);
	store_failed(worker->store.target);
	if (attempts->last == ERROR_LOCK)
		worker_set_waiting(worker, WAITING_LOCK);
	else if (attempts->lacked_memory)
		take_less(worker, rows);
}

static void
store_run(Worker *worker)
{
	int64		began;
	int			rows;

	worker_show_memory(worker, true);
	rows = take_run(worker);
	began = clock_now();
	if (!worker_try_as(worker, STEP_STORE, store_step, worker->outcomes.run))
	{
		put_back(worker, rows);
		return;
	}
	wal_flush_request(&worker->store.wal_flush);
	worker_note_stored(worker, began, rows);
	grow_slice(&worker->store);
	store_committed(worker->store.target);
	worker_note_progress(worker);
	worker->memory.unread = false;
	release_stored(worker);
}

void
turn_store(Worker *worker)
{
	if (clock_now() < worker->pace.plan.store_at)
		return;
	store_run(worker);
	worker_make_plan(worker);
}
