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
 * Converting answers to the columns' types may raise errors, as may the
 * target's constraints and triggers: that happens in subtransactions, halved
 * until the row that does not fit stands alone.
 *
 *-------------------------------------------------------------------------
 */
#include "store.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "convert.h"
#include "failed_rows.h"
#include "store_sql.h"

struct Store
{
	const Recipe *recipe;
	int			worker_number;
	Converter **converters;
	TupleDesc	descriptor;		/* of RESULTS_RELATION */
	SPIPlanPtr	write;			/* NULL until first used */
	MemoryContext context;		/* ours */
	MemoryContext work;			/* reset after each store */

	bool		converting;		/* what fails now is a value, not a write */

	/* The store under way */
	BucketChange *changes;
	Bucket	  **changed;		/* the bucket of each change */
	int			change_count;
};

/* A row of an outcome under way. */
typedef struct StoreItem
{
	const Outcome *outcome;
	int			position;		/* in the outcome */
	char	   *error;			/* why it cannot be stored, or NULL */
} StoreItem;

void
outcome_free(Outcome *outcome)
{
	response_free(&outcome->response);
	buffer_free(&outcome->answer);
	free(outcome->rows);
	free(outcome);
}

static TupleDesc
results_descriptor(const Recipe *recipe)
{
	int			keys = recipe->key_count;
	TupleDesc	descriptor = CreateTemplateTupleDesc(1 + keys + recipe->output_count);

	TupleDescInitEntry(descriptor, 1, "row_number", INT8OID, -1, 0);
	for (int i = 0; i < keys; i++)
	{
		TupleDescInitEntry(descriptor, 2 + i, psprintf("key_%d", i + 1), recipe->keys[i].type,
						   recipe->keys[i].typmod, 0);
		TupleDescInitEntryCollation(descriptor, 2 + i, recipe->keys[i].collation);
	}
	for (int i = 0; i < recipe->output_count; i++)
		TupleDescInitEntry(descriptor, 2 + keys + i, psprintf("output_%d", i + 1),
						   recipe->outputs[i].type, recipe->outputs[i].typmod, 0);
	return descriptor;
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
	store->context = context;
	store->work = AllocSetContextCreate(context, "pg_enrich store work", ALLOCSET_DEFAULT_SIZES);
	store->converters = palloc(sizeof(Converter *) * recipe->output_count);
	for (int i = 0; i < recipe->output_count; i++)
		store->converters[i] = converter_create(recipe->outputs[i].name, recipe->outputs[i].type,
												recipe->outputs[i].typmod);
	store->descriptor = results_descriptor(recipe);
	MemoryContextSwitchTo(old);
	return store;
}

/*
 * Plan the write once.  Joining through the target's index on the key is always
 * right here, while a large batch, or statistics that say nothing yet, could
 * tempt the planner into scanning the whole target.
 */
static void
prepare_write(Store *store)
{
	static const char *const off[] = {"enable_hashjoin", "enable_mergejoin", "enable_seqscan"};
	int			nest_level = NewGUCNestLevel();
	CachedPlan *plan;

	for (int i = 0; i < (int) lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
								 0, false);
	if (store->write == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(store_sql_write(store->recipe), 0, NULL);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare the store: %s", SPI_result_code_string(SPI_result));
		store->write = prepared;
	}
	plan = SPI_plan_get_cached_plan(store->write);
	if (plan != NULL)
		ReleaseCachedPlan(plan, CurrentResourceOwner);
	AtEOXact_GUC(true, nest_level);
}

