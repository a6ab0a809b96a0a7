/*-------------------------------------------------------------------------
 *
 * failed_rows.c
 *	  Rows that failed: their staging rows are kept, their reasons shown.
 *
 * A failed row's staging row moves to the partition of failed rows, where a
 * retry finds it after its own partition is dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "store/failed_rows.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "catalog/catalog_change.h"
#include "catalog/catalog_failure.h"
#include "staging/staging.h"
#include "store/store_sql.h"

/* Longest reason kept, in bytes: a type's input function may quote all of a huge value. */
#define MAX_ERROR_BYTES 1000

typedef struct FailedRow
{
	const Row  *row;
	FailureRow	failure;
	bool		found;			/* its staging row was read */
} FailedRow;

struct FailedRows
{
	const Recipe *recipe;
	List	   *failed;			/* of FailedRow *, in the order they came */
	List	   *done;			/* of Row * */
};

FailedRows *
failed_rows_make(const Recipe *recipe)
{
	FailedRows *failed = palloc0(sizeof(FailedRows));

	failed->recipe = recipe;
	return failed;
}

static char *
clip(const char *error)
{
	int			length = (int) strlen(error);

	if (length <= MAX_ERROR_BYTES)
		return pstrdup(error);
	length = pg_mbcliplen(error, length, MAX_ERROR_BYTES);
	return psprintf("%.*s...", length, error);
}

void
failed_rows_add(FailedRows *failed, const Row *row, const char *error, int http_status,
				int attempts)
{
	FailedRow  *item = palloc0(sizeof(FailedRow));

	item->row = row;
	item->failure.row_number = row->row_number;
	item->failure.bucket = row->bucket->row.bucket;
	item->failure.error = clip(error);
	item->failure.http_status = http_status;
	item->failure.attempts = attempts;
	failed->failed = lappend(failed->failed, item);
}

void
failed_rows_add_done(FailedRows *failed, const Row *row)
{
	failed->done = lappend(failed->done, (void *) row);
}

static int
compare_failed(const ListCell *a, const ListCell *b)
{
	int64		left = ((FailedRow *) lfirst(a))->row->row_number;
	int64		right = ((FailedRow *) lfirst(b))->row->row_number;

	return left < right ? -1 : left > right;
}

static Datum
number_array(List *numbers)
{
	Datum	   *values = palloc(sizeof(Datum) * list_length(numbers));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, numbers)
	{
		values[count++] = Int64GetDatum(((const Row *) lfirst(cell))->row_number);
	}
	return PointerGetDatum(construct_array(values, count, INT8OID, 8, FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static void
run_with_numbers(const char *sql, List *rows)
{
	Oid			types[1] = {INT8ARRAYOID};
	Datum		values[1];
	int			result;

	values[0] = number_array(rows);
	result = SPI_execute_with_args(sql, 1, types, values, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not keep failed rows: %s", SPI_result_code_string(result));
}

/* Note key and input of the rows a statement returned; failed is in order of row numbers. */
static void
read_details(List *failed, MemoryContext context)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		is_null;
		int64		number = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1,
														 &is_null));
		Datum		key = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &is_null);
		char	   *input = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 3);
		int			low = 0;
		int			high = list_length(failed) - 1;

		while (low < high)
		{
			int			middle = (low + high) / 2;

			if (((FailedRow *) list_nth(failed, middle))->row->row_number < number)
				low = middle + 1;
			else
				high = middle;
		}
		{
			FailedRow  *item = list_nth(failed, low);
			MemoryContext old = MemoryContextSwitchTo(context);

			Assert(item->row->row_number == number);
			item->failure.key = datumCopy(key, false, -1);
			item->failure.input = input == NULL ? NULL : pstrdup(input);
			item->found = true;
			MemoryContextSwitchTo(old);
		}
	}
}

/* Rows that lie in one partition, in order, beginning at a position of the list. */
static List *
rows_of_partition(List *failed, int position)
{
	const Row  *first = ((FailedRow *) list_nth(failed, position))->row;
	List	   *rows = NIL;

	for (int i = position; i < list_length(failed); i++)
	{
		const Row  *row = ((FailedRow *) list_nth(failed, i))->row;

		if (row->from_failed != first->from_failed ||
			row->bucket->row.partition != first->bucket->row.partition)
			break;
		rows = lappend(rows, (void *) row);
	}
	return rows;
}

static void
move_staging_rows(FailedRows *failed, MemoryContext context)
{
	for (int i = 0; i < list_length(failed->failed);)
	{
		const Row  *row = ((FailedRow *) list_nth(failed->failed, i))->row;
		List	   *rows = rows_of_partition(failed->failed, i);

		run_with_numbers(row->from_failed ? store_sql_read_failed(failed->recipe)
						 : store_sql_move_failed(failed->recipe, row->bucket->row.partition), rows);
		read_details(failed->failed, context);
		i += list_length(rows);
	}
}

void
failed_rows_write(FailedRows *failed)
{
	MemoryContext context = CurrentMemoryContext;
	FailureRow *failures;
	int			count = 0;
	ListCell   *cell;

	if (failed->failed == NIL && failed->done == NIL)
		return;
	list_sort(failed->failed, compare_failed);
	SPI_connect();
	if (failed->done != NIL)
		run_with_numbers(store_sql_delete_failed(failed->recipe), failed->done);
	move_staging_rows(failed, context);
	SPI_finish();

	failures = palloc(sizeof(FailureRow) * list_length(failed->failed));
	foreach(cell, failed->failed)
	{
		FailedRow  *item = lfirst(cell);

		if (!item->found)
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("the staging row " INT64_FORMAT " of job " INT64_FORMAT " is missing",
						   item->failure.row_number, failed->recipe->job->id),
					errhint("Somebody changed the staging table. Cancel the job and start it "
							"again."));
		failures[count++] = item->failure;
	}
	if (count == 0)
		return;
	catalog_insert_failures(failed->recipe->job->id, failures, count);
	catalog_mark_buckets_failed(failed->recipe->job->id, failures, count);
}
