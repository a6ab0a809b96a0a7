/*-------------------------------------------------------------------------
 *
 * catalog_insert.c
 *	  Rows of enrich.catalog_bucket, many at a time.
 *
 * A job of one-row buckets makes as many rows in our catalog as in its target.  INSERT
 * writes a record of WAL for each; this one, as COPY does, one a page.  The index still has
 * one for each row: 75 bytes, of 139 in all.  What is
 * inserted is of our making, into a table that only we write: no rights and no triggers
 * are asked for, but constraints and indexes are.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_insert.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog/catalog_extension.h"
#include "common/pg_compat.h"

/* Rows put into the heap together: several pages of them. */
#define INSERT_ROWS 500

/* What enrich.catalog_bucket.state holds of a bucket that gets its row; later there is 'f', too. */
#define BUCKET_PENDING 'p'
#define BUCKET_COMPLETED 'c'

/* The columns, in their order. */
enum
{
	COLUMN_JOB,
	COLUMN_BUCKET,
	COLUMN_STARTED_AT,
	COLUMN_FINISHED_AT,
	COLUMN_ATTEMPTS,
	COLUMN_PARTITION,
	COLUMN_HTTP_STATUS,
	COLUMN_STATE,
	COLUMN_RETRIED,
	COLUMN_FINISHED,
	COLUMN_ERROR,
	COLUMN_COUNT
};

static const Oid column_types[COLUMN_COUNT] = {
	INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT2OID, INT2OID, CHAROID, BOOLOID,
	BYTEAOID, TEXTOID
};

/* Library and catalog may be of different versions: values are not put where others belong. */
static void
check_shape(Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	bool		same = descriptor->natts == COLUMN_COUNT;

	for (int i = 0; same && i < COLUMN_COUNT; i++)
		same = TupleDescAttr(descriptor, i)->atttypid == column_types[i];
	if (!same)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table enrich.catalog_bucket is not that of this version of pg_enrich"),
				errhint("Use ALTER EXTENSION pg_enrich UPDATE."));
}

static void
set_column(TupleTableSlot *slot, int column, Datum value, bool is_null)
{
	slot->tts_values[column] = value;
	slot->tts_isnull[column] = is_null;
}

static void
fill_slot(TupleTableSlot *slot, int64 job, const BucketChange *change, TimestampTz now)
{
	ExecClearTuple(slot);
	set_column(slot, COLUMN_JOB, Int64GetDatum(job), false);
	set_column(slot, COLUMN_BUCKET, Int64GetDatum(change->bucket), false);
	set_column(slot, COLUMN_STARTED_AT, TimestampTzGetDatum(change->started_at),
			   change->started_at == 0);
	set_column(slot, COLUMN_FINISHED_AT, TimestampTzGetDatum(Max(change->started_at, now)),
			   !change->finished);
	set_column(slot, COLUMN_ATTEMPTS, Int32GetDatum(change->attempts), false);
	set_column(slot, COLUMN_PARTITION, Int16GetDatum((int16) change->partition), false);
	set_column(slot, COLUMN_HTTP_STATUS, Int16GetDatum((int16) change->http_status),
			   change->http_status == 0);
	set_column(slot, COLUMN_STATE,
			   CharGetDatum(change->finished ? BUCKET_COMPLETED : BUCKET_PENDING), false);
	set_column(slot, COLUMN_RETRIED, BoolGetDatum(false), false);
	set_column(slot, COLUMN_FINISHED, PointerGetDatum(change->after), change->finished);
	set_column(slot, COLUMN_ERROR, (Datum) 0, true);
	ExecStoreVirtualTuple(slot);
}

static void
insert_into_indexes(ResultRelInfo *result, TupleTableSlot *slot, EState *estate,
					const BucketChange *change)
{
	if (result->ri_NumIndices > 0 &&
		compat_insert_index_tuples(result, slot, estate) != NIL)
		ereport(ERROR,
				errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("bucket " INT64_FORMAT " is being stored by somebody else",
					   change->bucket));
}

static void
insert_rows(ResultRelInfo *result, EState *estate, TupleTableSlot **slots,
			BucketChange **changes, int count)
{
	Relation	relation = result->ri_RelationDesc;

	for (int i = 0; i < count; i++)
		if (relation->rd_att->constr != NULL)
			ExecConstraints(result, slots[i], estate);
	table_multi_insert(relation, slots, count, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < count; i++)
		insert_into_indexes(result, slots[i], estate, changes[i]);
	ResetPerTupleExprContext(estate);
}

void
catalog_insert_buckets(int64 job, BucketChange **changes, int count)
{
	Relation	relation = table_open(catalog_relation("catalog_bucket"), RowExclusiveLock);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TimestampTz now = GetCurrentTimestamp();
	int			slot_count = Min(count, INSERT_ROWS);
	TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * slot_count);

	check_shape(relation);
	InitResultRelInfo(result, relation, 0, NULL, 0);
	ExecOpenIndices(result, false);
	for (int i = 0; i < slot_count; i++)
		slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
	for (int start = 0; start < count; start += slot_count)
	{
		int			rows = Min(slot_count, count - start);

		for (int i = 0; i < rows; i++)
			fill_slot(slots[i], job, changes[start + i], now);
		insert_rows(result, estate, slots, &changes[start], rows);
	}
	for (int i = 0; i < slot_count; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	ExecCloseIndices(result);
	FreeExecutorState(estate);
	table_close(relation, NoLock);
}
