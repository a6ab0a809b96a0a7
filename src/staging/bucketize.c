/*-------------------------------------------------------------------------
 *
 * bucketize.c
 *	  From the source to the staging table: rows numbered, cut into buckets.
 *
 * One pass with one counter: the source query streams into a DestReceiver that
 * numbers the rows and inserts them, many at a time, into the current
 * partition.  Memory stays flat whatever the size of the source: one batch of
 * rows, one batch of bucket descriptions.
 *
 * All is one transaction: a crash or an error leaves nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "staging/bucketize.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "catalog/catalog_bucket.h"
#include "staging/bucketize_query.h"
#include "staging/staging.h"

/*
 * Rows inserted together: as COPY does, until so many rows or so many bytes
 * are at hand.
 */
#define BATCH_ROWS 1000
#define BATCH_BYTES (1024 * 1024)

/* Bucket descriptions written together: whole runs, where they are of one partition. */
#define BATCH_BUCKETS (3 * CATALOG_RUN_BUCKETS)

/* The first partitions' size in rows; later ones hold an eighth of all before them. */
#define PARTITION_ROWS 50000

typedef struct Bucketizer
{
	DestReceiver receiver;		/* first: the executor knows us by it */
	const Recipe *recipe;
	const Endpoint *endpoint;
	BucketizeProgress progress;
	void	   *progress_state;
	Bucketized	found;

	/* The current partition */
	PartitionRow partition;
	int64		partition_end;	/* it takes no row from this number on */
	Relation	relation;		/* NULL: none yet */
	BulkInsertState bulk;

	/* Rows not yet inserted */
	TupleTableSlot *slots[BATCH_ROWS];	/* their tuples lie in batch_context */
	int			slot_count;
	Size		slot_bytes;
	TupleDesc	descriptor;		/* of the table and all its partitions */
	Datum	   *values;			/* of the row at hand */
	bool	   *nulls;

	/* Buckets not yet written; the last one may be growing */
	BucketRow	buckets[BATCH_BUCKETS];
	int			bucket_count;
	MemoryContext context;		/* for as long as bucketizing takes */
	MemoryContext batch_context;	/* reset after each batch */
} Bucketizer;

/* Insert the rows at hand, and note where those of each bucket lie. */
static void
flush_rows(Bucketizer *state)
{
	int64		first = state->found.rows - state->slot_count + 1;
	int			bucket = 0;
	MemoryContext old;

	if (state->slot_count == 0)
		return;
	old = MemoryContextSwitchTo(state->batch_context);

	/*
	 * Always at the end of the table, so that a bucket's rows lie together;
	 * and frozen, for nobody else sees the partition before we commit: so
	 * whoever reads has nothing to find out and note about who inserted them.
	 */
	table_multi_insert(state->relation, state->slots, state->slot_count,
					   GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN,
					   state->bulk);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < state->slot_count; i++)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&state->slots[i]->tts_tid);

		while (first + i >= state->buckets[bucket].first_row + state->buckets[bucket].row_count)
			bucket++;
		if (state->buckets[bucket].first_block == InvalidBlockNumber)
			state->buckets[bucket].first_block = state->buckets[bucket].last_block = block;
		state->buckets[bucket].first_block = Min(state->buckets[bucket].first_block, block);
		state->buckets[bucket].last_block = Max(state->buckets[bucket].last_block, block);
		ExecClearTuple(state->slots[i]);
	}
	state->slot_count = 0;
	state->slot_bytes = 0;
	MemoryContextReset(state->batch_context);
}

/* Write the descriptions of all buckets but one that still grows. */
static void
flush_buckets(Bucketizer *state)
{
	BucketRow  *last = &state->buckets[state->bucket_count - 1];
	int			growing = state->bucket_count > 0 &&
		last->row_count < state->recipe->job->bucket_size ? 1 : 0;
	MemoryContext old = MemoryContextSwitchTo(state->batch_context);

	flush_rows(state);
	catalog_insert_runs(state->recipe->job->id, state->buckets, state->bucket_count - growing);
	if (growing && state->bucket_count > 1)
		state->buckets[0] = *last;
	state->bucket_count = growing;
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->batch_context);
}

static void
close_partition(Bucketizer *state)
{
	if (state->relation == NULL)
		return;
	flush_rows(state);
	table_finish_bulk_insert(state->relation, 0);
	FreeBulkInsertState(state->bulk);
	table_close(state->relation, NoLock);
	state->relation = NULL;
	state->partition.last_bucket = state->found.buckets;
	catalog_insert_partition(state->recipe->job->id, &state->partition);
}

