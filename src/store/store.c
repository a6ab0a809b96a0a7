/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Outcomes of requests into target rows, failures and counters: exactly once.
 *
 * One transaction holds, in this order: the buckets' new bitmaps, which only
 * go in if nobody else changed the bucket meanwhile; the results of the rows
 * they newly cover; the failures; the counters.  So results are exactly as
 * durable as the knowledge that they were stored.
 *
 *-------------------------------------------------------------------------
 */
#include "store/store.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/memutils.h"

#include "catalog/catalog_change.h"
#include "catalog/catalog_job.h"
#include "server/mask.h"
#include "store/failed_rows.h"
#include "store/store_write.h"

struct Store
{
	const Recipe *recipe;
	int			worker_number;
	StoreWriter *writer;
	MemoryContext work;			/* reset after each store */

	/* The store under way */
	BucketChange *changes;
	Bucket	  **changed;		/* the bucket of each change */
	int			change_count;
};

void
outcome_free(Outcome *outcome)
{
	response_free(&outcome->response);
	buffer_free(&outcome->answer);
	free(outcome->rows);
	free(outcome);
}

Outcome *
outcome_take_row(Outcome *outcome)
{
	Outcome    *taken = calloc(1, sizeof(Outcome));
	Row		  **rows = malloc(sizeof(Row *));

	if (taken == NULL || rows == NULL)
	{
		free(taken);
		free(rows);
		return NULL;
	}
	Assert(outcome->stored < outcome->row_count);
	rows[0] = outcome->rows[outcome->stored++];
	taken->kind = OUTCOME_FAILED;
	taken->bucket = outcome->bucket;
	taken->row_count = 1;
	taken->rows = rows;
	taken->http_status = outcome->http_status;
	taken->attempts = outcome->attempts;
	taken->credentials = outcome->credentials;
	return taken;
}

Store *
store_make(const Recipe *recipe, int worker_number, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_enrich store",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Store	   *store = palloc0(sizeof(Store));

	store->recipe = recipe;
	store->worker_number = worker_number;
	store->work = AllocSetContextCreate(context, "pg_enrich store work", ALLOCSET_DEFAULT_SIZES);
	store->writer = store_writer_make(recipe);
	MemoryContextSwitchTo(old);
	return store;
}

/* Finished rows of a bucket in the store under way; at first what the bucket has. */
static BucketChange *
change_of(Store *store, Bucket *bucket)
{
	BucketChange *change;
	int			bytes = (bucket->row.row_count + 7) / 8;

	if (store->change_count > 0 && store->changed[store->change_count - 1] == bucket)
		return &store->changes[store->change_count - 1];
	for (int i = 0; i < store->change_count; i++)
		if (store->changed[i] == bucket)
			return &store->changes[i];
	change = &store->changes[store->change_count];
	store->changed[store->change_count++] = bucket;
	memset(change, 0, sizeof(*change));
	change->bucket = bucket->row.bucket;
	change->partition = bucket->row.partition;
	change->begun = bucket->row.begun;
	change->before = bucket->row.finished;
	change->after = palloc0(VARHDRSZ + bytes);
	SET_VARSIZE(change->after, VARHDRSZ + bytes);
	if (change->before != NULL)
		memcpy(VARDATA(change->after), VARDATA(change->before), bytes);
	change->attempts = bucket->row.attempts;
	change->http_status = bucket->http_status;
	change->started_at = bucket->started_at;
	return change;
}

static void
mark_finished(Store *store, const Outcome *outcome)
{
	BucketChange *change = change_of(store, outcome->bucket);

	Assert(outcome->stored + outcome->taken <= outcome->row_count);
	for (int i = outcome->stored; i < outcome->stored + outcome->taken; i++)
	{
		int			bit = (int) (outcome->rows[i]->row_number - outcome->bucket->row.first_row);

		Assert(bit >= 0 && bit < outcome->bucket->row.row_count);
		Assert((VARDATA(change->after)[bit / 8] & (1 << (bit % 8))) == 0);
		VARDATA(change->after)[bit / 8] |= 1 << (bit % 8);
	}
}

static bool
is_finished(const BucketChange *change, const Bucket *bucket)
{
	for (int bit = 0; bit < bucket->row.row_count; bit++)
		if (!(VARDATA(change->after)[bit / 8] & (1 << (bit % 8))))
			return false;
	return true;
}

