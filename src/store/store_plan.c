/*-------------------------------------------------------------------------
 *
 * store_plan.c
 *	  Which statement writes results, and its plan.
 *
 * As buckets are runs of rows, the keys of results most often lie close together
 * where they are numbers from a sequence.  Then the index on the key is read once,
 * from the lowest to the highest; and where a target holds no key of their runs it
 * takes them by a plain INSERT, without looking for each one whether it is there, and taking
 * a lock for it.  A key that comes in between is a unique violation: then the rows are halved
 * (store_write.c), and fewer than RANGE_MIN_ROWS are always looked for one by one.
 *
 * What a store costs depends on its rows, and not on how large the job or the table is.  So no
 * plan may depend on statistics: a table that was just filled has none, and those of last
 * night know nothing of this job.
 *
 *-------------------------------------------------------------------------
 */
#include "store/store_plan.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/rls.h"

#include "common/settings.h"
#include "store/store_sql.h"

/*
 * So many results are worth a look at their keys, and make a run more of them; they
 * are joined as one where the range of their keys is no wider than that a row.
 */
#define RANGE_MIN_ROWS 20
#define RANGE_PER_ROW 2

struct StorePlans
{
	const Recipe *recipe;

	/*
	 * Each NULL until first used; by whether keys lie close together, and
	 * none is there.
	 */
	SPIPlanPtr	write[2][2];
	SPIPlanPtr	find_runs;		/* is any there? */
	bool		has_runs;		/* the key is a number, and each row has its
								 * own */
};

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

StorePlans *
store_plans_make(const Recipe *recipe)
{
	StorePlans *plans = palloc0(sizeof(StorePlans));

	plans->recipe = recipe;
	plans->has_runs = recipe->key_count == 1 && recipe->key_is_unique && !recipe->many &&
		is_integer(recipe->keys[0].type);
	return plans;
}

/* A statement that takes two arguments of a type; none where that is InvalidOid. */
static SPIPlanPtr
prepare(const char *sql, Oid argument_type)
{
	Oid			types[2] = {argument_type, argument_type};
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, OidIsValid(argument_type) ? 2 : 0, types,
										  CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the store: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/* If it has to be planned, that is done now: under the settings that hold until nest_level ends. */
static SPIPlanPtr
plan_now(SPIPlanPtr plan, int nest_level)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);

	if (cached != NULL)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	AtEOXact_GUC(true, nest_level);
	return plan;
}

/*
 * Joining through the target's index on the key is always right here, while a
 * large batch, or statistics that say nothing yet, could tempt the planner into
 * scanning the whole target.  Where keys lie close together, reading the index
 * once, from the lowest to the highest, costs a third of looking up each; it
 * finds no more rows than there are numbers between the two.
 */
static SPIPlanPtr
plan_write(StorePlans *plans, bool in_range, bool is_new)
{
	const Recipe *recipe = plans->recipe;
	SPIPlanPtr *plan = &plans->write[in_range][is_new];

	if (*plan == NULL)
		*plan = prepare(store_sql_write(recipe, in_range, is_new),
						in_range ? recipe->keys[0].type : InvalidOid);
	return plan_now(*plan, in_range ? settings_plan_by_range() : settings_plan_by_index());
}

static SPIPlanPtr
plan_find_runs(StorePlans *plans)
{
	const Recipe *recipe = plans->recipe;

	if (plans->find_runs == NULL)
		plans->find_runs = prepare(store_sql_find_runs(recipe),
								   get_array_type(recipe->keys[0].type));
	return plan_now(plans->find_runs, settings_plan_by_index());
}

/* Of keys in order. */
static int64
lowest(const ResultKeys *keys)
{
	return keys->runs.runs[0].lowest;
}

static int64
highest(const ResultKeys *keys)
{
	return keys->runs.runs[keys->runs.count - 1].highest;
}

/*
 * A policy or a view's condition would be evaluated for each row of the range:
 * it may raise an error, or do something, for those that are not the job's.
 */