/*
 * The source query runs its owner's functions, who owns the staging table, too:
 * rows are not put into a partition of another shape than theirs.
 */
static void
check_shape(const Bucketizer *state)
{
	TupleDesc	expected = state->descriptor;
	TupleDesc	found = RelationGetDescr(state->relation);
	bool		same = found->natts == expected->natts;

	for (int i = 0; same && i < found->natts; i++)
		same = TupleDescAttr(found, i)->atttypid == TupleDescAttr(expected, i)->atttypid &&
			!TupleDescAttr(found, i)->attisdropped;
	if (!same)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_IN_USE),
				errmsg("the staging table of job " INT64_FORMAT " was altered while it was filled",
					   state->recipe->job->id),
				errhint("Leave schema enrich_staging alone in functions that the source calls."));
}

/* A partition holds whole buckets, and more of them the more there are already. */
static void
open_partition(Bucketizer *state)
{
	int64		bucket_size = state->recipe->job->bucket_size;
	int64		rows = Max(PARTITION_ROWS, state->found.rows / 8);
	MemoryContext old;
	Oid			relation;

	close_partition(state);
	rows = (rows + bucket_size - 1) / bucket_size * bucket_size;
	state->partition.partition++;
	state->partition.first_bucket = state->found.buckets + 1;
	state->partition_end = state->found.rows + rows;
	relation = staging_create_partition(state->recipe, state->partition.partition);
	state->relation = table_open(relation, RowExclusiveLock);
	check_shape(state);

	/*
	 * Not in the executor's memory, which is current while it sends rows: it
	 * ends before us.
	 */
	old = MemoryContextSwitchTo(state->context);
	state->bulk = GetBulkInsertState();
	MemoryContextSwitchTo(old);
}

static void
open_bucket(Bucketizer *state)
{
	BucketRow  *bucket;

	if (state->relation == NULL || state->found.rows == state->partition_end)
		open_partition(state);
	if (state->bucket_count == BATCH_BUCKETS)
		flush_buckets(state);
	bucket = &state->buckets[state->bucket_count++];
	memset(bucket, 0, sizeof(*bucket));
	bucket->bucket = ++state->found.buckets;
	bucket->partition = state->partition.partition;
	bucket->first_row = state->found.rows + 1;
	bucket->first_block = bucket->last_block = InvalidBlockNumber;
}

static void
check_key(const Bucketizer *state, const TupleTableSlot *source)
{
	for (int i = 0; i < state->recipe->key_count; i++)
		if (source->tts_isnull[i])
			ereport(ERROR,
					errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("key column \"%s\" is NULL in row " INT64_FORMAT " of %s",
						   state->recipe->keys[i].name, state->found.rows + 1,
						   state->recipe->source),
					errhint("Choose a key without NULLs, or leave such rows out with"
							" where_clause."));
}

/* The staging row made of a row of the source; it is formed once, here. */
static void
add_row(Bucketizer *state, const TupleTableSlot *source)
{
	int			keys = state->recipe->key_count;
	Datum	   *values = state->values;
	bool	   *nulls = state->nulls;
	HeapTuple	tuple;
	MemoryContext old = MemoryContextSwitchTo(state->batch_context);

	values[0] = Int32GetDatum(state->partition.partition);
	values[1] = Int64GetDatum(state->found.rows);
	memcpy(&values[2], source->tts_values, sizeof(Datum) * keys);
	values[keys + 2] = source->tts_values[keys];	/* input */
	values[keys + 3] = source->tts_values[keys + 2];	/* fields */
	nulls[keys + 3] = source->tts_isnull[keys + 2];
	values[keys + 4] = source->tts_values[keys + 3];	/* fingerprint */
	nulls[keys + 4] = source->tts_isnull[keys + 3];
	tuple = heap_form_tuple(state->descriptor, values, nulls);
	ExecStoreHeapTuple(tuple, state->slots[state->slot_count++], true);
	state->slot_bytes += tuple->t_len;
	MemoryContextSwitchTo(old);
}

