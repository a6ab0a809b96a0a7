/*-------------------------------------------------------------------------
 *
 * bucket.c
 *	  Buckets in a worker's memory, and loading their rows from staging.
 *
 * A bucket's rows are found by the range of blocks they were written to, and
 * their numbers: a TID range scan touches those blocks only.  After a rewrite
 * of the partition (VACUUM FULL) the blocks are meaningless; then fewer rows
 * turn up than are open, and the whole partition is scanned.
 *
 * Small buckets are loaded many at a time, large ones in slices, so that
 * neither the number of queries nor the memory depends on bucket_size.
 *
 * The staging table belongs to the job's owner, who may alter it and change its
 * rows: so nothing is believed that could make us read or write astray.
 *
 *-------------------------------------------------------------------------
 */
#include "staging/bucket.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "common/pg_compat.h"
#include "common/settings.h"
#include "staging/staging.h"

/* Rows fetched at a time, as they lie in staging: long values compressed or apart. */
#define FETCH_ROWS 500

static int
count_bits(const bytea *bitmap)
{
	return bitmap == NULL ? 0
		: (int) pg_popcount(VARDATA_ANY(bitmap), (int) VARSIZE_ANY_EXHDR(bitmap));
}

Bucket *
bucket_make(const BucketRow *row, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_enrich bucket", ALLOCSET_SMALL_SIZES);
	Bucket	   *bucket = MemoryContextAllocZero(context, sizeof(Bucket));

	bucket->context = context;
	bucket->row = *row;
	if (row->finished != NULL)
	{
		bucket->row.finished = MemoryContextAlloc(context, VARSIZE(row->finished));
		memcpy(bucket->row.finished, row->finished, VARSIZE(row->finished));
	}
	bucket->rows_open = row->row_count - count_bits(row->finished);
	bucket->next_row = row->first_row;
	return bucket;
}

void
bucket_free(Bucket *bucket)
{
	MemoryContextDelete(bucket->context);
}

static bool
row_is_finished(const Bucket *bucket, int64 row_number)
{
	int			bit = (int) (row_number - bucket->row.first_row);

	if (bucket->row.finished == NULL)
		return false;
	return (VARDATA(bucket->row.finished)[bit / 8] & (1 << (bit % 8))) != 0;
}

bool
bucket_is_loaded(const Bucket *bucket)
{
	return bucket->next_row >= bucket->row.first_row + bucket->row.row_count;
}

pg_noreturn static void
complain_changed(const Recipe *recipe)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("the staging table of job " INT64_FORMAT " is not as bucketizing left it",
				   recipe->job->id),
			errhint("Somebody changed it. Cancel the job and start it again."));
}

/* Are the columns what read_row takes them for? */
static void
check_columns(const Recipe *recipe, TupleDesc descriptor)
{
	int			keys = recipe->key_count;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Oid			type = TupleDescAttr(descriptor, i)->atttypid;
		Oid			expected = i == 0 ? INT8OID
			: i == 1 ? BOOLOID
			: i < 2 + keys ? recipe->keys[i - 2].type
			: i == 3 + keys ? TEXTARRAYOID : TEXTOID;

		if (type != expected)
			ereport(ERROR,
					errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("staging rows of job " INT64_FORMAT " have a column of type %s, not %s",
						   recipe->job->id, format_type_be(type), format_type_be(expected)),
					errdetail("The type of a key column was changed after bucketizing, or the"
							  " staging table was."),
					errhint("Change it back, or cancel the job and start it again."));
	}
}

static void
append_select(StringInfo sql, const Recipe *recipe, int partition)
{
	appendStringInfo(sql, "SELECT row_number, %s", partition == STAGING_FAILED ? "true" : "false");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, ", key_%d", i + 1);
	appendStringInfo(sql,
					 ", input, fields, fingerprint FROM %s WHERE row_number"
					 " OPERATOR(pg_catalog.>=) $1"
					 " AND row_number OPERATOR(pg_catalog.<=) $2",
					 staging_name(recipe->job->id, partition));
}