/* Put the new bitmaps in; buckets that somebody else changed are lost to us. */
static void
change_buckets(Store *store, Outcome *outcomes, Counters *add)
{
	int			count = 0;

	for (const Outcome *outcome = outcomes; outcome != NULL; outcome = outcome->next)
		count++;
	store->changes = palloc(sizeof(BucketChange) * count);
	store->changed = palloc(sizeof(Bucket *) * count);
	store->change_count = 0;
	for (const Outcome *outcome = outcomes; outcome != NULL; outcome = outcome->next)
		if (!outcome->bucket->lost)
			mark_finished(store, outcome);
	for (int i = 0; i < store->change_count; i++)
		store->changes[i].finished = is_finished(&store->changes[i], store->changed[i]);
	if (store->change_count > 0)
		catalog_change_buckets(store->recipe->job->id, store->changes, store->change_count);
	for (int i = 0; i < store->change_count; i++)
	{
		store->changed[i]->lost |= !store->changes[i].accepted;
		if (store->changes[i].accepted && store->changes[i].finished)
			add->buckets_done++;
	}
}

/* The rows to write or fail, failed requests' rows with their reason. */
static StoreItem *
collect_items(Outcome *outcomes, int *count)
{
	StoreItem  *items;
	int			total = 0;

	for (const Outcome *outcome = outcomes; outcome != NULL; outcome = outcome->next)
		total += outcome->taken;
	items = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(StoreItem) * (Size) Max(total, 1));
	*count = 0;
	for (const Outcome *outcome = outcomes; outcome != NULL; outcome = outcome->next)
		for (int i = 0; i < outcome->taken && !outcome->bucket->lost; i++)
		{
			StoreItem  *item = &items[(*count)++];

			item->outcome = outcome;
			item->position = outcome->stored + i;
			item->error = NULL;
			if (outcome->kind == OUTCOME_FAILED)
				item->error = message_from_utf8(outcome->error);
			else if (outcome->kind == OUTCOME_ANSWERED &&
					 response_row_error(&outcome->response, item->position) != NULL)
				item->error = message_from_utf8(mask_text(response_row_error(&outcome->response,
																			 item->position),
														  outcome->credentials));
		}
	return items;
}

static void
count_items(const StoreItem *items, int count, int64 written, Counters *add)
{
	int64		stored = 0;
	int64		skipped = 0;

	for (int i = 0; i < count; i++)
		if (items[i].error != NULL)
			add->rows_failed++;
		else if (items[i].outcome->kind == OUTCOME_SKIPPED)
			skipped++;
		else
			stored++;

	/* A row that was there no more when its result came is skipped too. */
	skipped = Min(stored + skipped, skipped + Max(0, stored + skipped - written));
	add->rows_skipped += skipped;
	for (int i = 0; i < count; i++)
		if (items[i].error == NULL)
			add->rows_done++;
	Assert(add->rows_done >= skipped);
	add->rows_done -= skipped;
}

/*
 * Rows that failed go to the partition of failed rows; those that were retried
 * and are done leave it.
 */
static void
settle_staging(Store *store, const StoreItem *items, int count)
{
	FailedRows *failed = failed_rows_make(store->recipe);

	for (int i = 0; i < count; i++)
	{
		const Row  *row = items[i].outcome->rows[items[i].position];

		if (items[i].error != NULL)
			failed_rows_add(failed, row, items[i].error, items[i].outcome->http_status,
							items[i].outcome->attempts);
		else if (row->from_failed)
			failed_rows_add_done(failed, row);
	}
	failed_rows_write(failed);
}

/* Deferred constraints, too, must show with the row that violates them. */
static void
check_constraints_at_once(void)
{
	SPI_connect();
	if (SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) < 0)
		elog(ERROR, "could not set constraints");
	SPI_finish();
}

void
store_outcomes(Store *store, Outcome *outcomes, Counters *add)
{
	MemoryContext old = MemoryContextSwitchTo(store->work);
	StoreItem  *items;
	int			count;
	int64		written;

	Assert(IsTransactionState());
	Assert(store->change_count == 0);	/* the last one was committed, or has
										 * failed */
	MemoryContextReset(store->work);
	check_constraints_at_once();
	change_buckets(store, outcomes, add);
	items = collect_items(outcomes, &count);
	written = store_writer_write(store->writer, items, count);
	count_items(items, count, written, add);
	settle_staging(store, items, count);
	catalog_add_counters(store->recipe->job->id, store->worker_number, add);
	MemoryContextSwitchTo(old);
}

void
store_committed(Store *store)
{
	for (int i = 0; i < store->change_count; i++)
	{
		Bucket	   *bucket = store->changed[i];
		const BucketChange *change = &store->changes[i];

		if (!change->accepted)
			continue;
		if (bucket->row.finished == NULL)
			bucket->row.finished = MemoryContextAlloc(bucket->context, VARSIZE(change->after));
		memcpy(bucket->row.finished, change->after, VARSIZE(change->after));
		bucket->row.begun = true;
	}
	store_failed(store);
}

void
store_failed(Store *store)
{
	store->change_count = 0;
	MemoryContextReset(store->work);
}

void
store_replace(Store *store)
{
	MemoryContext old;

	catalog_set_replaced(store->recipe->job->id);
	old = MemoryContextSwitchTo(store->work);
	store_writer_replace(store->writer);
	MemoryContextSwitchTo(old);
}