static bool
is_bare_table(Oid relation)
{
	return get_rel_relkind(relation) != RELKIND_VIEW &&
		check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

/*
 * Do results lie close together?  The join may take a copy of them, which is not
 * to be written to a file.
 */
static bool
is_dense(const Recipe *recipe, const ResultKeys *keys)
{
	return (uint64) highest(keys) - (uint64) lowest(keys) < (uint64) keys->count * RANGE_PER_ROW &&
		keys->bytes < (Size) work_mem * 1024 &&
		is_bare_table(recipe->job->write_mode == WRITE_UPDATE ? recipe->target
					  : recipe->job->source);
}

/*
 * Would an INSERT without ON CONFLICT be the same on this target, but for keys
 * that are there?  Triggers of statements that update fire for what might, too.
 */
static bool
takes_plain_insert(const Recipe *recipe)
{
	Relation	target;
	bool		takes;

	if (recipe->job->write_mode != WRITE_UPSERT || !is_bare_table(recipe->target))
		return false;
	target = try_relation_open(recipe->target, AccessShareLock);
	if (target == NULL)
		return false;			/* the statement says so */
	takes = target->rd_rel->relkind == RELKIND_RELATION && !target->rd_rel->relhasrules &&
		(target->trigdesc == NULL || (!target->trigdesc->trig_update_before_statement &&
									  !target->trigdesc->trig_update_after_statement));
	relation_close(target, NoLock);
	return takes;
}

static int64
key_as_number(const Recipe *recipe, Datum key)
{
	switch (recipe->keys[0].type)
	{
		case INT2OID:
			return DatumGetInt16(key);
		case INT4OID:
			return DatumGetInt32(key);
		default:
			return DatumGetInt64(key);
	}
}

static Datum
number_as_key(const Recipe *recipe, int64 number)
{
	switch (recipe->keys[0].type)
	{
		case INT2OID:
			return Int16GetDatum((int16) number);
		case INT4OID:
			return Int32GetDatum((int32) number);
		default:
			return Int64GetDatum(number);
	}
}

void
store_plans_note_key(const StorePlans *plans, Datum key, ResultKeys *keys)
{
	if (plans->has_runs)
		key_runs_add(&keys->runs, key_as_number(plans->recipe, key));
}

static void
execute(SPIPlanPtr plan, Datum *arguments)
{
	int			result = SPI_execute_plan(plan, arguments, NULL, false, 0);

	if (result < 0)
		elog(ERROR, "could not store results: %s", SPI_result_code_string(result));
}

/* The runs' lower or upper ends, as an array of the key's type. */
static Datum
ends_of(const Recipe *recipe, const KeyRuns *runs, bool upper)
{
	Oid			type = recipe->keys[0].type;
	Datum	   *ends = palloc(sizeof(Datum) * runs->count);
	int16		length;
	bool		by_value;
	char		align;

	for (int i = 0; i < runs->count; i++)
		ends[i] = number_as_key(recipe, upper ? runs->runs[i].highest : runs->runs[i].lowest);
	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(ends, runs->count, type, length, by_value, align));
}

/* Does the target hold any key of these runs? */
static bool
holds_any(StorePlans *plans, const KeyRuns *runs)
{
	Datum		ends[2] = {ends_of(plans->recipe, runs, false), ends_of(plans->recipe, runs, true)};
	bool		is_null;

	execute(plan_find_runs(plans), ends);
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

void
store_plans_execute(StorePlans *plans, ResultKeys *keys)
{
	const Recipe *recipe = plans->recipe;
	bool		in_range = false;
	bool		is_new = false;
	Datum		range[2] = {0};

	if (plans->has_runs && keys->count >= RANGE_MIN_ROWS)
	{
		key_runs_settle(&keys->runs, keys->count / RANGE_MIN_ROWS);
		in_range = is_dense(recipe, keys);
		is_new = takes_plain_insert(recipe) && !holds_any(plans, &keys->runs);
	}
	if (in_range)
	{
		range[0] = number_as_key(recipe, lowest(keys));
		range[1] = number_as_key(recipe, highest(keys));
	}
	execute(plan_write(plans, in_range, is_new), range);
}