/* The query for a run of buckets of one partition; by_blocks: only where they were written to. */
static char *
load_query(const Recipe *recipe, List *buckets, bool by_blocks)
{
	const BucketRow *first = &((Bucket *) linitial(buckets))->row;
	const BucketRow *last = &((Bucket *) llast(buckets))->row;
	bool		has_partition = OidIsValid(staging_relation(recipe->job->id, first->partition));
	StringInfoData sql;

	initStringInfo(&sql);
	if (has_partition)
	{
		append_select(&sql, recipe, first->partition);
		if (by_blocks)
			appendStringInfo(&sql, " AND ctid OPERATOR(pg_catalog.>=) '(%u,0)'::pg_catalog.tid"
							 " AND ctid OPERATOR(pg_catalog.<) '(%u,0)'::pg_catalog.tid",
							 first->first_block, last->last_block + 1);
	}
	if (first->retried || !has_partition)
	{
		if (has_partition)
			appendStringInfoString(&sql, " UNION ALL ");
		append_select(&sql, recipe, STAGING_FAILED);
	}
	appendStringInfoString(&sql, " ORDER BY 1");
	return sql.data;
}

static char *
text_column_to_utf8(HeapTuple tuple, TupleDesc descriptor, int column, size_t *length)
{
	char	   *utf8;
	bool		is_null;
	Datum		value = SPI_getbinval(tuple, descriptor, column, &is_null);

	*length = 0;
	if (is_null)
		return NULL;
	utf8 = text_to_utf8(TextDatumGetCString(value));
	*length = strlen(utf8);
	return utf8;
}

static void
read_fields(const Endpoint *endpoint, Row *row, HeapTuple tuple, TupleDesc descriptor, int column,
			Slice *slice)
{
	const Recipe *recipe = endpoint->recipe;
	bool		is_null;
	Datum		array = SPI_getbinval(tuple, descriptor, column, &is_null);
	int			count;
	char	  **fields;

	if (is_null && endpoint->needs_fields)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the server's request names columns, which"
					   " job " INT64_FORMAT " has not staged", recipe->job->id),
				errdetail("It did not name any when the job was bucketized."),
				errhint("Change the server back, or cancel the job and start it again."));
	if (is_null)
		return;
	fields = texts_to_utf8(array, &count);
	if (count != recipe->field_count)
		complain_changed(recipe);
	for (int i = 0; i < count; i++)
		if (fields[i] != NULL)
		{
			slice->bytes += strlen(fields[i]);
			row->is_unsendable |= utf8_valid_prefix(fields[i], strlen(fields[i])) <
				strlen(fields[i]);
		}
	row->request.fields = (const char *const *) fields;
}

/* Room for so many rows more, of so many keys; the slice's context is current. */
static Row *
make_part(int rows, int keys)
{
	Row		   *part = palloc(sizeof(Row) * rows);
	Datum	   *values = palloc(sizeof(Datum) * keys * rows);

	for (int i = 0; i < rows; i++)
		part[i].keys = values + keys * i;
	return part;
}

/* One more row, zero-filled but for the room for its keys. */
static Row *
add_row(Slice *slice, int keys)
{
	Row		  **part = &slice->parts[slice->row_count / slice->part_rows];
	Row		   *row;
	Datum	   *room;

	if (*part == NULL)
		*part = make_part(slice->part_rows, keys);
	row = slice_row(slice, slice->row_count++);
	room = row->keys;
	memset(row, 0, sizeof(*row));
	row->keys = room;
	return row;
}