static void
register_results(Store *store, Tuplestorestate *tuples, int count)
{
	EphemeralNamedRelation results = palloc0(sizeof(EphemeralNamedRelationData));

	results->md.name = RESULTS_RELATION;
	results->md.reliddesc = InvalidOid;
	results->md.tupdesc = store->descriptor;
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

/* What an output column gets, as JSON in UTF-8. */
static JsonSlice
output_value(const Recipe *recipe, const StoreItem *item, const OutputColumn *output)
{
	const Response *response = &item->outcome->response;
	const Row  *row = item->outcome->rows[item->position];

	switch (output->kind)
	{
		case OUTPUT_PATH:
			if (item->outcome->kind == OUTCOME_ANSWERED)
				return response->values[item->position * response->output_count + output->index];
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

/* Convert one item and add it to the tuples. */
static void
put_item(Store *store, Tuplestorestate *tuples, const StoreItem *item)
{
	const Recipe *recipe = store->recipe;
	const Row  *row = item->outcome->rows[item->position];
	int			columns = store->descriptor->natts;
	Datum	   *values = palloc(sizeof(Datum) * columns);
	bool	   *nulls = palloc0(sizeof(bool) * columns);

	values[0] = Int64GetDatum(row->row_number);
	for (int i = 0; i < recipe->key_count; i++)
		values[1 + i] = row->keys[i];
	for (int i = 0; i < recipe->output_count; i++)
	{
		int			column = 1 + recipe->key_count + i;
		JsonSlice	value = output_value(recipe, item, &recipe->outputs[i]);

		values[column] = converter_apply(store->converters[i], value, &nulls[column]);
	}
	tuplestore_putvalues(tuples, store->descriptor, values, nulls);
}

/* Convert and write items; returns how many rows were written. */
static int64
write_items(Store *store, const StoreItem *items, int count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_enrich convert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(context, "pg_enrich convert row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Tuplestorestate *tuples = tuplestore_begin_heap(false, false, work_mem);
	int64		written;
	int			result;

	store->converting = true;
	for (int i = 0; i < count; i++)
	{
		MemoryContextSwitchTo(scratch);
		put_item(store, tuples, &items[i]);
		MemoryContextReset(scratch);
	}
	store->converting = false;
	MemoryContextSwitchTo(context);
	SPI_connect();
	register_results(store, tuples, count);
	prepare_write(store);
	result = SPI_execute_plan(store->write, NULL, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not store results: %s", SPI_result_code_string(result));
	written = (int64) SPI_processed;
	SPI_finish();
	tuplestore_end(tuples);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return written;
}

/*
 * Is it the row's own fault?  In conversion whatever a type says of the value,
 * which need not be a data exception (an unknown name for regclass, a limit of
 * tsvector); in the write a constraint it violates or an exception that a
 * trigger raised.  A row-level security policy that refuses a row has the same
 * SQLSTATE as a missing privilege, but comes from another place.
 */
static bool
is_row_error(const Store *store, const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE && error->funcname != NULL &&
		strcmp(error->funcname, "ExecWithCheckOptions") == 0)
		return true;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
			return true;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			return store->converting;
		default:
			return false;
	}
}

static char *
describe_error(const ErrorData *error)
{
	return error->detail
		? psprintf("%s (%s)", error->message, error->detail)
		: pstrdup(error->message);
}

/*
 * Write items in a subtransaction.  Returns NULL, and how many rows were
 * written, or the error that one of them raised.  Other errors are raised.
 */
static char *
try_items(Store *store, const StoreItem *items, int count, int64 *written)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile failure = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*written = write_items(store, items, count);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!is_row_error(store, error))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		failure = describe_error(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return failure;
}

/*
 * Write items, halving them until each that fails stands alone; returns how
 * many rows were written.
 */
static int64
write_or_fail(Store *store, StoreItem *items, int count)
{
	int64		written = 0;
	char	   *failure;

	if (count == 0)
		return 0;
	failure = try_items(store, items, count, &written);
	if (failure == NULL)
		return written;
	if (count == 1)
	{
		items[0].error = failure;
		return 0;
	}
	return write_or_fail(store, items, count / 2) +
		write_or_fail(store, items + count / 2, count - count / 2);
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

	for (int i = 0; i < outcome->row_count; i++)
	{
		int			bit = (int) (outcome->rows[i]->row_number - outcome->bucket->row.first_row);

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
	StoreItem	   *items;
	int			total = 0;

	for (const Outcome *outcome = outcomes; outcome != NULL; outcome = outcome->next)
		total += outcome->row_count;
	items = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(StoreItem) * (Size) Max(total, 1));
	*count = 0;
	for (const Outcome *outcome = outcomes; outcome != NULL; outcome = outcome->next)
		for (int i = 0; i < outcome->row_count && !outcome->bucket->lost; i++)
		{
			StoreItem	   *item = &items[(*count)++];

			item->outcome = outcome;
			item->position = i;
			item->error = NULL;
			if (outcome->kind == OUTCOME_FAILED)
				item->error = message_from_utf8(outcome->error);
			else if (outcome->kind == OUTCOME_ANSWERED && outcome->response.row_errors != NULL &&
					 outcome->response.row_errors[i] != NULL)
				item->error = message_from_utf8(outcome->response.row_errors[i]);
		}
	return items;
}

/* Write runs of items that have no error yet. */
static int64
write_all(Store *store, StoreItem *items, int count)
{
	int64		written = 0;

	for (int start = 0; start < count;)
	{
		int			end = start;

		while (end < count && items[end].error == NULL)
			end++;
		written += write_or_fail(store, items + start, end - start);
		start = end + 1;
	}
	return written;
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
	StoreItem	   *items;
	int			count;
	int64		written;

	MemoryContextReset(store->work);
	check_constraints_at_once();
	change_buckets(store, outcomes, add);
	items = collect_items(outcomes, &count);
	written = write_all(store, items, count);
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
	}
	store->change_count = 0;
}

/* Do foreign keys refer to a table?  Deleting its rows would cascade. */
static bool
is_referenced(Oid relation)
{
	Relation	rel = table_open(relation, AccessShareLock);
	bool		referenced = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		referenced |= RI_FKey_trigger_type(rel->trigdesc->triggers[i].tgfoid) == RI_TRIGGER_PK;
	table_close(rel, NoLock);
	return referenced;
}

void
store_replace(Store *store)
{
	const Recipe *recipe = store->recipe;
	bool		in_place = recipe->target_has_key && is_referenced(recipe->target);
	MemoryContext old;

	/* Several workers may find the job done at the same time: the first one's row lock decides. */
	if (!catalog_set_replaced(recipe->job->id))
		return;
	old = MemoryContextSwitchTo(store->work);
	SPI_connect();
	/* Tables that refer to the target would otherwise miss its rows between DELETE and INSERT. */
	if (SPI_execute("SET CONSTRAINTS ALL DEFERRED", false, 0) < 0 ||
		SPI_execute(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", recipe->target_name),
					false, 0) < 0 ||
		SPI_execute(store_sql_delete_replaced(recipe, in_place), false, 0) < 0 ||
		SPI_execute(store_sql_insert_collected(recipe, in_place), false, 0) < 0)
		elog(ERROR, "could not replace the rows of %s", recipe->target_name);
	SPI_finish();
	MemoryContextSwitchTo(old);
}