static bool
receive_row(TupleTableSlot *source, DestReceiver *self)
{
	Bucketizer *state = (Bucketizer *) self;
	int64		bucket_size = state->recipe->job->bucket_size;

	slot_getallattrs(source);
	check_key(state, source);
	if (state->found.rows % bucket_size == 0)
		open_bucket(state);
	state->found.rows++;
	state->buckets[state->bucket_count - 1].row_count++;
	if (DatumGetBool(source->tts_values[state->recipe->key_count + 1]))
		state->found.rows_truncated++;

	add_row(state, source);
	if (state->slot_count == BATCH_ROWS || state->slot_bytes > BATCH_BYTES)
	{
		flush_rows(state);
		state->progress(state->found.rows, state->progress_state);
	}
	return true;
}

static void
begin_receiving(DestReceiver *self pg_attribute_unused(), int operation pg_attribute_unused(),
				TupleDesc typeinfo pg_attribute_unused())
{
}

static void
end_receiving(DestReceiver *self pg_attribute_unused())
{
}

static void
run_source_query(Bucketizer *state)
{
	SPIExecuteOptions options = {0};
	SPIPlanPtr	plan;
	int			result;

	/*
	 * Without CURSOR_OPT_PARALLEL_OK: tables cannot be made while in parallel
	 * mode.
	 */
	plan = SPI_prepare(bucketize_source_query(state->endpoint, state->recipe->job->max_rows), 0,
					   NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare the source query: %s", SPI_result_code_string(SPI_result));
	options.read_only = false;
	options.dest = &state->receiver;
	result = SPI_execute_plan_extended(plan, &options);
	if (result < 0)
		elog(ERROR, "could not read the source: %s", SPI_result_code_string(result));
}

/* Where no index vouches for the key, look for one that occurs twice. */
static void
check_unique(const Recipe *recipe)
{
	StringInfoData sql;
	StringInfoData columns;

	if (recipe->key_is_unique)
		return;
	initStringInfo(&columns);
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(&columns, "%skey_%d", i > 0 ? ", " : "", i + 1);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.concat_ws(', ', %s) FROM %s GROUP BY %s"
					 " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1",
					 columns.data, staging_name(recipe->job->id, -1), columns.data);
	/* Not read-only: the transaction's snapshot does not see what was staged. */
	if (SPI_execute(sql.data, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for duplicate keys");
	if (SPI_processed > 0)
		ereport(ERROR,
				errcode(ERRCODE_UNIQUE_VIOLATION),
				errmsg("key (%s) occurs more than once in %s",
					   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
					   recipe->source),
				errhint("Choose key columns that identify a row."));
}

/* All partitions have the same columns, so slots are made once, of the table's. */
static void
make_slots(Bucketizer *state)
{
	Relation	table = table_open(staging_relation(state->recipe->job->id, -1), AccessShareLock);

	state->descriptor = CreateTupleDescCopy(RelationGetDescr(table));
	state->values = palloc0(sizeof(Datum) * state->descriptor->natts);
	state->nulls = palloc0(sizeof(bool) * state->descriptor->natts);
	for (int i = 0; i < BATCH_ROWS; i++)
		state->slots[i] = MakeSingleTupleTableSlot(state->descriptor, &TTSOpsHeapTuple);
	table_close(table, NoLock);
}

Bucketized
bucketize(const Endpoint *endpoint, BucketizeProgress progress, void *progress_state)
{
	const Recipe *recipe = endpoint->recipe;
	Bucketizer *state = palloc0(sizeof(Bucketizer));

	state->receiver.receiveSlot = receive_row;
	state->receiver.rStartup = begin_receiving;
	state->receiver.rShutdown = end_receiving;
	state->receiver.rDestroy = end_receiving;
	state->receiver.mydest = DestNone;
	state->recipe = recipe;
	state->endpoint = endpoint;
	state->progress = progress;
	state->progress_state = progress_state;
	state->context = CurrentMemoryContext;
	state->batch_context = AllocSetContextCreate(CurrentMemoryContext, "pg_enrich bucketize batch",
												 ALLOCSET_DEFAULT_SIZES);
	staging_create(recipe);
	if (recipe->job->write_mode == WRITE_OVERWRITE)
		staging_create_results(recipe);
	make_slots(state);
	SPI_connect();
	run_source_query(state);
	if (state->bucket_count > 0)
	{
		flush_buckets(state);
		catalog_insert_runs(recipe->job->id, state->buckets, state->bucket_count);
	}
	close_partition(state);
	CommandCounterIncrement();
	check_unique(recipe);
	SPI_finish();
	return state->found;
}