/* Copy a result row into the slice, whose context is current. */
static void
read_row(const Endpoint *endpoint, Slice *slice, Bucket *bucket, HeapTuple tuple,
		 TupleDesc descriptor)
{
	const Recipe *recipe = endpoint->recipe;
	Row		   *row = add_row(slice, recipe->key_count);
	int			keys = recipe->key_count;
	size_t		fingerprint_length;
	bool		is_null;

	row->bucket = bucket;
	row->slice = slice;
	row->row_number = DatumGetInt64(SPI_getbinval(tuple, descriptor, 1, &is_null));
	row->from_failed = DatumGetBool(SPI_getbinval(tuple, descriptor, 2, &is_null));
	for (int i = 0; i < keys; i++)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(descriptor, 2 + i);
		Datum		key = SPI_getbinval(tuple, descriptor, 3 + i, &is_null);

		if (is_null)
			complain_changed(recipe);
		if (attribute->attlen == -1)
			key = PointerGetDatum(PG_DETOAST_DATUM_COPY(key));
		else
			key = datumCopy(key, attribute->attbyval, attribute->attlen);
		row->keys[i] = key;
	}
	row->request.input = text_column_to_utf8(tuple, descriptor, 3 + keys,
											 &row->request.input_length);
	row->is_empty = row->request.input_length == 0;
	row->is_unsendable = utf8_valid_prefix(row->request.input, row->request.input_length)
		< row->request.input_length;
	slice->bytes += sizeof(Row) + row->request.input_length;
	read_fields(endpoint, row, tuple, descriptor, 4 + keys, slice);
	row->fingerprint = text_column_to_utf8(tuple, descriptor, 5 + keys, &fingerprint_length);
}

/* The bucket of the list that a row number belongs to; list and rows are in order. */
static Bucket *
bucket_of(const Recipe *recipe, List *buckets, int *position, int64 row_number)
{
	for (; *position < list_length(buckets); (*position)++)
	{
		Bucket	   *bucket = list_nth(buckets, *position);

		if (row_number < bucket->next_row)
			break;				/* that row is there twice */
		if (row_number < bucket->row.first_row + bucket->row.row_count)
			return bucket;
	}
	complain_changed(recipe);
}

/* Read what was fetched; less of it if so many bytes are at hand before.  True: all. */
static bool
read_rows(const Endpoint *endpoint, List *buckets, Size max_bytes, Slice *slice, int *position)
{
	const Recipe *recipe = endpoint->recipe;
	MemoryContext scratch = CurrentMemoryContext;

	check_columns(recipe, SPI_tuptable->tupdesc);
	for (uint64 i = 0; i < SPI_processed && slice->bytes < max_bytes; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		is_null;
		int64		number = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1,
														 &is_null));
		Bucket	   *bucket = bucket_of(recipe, buckets, position, number);

		bucket->next_row = number + 1;
		if (row_is_finished(bucket, number))
			continue;
		MemoryContextSwitchTo(slice->context);
		read_row(endpoint, slice, bucket, tuple, SPI_tuptable->tupdesc);
		MemoryContextSwitchTo(scratch);
	}
	return slice->bytes < max_bytes;
}

/* Run one of the two queries.  True: it was read to its end. */
static bool
run_query(const Endpoint *endpoint, List *buckets, bool by_blocks, int max_rows, Size max_bytes,
		  Slice *slice)
{
	const Bucket *first = linitial(buckets);
	const Bucket *last = llast(buckets);
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2];
	Portal		portal;
	int			position = 0;
	int			nest_level;
	bool		at_end;

	values[0] = Int64GetDatum(first->next_row);
	values[1] = Int64GetDatum(last->row.first_row + last->row.row_count - 1);
	nest_level = settings_without_query_ids();
	portal = SPI_cursor_open_with_args(NULL, load_query(endpoint->recipe, buckets, by_blocks),
									   2, types, values, NULL, false, CURSOR_OPT_NO_SCROLL);
	AtEOXact_GUC(true, nest_level);
	do
	{
		long		wanted = Min(FETCH_ROWS, max_rows - slice->row_count);

		SPI_cursor_fetch(portal, true, wanted);
		at_end = SPI_processed < (uint64) wanted;
		at_end &= read_rows(endpoint, buckets, max_bytes, slice, &position);
		SPI_freetuptable(SPI_tuptable);
	} while (!at_end && slice->row_count < max_rows && slice->bytes < max_bytes);
	SPI_cursor_close(portal);
	return at_end;
}

