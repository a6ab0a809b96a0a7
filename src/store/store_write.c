/*-------------------------------------------------------------------------
 *
 * store_write.c
 *	  Rows' results into the target; a row whose values do not fit fails alone.
 *
 * Converting answers to the columns' types may raise errors, as may the
 * target's constraints and triggers: that happens in subtransactions, halved
 * until the row that does not fit stands alone.
 *
 *-------------------------------------------------------------------------
 */
#include "store/store_write.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "common/error_source.h"
#include "common/relation.h"
#include "common/subtransaction.h"
#include "convert/convert.h"
#include "server/mask.h"
#include "store/store_plan.h"
#include "store/store_sql.h"

/*
 * What results may take in memory before they are written to a file first, in
 * kB: about what the answers of a store are, which are seldom less.
 */
#define TUPLES_KB (32 * 1024)

struct StoreWriter
{
	const Recipe *recipe;
	Converter **converters;
	TupleDesc	descriptor;		/* of RESULTS_RELATION */
	StorePlans *plans;
	bool		converting;		/* what fails now is a value, not a write: */
	JsonSlice	value;			/* this one, */
	const OutputColumn *output; /* for this column */
};

/* Where the outputs begin among the columns of a result, from 0. */
static int
first_output(const Recipe *recipe)
{
	return 1 + recipe->key_count + (recipe->many ? 2 : 0);
}

static TupleDesc
results_descriptor(const Recipe *recipe)
{
	int			keys = recipe->key_count;
	int			outputs = first_output(recipe);
	TupleDesc	descriptor = CreateTemplateTupleDesc(outputs + recipe->output_count);

	TupleDescInitEntry(descriptor, 1, "row_number", INT8OID, -1, 0);
	for (int i = 0; i < keys; i++)
	{
		TupleDescInitEntry(descriptor, 2 + i, psprintf("key_%d", i + 1), recipe->keys[i].type,
						   recipe->keys[i].typmod, 0);
		TupleDescInitEntryCollation(descriptor, 2 + i, recipe->keys[i].collation);
	}
	if (recipe->many)
	{
		TupleDescInitEntry(descriptor, 2 + keys, ITEM_COLUMN, INT4OID, -1, 0);
		TupleDescInitEntry(descriptor, 3 + keys, "ends", BOOLOID, -1, 0);
	}
	for (int i = 0; i < recipe->output_count; i++)
		TupleDescInitEntry(descriptor, 1 + outputs + i, psprintf("output_%d", i + 1),
						   recipe->outputs[i].type, recipe->outputs[i].typmod, 0);
	return descriptor;
}

StoreWriter *
store_writer_make(const Recipe *recipe)
{
	StoreWriter *writer = palloc0(sizeof(StoreWriter));

	writer->recipe = recipe;
	writer->converters = palloc(sizeof(Converter *) * recipe->output_count);
	for (int i = 0; i < recipe->output_count; i++)
		writer->converters[i] = converter_create(recipe->outputs[i].name, recipe->outputs[i].type,
												 recipe->outputs[i].typmod);
	writer->descriptor = results_descriptor(recipe);
	writer->plans = store_plans_make(recipe);
	return writer;
}

