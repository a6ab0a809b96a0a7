/*-------------------------------------------------------------------------
 *
 * worker_load.c
 *	  The step of a worker's turn that loads rows, and makes requests of them.
 *
 * It does a slice at a time, each in a transaction of its own, and only when sending is
 * about to lack requests.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_load.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "worker/worker.h"

/* Buckets claimed at a time. */
#define CLAIM_BUCKETS 1000

/* Where no row needs an answer, so many are loaded before they are stored. */
#define UNSENT_ROWS 5000

/* Requests that a bucket makes, about. */
static int
requests_of_bucket(const Worker *worker)
{
	int			batch = worker->setup.endpoint->batch_size;

	return (worker->setup.job->bucket_size + batch - 1) / batch;
}

/* The last buckets are shared, too: no worker is to be done long before the others. */
static int
wanted_buckets(Worker *worker)
{
	const Job  *job = worker->setup.job;
	int64		left = job->buckets_total - claims_next_bucket(worker->place.slot_index) + 1;
	int64		share = Max(left / job->workers, 1);
	int			count = worker->pace.plan.wanted / requests_of_bucket(worker) + 1;

	return (int) Min(Min(count, CLAIM_BUCKETS), share);
}

/* There must be none that is not loaded yet. */
static void
claim(Worker *worker)
{
	List	   *rows = claims_take(&worker->claims, worker->setup.job, wanted_buckets(worker));
	MemoryContext old = MemoryContextSwitchTo(worker->context);
	List	   *buckets = NIL;
	ListCell   *cell;

	Assert(worker->unloaded == NIL);
	foreach(cell, rows)
	{
		buckets = lappend(buckets, bucket_make(lfirst(cell), worker->context));
	}
	/* All or none: an error leaves the claim unconfirmed. */
	worker->unloaded = buckets;
	MemoryContextSwitchTo(old);
	if (rows != NIL)
		claims_confirm(&worker->claims, list_length(rows));
}

/* The buckets that the next query can load together, and how many rows of them. */
static List *
choose_buckets(Worker *worker, int *rows)
{
	int			limit = worker->pace.plan.load * worker->setup.endpoint->batch_size;
	const Bucket *first = linitial(worker->unloaded);
	const Bucket *last = NULL;
	List	   *chosen = NIL;
	ListCell   *cell;

	*rows = 0;
	foreach(cell, worker->unloaded)
	{
		Bucket	   *bucket = lfirst(cell);

		/*
		 * Only consecutive ones: rows of a finished bucket between two would
		 * be loaded, too.
		 */
		if (chosen != NIL && (*rows + bucket->rows_open > limit || first->row.retried ||
							  bucket->row.retried ||
							  bucket->row.partition != first->row.partition ||
							  bucket->row.bucket != last->row.bucket + 1))
			break;
		chosen = lappend(chosen, bucket);
		last = bucket;
		*rows += bucket->rows_open;
	}
	*rows = Min(*rows, limit);
	return chosen;
}

static void
forget_loaded(Worker *worker, List *buckets)
{
	ListCell   *cell;

	foreach(cell, buckets)
	{
		if (bucket_is_loaded(lfirst(cell)))
			worker->unloaded = list_delete_first(worker->unloaded);
	}
}

/* An error leaves the buckets as they were before the slice was loaded. */
static pg_noinline Outcome *
cut_or_unload(Worker *worker, List *buckets, int64 next_row, Slice *slice)
{
	Outcome    *unsent = NULL;

	PG_TRY();
	{
		unsent = outbox_cut(&worker->outbox, worker->setup.endpoint, slice);
	}
	PG_CATCH();
	{
		bucket_unload(buckets, next_row, slice);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return unsent;
}

static void
load_step(Worker *worker, void *arg pg_attribute_unused())
{
	int			rows;
	List	   *buckets;
	int64		next_row;
	Outcome    *unsent;
	Slice	   *slice;

	server_check_usage(worker->setup.endpoint->server, GetUserId());
	recipe_check_source(worker->setup.recipe);
	if (worker->unloaded == NIL)
		claim(worker);
	if (worker->unloaded == NIL)
		return;
	buckets = choose_buckets(worker, &rows);
	next_row = ((Bucket *) linitial(buckets))->next_row;
	slice = bucket_load(worker->setup.endpoint, buckets, rows, worker_memory_limit(worker) / 8,
						worker->context);
	unsent = cut_or_unload(worker, buckets, next_row, slice);
	forget_loaded(worker, buckets);
	worker->memory.loaded_bytes += slice->bytes;
	while (unsent != NULL)
	{
		Outcome    *next = unsent->next;

		outcome_queue_add(&worker->outcomes, unsent);
		unsent = next;
	}
	if (slice->row_count == 0)
		MemoryContextDelete(slice->context);
}

bool
turn_load(Worker *worker)
{
	bool		loaded = false;

	if (worker->control.mode == WORKER_WORKING && worker_effective_cap(worker) == 0)
		worker_set_waiting(worker, WAITING_CAP);
	while (worker_may_send(worker) && worker->pace.plan.load > 0)
	{
		if (worker->unloaded == NIL && !claims_may_take(&worker->claims, worker->setup.job))
			break;
		if (!worker_try_as(worker, STEP_LOAD, load_step, NULL))
		{
			if (worker->attempts[STEP_LOAD].last == ERROR_LOCK)
				worker_set_waiting(worker, WAITING_LOCK);
			break;
		}
		loaded = true;
		/* What can be sent, or needs no answer, is not to wait for more. */
		if (worker->claims.exhausted || worker->outbox.ready > 0 ||
			worker->outcomes.rows >= UNSENT_ROWS)
			break;
		worker_make_plan(worker);
	}
	return loaded;
}