static int64
rows_to_load(List *buckets)
{
	int64		rows = 0;
	ListCell   *cell;

	foreach(cell, buckets)
	{
		const Bucket *bucket = lfirst(cell);
		int64		end = bucket->row.first_row + bucket->row.row_count;

		for (int64 number = bucket->next_row; number < end; number++)
			rows += !row_is_finished(bucket, number);
	}
	return rows;
}

/*
 * Rows that are finished need no loading: without this a bucket whose last rows
 * are would count as not loaded yet, and outlive its own end in the worker's list.
 */
static void
skip_finished_rows(List *buckets)
{
	ListCell   *cell;

	foreach(cell, buckets)
	{
		Bucket	   *bucket = lfirst(cell);

		while (!bucket_is_loaded(bucket) && row_is_finished(bucket, bucket->next_row))
			bucket->next_row++;
	}
}

/* For so many rows, at most. */
static Slice *
make_slice(MemoryContext parent, int max_rows)
{
	Size		first_block = max_rows < SLICE_PART ? ALLOCSET_SMALL_INITSIZE : SLICE_BLOCK;
	MemoryContext context = AllocSetContextCreate(parent, "pg_enrich slice", 0, first_block,
												  SLICE_BLOCK);
	Slice	   *slice = MemoryContextAllocZero(context, sizeof(Slice));

	slice->context = context;
	slice->part_rows = Min(max_rows, SLICE_PART);
	slice->parts = MemoryContextAllocZero(context, sizeof(Row *) *
										  (max_rows / slice->part_rows + 1));
	return slice;
}

/* What an attempt has read of the buckets does not count. */
static void
rewind_buckets(List *buckets, int64 next_row)
{
	ListCell   *cell;

	/* Only the first may have been read in part before. */
	foreach(cell, buckets)
	{
		Bucket	   *bucket = lfirst(cell);

		bucket->next_row = bucket->row.first_row;
	}
	((Bucket *) linitial(buckets))->next_row = next_row;
}

/* Where they should lie, and where nothing of the kind is found, anywhere. */
static void
load_rows(const Endpoint *endpoint, List *buckets, int max_rows, Size max_bytes, Slice *slice)
{
	int64		next_row = ((Bucket *) linitial(buckets))->next_row;
	int64		expected = rows_to_load(buckets);

	SPI_connect();
	if (run_query(endpoint, buckets, true, max_rows, max_bytes, slice) &&
		slice->row_count < expected)
	{
		slice->row_count = 0;
		slice->bytes = 0;
		rewind_buckets(buckets, next_row);
		if (run_query(endpoint, buckets, false, max_rows, max_bytes, slice) &&
			slice->row_count < expected)
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("staging rows of job " INT64_FORMAT " are missing: %d of " INT64_FORMAT
						   " found from row " INT64_FORMAT " on",
						   endpoint->recipe->job->id, slice->row_count, expected, next_row),
					errhint("Somebody changed the staging table. Cancel the job and start it"
							" again."));
	}
	SPI_finish();
}

Slice *
bucket_load(const Endpoint *endpoint, List *buckets, int max_rows, Size max_bytes,
			MemoryContext parent)
{
	int64		next_row = ((Bucket *) linitial(buckets))->next_row;
	Slice	   *slice = make_slice(parent, max_rows);

	Assert(IsTransactionState() && buckets != NIL && max_rows > 0);
	PG_TRY();
	{
		load_rows(endpoint, buckets, max_rows, max_bytes, slice);
	}
	PG_CATCH();
	{
		MemoryContextDelete(slice->context);
		rewind_buckets(buckets, next_row);
		PG_RE_THROW();
	}
	PG_END_TRY();
	skip_finished_rows(buckets);
	Assert(slice->row_count <= max_rows);
	slice->rows_open = slice->row_count;
	return slice;
}

void
bucket_unload(List *buckets, int64 next_row, Slice *slice)
{
	MemoryContextDelete(slice->context);
	rewind_buckets(buckets, next_row);
}

void
slice_release_row(Row *row)
{
	Slice	   *slice = row->slice;

	Assert(slice->rows_open > 0);
	if (--slice->rows_open == 0)
		MemoryContextDelete(slice->context);
}