static void
register_results(StoreWriter *writer, Tuplestorestate *tuples, int count)
{
	EphemeralNamedRelation results = palloc0(sizeof(EphemeralNamedRelationData));

	results->md.name = RESULTS_RELATION;
	results->md.reliddesc = InvalidOid;
	results->md.tupdesc = writer->descriptor;
	results->md.enrtype = ENR_NAMED_TUPLESTORE;
	results->md.enrtuples = count;
	results->reldata = tuples;
	if (SPI_register_relation(results) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the results");
}

static JsonSlice
slice_of(const char *text)
{
	JsonSlice	slice = {text, text ? strlen(text) : 0};

	return slice;
}

/*
 * What an output column gets, as JSON in UTF-8.  number: of the answer's item;
 * -1: there is none.
 */
static JsonSlice
output_value(const Recipe *recipe, const StoreItem *item, int number, const OutputColumn *output)
{
	const Response *response = &item->outcome->response;
	const Row  *row = item->outcome->rows[item->position];

	switch (output->kind)
	{
		case OUTPUT_PATH:
			if (number >= 0)
				return response->values[number * response->output_count + output->index];
			break;
		case OUTPUT_FIELD:
			return slice_of(row->request.fields[output->index]);
		case OUTPUT_JOB:
			return slice_of(psprintf(INT64_FORMAT, recipe->job->id));
		case OUTPUT_NOW:
			return slice_of(psprintf("\"%s\"",
									 timestamptz_to_str(GetCurrentTransactionStartTimestamp())));
		case OUTPUT_FINGERPRINT:
			return slice_of(row->fingerprint ? psprintf("\"%s\"", row->fingerprint) : NULL);
	}
	return slice_of(NULL);
}

/* The part of a result that is the same for all of a row's. */
static void
fill_key(const StoreWriter *writer, const Row *row, Datum *values)
{
	values[0] = Int64GetDatum(row->row_number);
	for (int i = 0; i < writer->recipe->key_count; i++)
		values[1 + i] = row->keys[i];
}

/* Convert an item of the answer (-1: there is none) into the outputs. */
static void
fill_outputs(StoreWriter *writer, const StoreItem *item, int number, Datum *values, bool *nulls)
{
	const Recipe *recipe = writer->recipe;

	for (int i = 0; i < recipe->output_count; i++)
	{
		int			column = first_output(recipe) + i;
		JsonSlice	value = output_value(recipe, item, number, &recipe->outputs[i]);

		writer->output = &recipe->outputs[i];
		writer->value = value;
		values[column] = converter_apply(writer->converters[i], value, &nulls[column]);
	}
}

/* A row's items in the answer. */
static int
count_of(const StoreItem *item)
{
	return item->outcome->kind != OUTCOME_ANSWERED ? 0
		: response_row_item_count(&item->outcome->response, item->position);
}

/* Convert one row's result and add it to the tuples. */
static void
put_row(StoreWriter *writer, Tuplestorestate *tuples, const StoreItem *item)
{
	int			columns = writer->descriptor->natts;
	Datum	   *values = palloc(sizeof(Datum) * columns);
	bool	   *nulls = palloc0(sizeof(bool) * columns);
	int			number = count_of(item) == 0 ? -1
		: response_row_item(&item->outcome->response, item->position, 0);

	fill_key(writer, item->outcome->rows[item->position], values);
	fill_outputs(writer, item, number, values, nulls);
	tuplestore_putvalues(tuples, writer->descriptor, values, nulls);
}

/* With many: a tuple for each item, and the one that ends them. */
static void
put_items(StoreWriter *writer, Tuplestorestate *tuples, const StoreItem *item)
{
	int			columns = writer->descriptor->natts;
	int			keys = writer->recipe->key_count;
	Datum	   *values = palloc0(sizeof(Datum) * columns);
	bool	   *nulls = palloc0(sizeof(bool) * columns);
	int			count = count_of(item);

	fill_key(writer, item->outcome->rows[item->position], values);
	values[2 + keys] = BoolGetDatum(false);
	for (int i = 0; i < count; i++)
	{
		values[1 + keys] = Int32GetDatum(i);
		fill_outputs(writer, item, response_row_item(&item->outcome->response, item->position, i),
					 values, nulls);
		tuplestore_putvalues(tuples, writer->descriptor, values, nulls);
	}
	memset(nulls + first_output(writer->recipe), true, writer->recipe->output_count);
	values[1 + keys] = Int32GetDatum(count);
	values[2 + keys] = BoolGetDatum(true);
	tuplestore_putvalues(tuples, writer->descriptor, values, nulls);
}

/* How many rows the statement that was just executed has written. */
static int64
rows_written(const Recipe *recipe)
{
	bool		is_null;

	if (!recipe->many)
		return (int64) SPI_processed;
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

/* Convert and write items; returns how many rows were written. */
static int64
write_items(StoreWriter *writer, const StoreItem *items, int count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_enrich convert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(context, "pg_enrich convert row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Tuplestorestate *tuples = tuplestore_begin_heap(false, false, Max(work_mem, TUPLES_KB));
	ResultKeys	keys = {count, 0, {palloc(sizeof(KeyRun) * count), 0}};
	int64		written;

	writer->converting = true;
	for (int i = 0; i < count; i++)
	{
		MemoryContextSwitchTo(scratch);
		if (writer->recipe->many)
			put_items(writer, tuples, &items[i]);
		else
			put_row(writer, tuples, &items[i]);
		store_plans_note_key(writer->plans, items[i].outcome->rows[items[i].position]->keys[0],
							 &keys);
		MemoryContextReset(scratch);
	}
	writer->converting = false;
	MemoryContextSwitchTo(context);
	keys.bytes = MemoryContextMemAllocated(context, true);
	SPI_connect();
	register_results(writer, tuples, count);
	store_plans_execute(writer->plans, &keys);
	written = rows_written(writer->recipe);
	SPI_finish();
	tuplestore_end(tuples);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return written;
}

/* What is written in one subtransaction. */
typedef struct WriteAttempt
{
	StoreWriter *writer;
	const StoreItem *items;
	int			count;
	int64		written;
} WriteAttempt;

/*
 * Is it a row's own fault?  In conversion whatever a type says of the value,
 * which need not be a data exception (an unknown name for regclass, a limit of
 * tsvector); in the write a constraint it violates, an exception that a
 * trigger raised, a policy of row-level security, or another row of the same statement
 * with what is the same key for the target: in a statement of its own it fits.
 */
static bool
is_row_error(const ErrorData *error, const void *attempt)
{
	if (error_is_by_policy(error))
		return true;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
			return true;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			return ((const WriteAttempt *) attempt)->writer->converting;
		default:
			return false;
	}
}

/* An API may have echoed a secret into a value that PostgreSQL quotes. */
static char *
describe_error(const StoreWriter *writer, const ErrorData *error, const Credentials *credentials)
{
	char	   *reason = error->detail
		? psprintf("%s (%s)", error->message, error->detail)
		: pstrdup(error->message);

	if (writer->converting)
		return recipe_describe_misfit(writer->output, writer->value, reason, credentials);
	return mask_message(reason, credentials);
}

static void
write_attempt(void *arg)
{
	WriteAttempt *attempt = arg;

	attempt->written = write_items(attempt->writer, attempt->items, attempt->count);
}

/*
 * Write items in a subtransaction.  Returns NULL, and how many rows were
 * written, or the error that one of them raised (described as the first's, for
 * it counts only where that is alone).  Other errors are raised.
 */
static char *
try_items(StoreWriter *writer, const StoreItem *items, int count, int64 *written)
{
	WriteAttempt attempt = {writer, items, count, 0};
	ErrorData  *error = subtransaction_run(write_attempt, &attempt, is_row_error);
	char	   *failure;

	*written = attempt.written;
	if (error == NULL)
		return NULL;
	failure = describe_error(writer, error, items[0].outcome->credentials);
	FreeErrorData(error);
	return failure;
}

/*
 * Write items, halving them until each that fails stands alone; returns how
 * many rows were written.
 */
static int64
write_or_fail(StoreWriter *writer, StoreItem *items, int count)
{
	int64		written = 0;
	char	   *failure;

	if (count == 0)
		return 0;
	failure = try_items(writer, items, count, &written);
	if (failure == NULL)
		return written;
	if (count == 1)
	{
		items[0].error = failure;
		return 0;
	}
	return write_or_fail(writer, items, count / 2) +
		write_or_fail(writer, items + count / 2, count - count / 2);
}

/* Runs of items that have no error yet. */
int64
store_writer_write(StoreWriter *writer, StoreItem *items, int count)
{
	int64		written = 0;

	for (int start = 0; start < count;)
	{
		int			end = start;

		while (end < count && items[end].error == NULL)
			end++;
		written += write_or_fail(writer, items + start, end - start);
		start = end + 1;
	}
	return written;
}

void
store_writer_replace(StoreWriter *writer)
{
	const Recipe *recipe = writer->recipe;
	bool		in_place = recipe->target_has_key && relation_is_referenced(recipe->target);

	SPI_connect();

	/*
	 * Tables that refer to the target would otherwise miss its rows between
	 * DELETE and INSERT.
	 */
	if (SPI_execute("SET CONSTRAINTS ALL DEFERRED", false, 0) < 0 ||
		SPI_execute(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", recipe->target_name),
					false, 0) < 0 ||
		SPI_execute(store_sql_delete_replaced(recipe, in_place), false, 0) < 0 ||
		SPI_execute(store_sql_insert_collected(recipe, in_place), false, 0) < 0 ||
		SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) < 0)
		elog(ERROR, "could not replace the rows of %s", recipe->target_name);
	SPI_finish();
}
