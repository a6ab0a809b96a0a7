/*-------------------------------------------------------------------------
 *
 * store_plan.c
 *	  Which statement writes results, and its plan.
 *
 * As buckets are runs of rows, the keys of results most often lie close together
 * where they are numbers from a sequence.  Then the index on the key is read once,
 * from the lowest to the highest; and a target that holds no key between the two
 * takes them by a plain INSERT, without looking for each one whether it is there.
 *
 *-------------------------------------------------------------------------
 */
#include "store_plan.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/rls.h"

#include "settings.h"
#include "store_sql.h"

/* So many results are joined as one where the range of their keys is no wider than that a row. */
#define RANGE_MIN_ROWS 20
#define RANGE_PER_ROW 2

struct StorePlans
{
	const Recipe *recipe;
	SPIPlanPtr	write;			/* each NULL until first used */
	SPIPlanPtr	write_range;	/* the same, for keys that lie close together */
	SPIPlanPtr	insert_range;	/* the same, where none of them is there */
	SPIPlanPtr	find_range;		/* is any? */
};

StorePlans *
store_plans_make(const Recipe *recipe)
{
	StorePlans *plans = palloc0(sizeof(StorePlans));

	plans->recipe = recipe;
	return plans;
}

/* Plan a statement once, under whatever settings hold now. */
static void
plan_once(const Recipe *recipe, SPIPlanPtr *plan, char *(*make_sql) (const Recipe *),
		  int argument_count, Oid *types)
{
	CachedPlan *cached;

	if (*plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare_cursor(make_sql(recipe), argument_count, types,
												  CURSOR_OPT_GENERIC_PLAN);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare the store: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	cached = SPI_plan_get_cached_plan(*plan);
	if (cached != NULL)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
}

/*
 * Joining through the target's index on the key is always right here, while a
 * large batch, or statistics that say nothing yet, could tempt the planner into
 * scanning the whole target.
 */
static SPIPlanPtr
plan_by_index(StorePlans *plans)
{
	int			nest_level = settings_plan_by_index();

	plan_once(plans->recipe, &plans->write, store_sql_write, 0, NULL);
	AtEOXact_GUC(true, nest_level);
	return plans->write;
}

/*
 * Reading the index once, from the lowest key to the highest, costs a third of
 * looking up each; it finds no more rows than there are numbers between the two.
 */
static SPIPlanPtr
plan_by_range(StorePlans *plans, SPIPlanPtr *plan, char *(*make_sql) (const Recipe *))
{
	int			nest_level = settings_plan_by_range();
	Oid			types[2] = {plans->recipe->keys[0].type, plans->recipe->keys[0].type};

	plan_once(plans->recipe, plan, make_sql, 2, types);
	AtEOXact_GUC(true, nest_level);
	return *plan;
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
is_dense(const StorePlans *plans, const ResultKeys *keys)
{
	const Recipe *recipe = plans->recipe;
	Oid			type = recipe->keys[0].type;

	return keys->count >= RANGE_MIN_ROWS && !recipe->many && recipe->key_count == 1 &&
		recipe->key_is_unique && (type == INT2OID || type == INT4OID || type == INT8OID) &&
		(uint64) keys->highest - (uint64) keys->lowest < (uint64) keys->count * RANGE_PER_ROW &&
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
		case INT8OID:
			return DatumGetInt64(key);
		default:
			return 0;
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
	int64		number = key_as_number(plans->recipe, key);

	keys->lowest = Min(keys->lowest, number);
	keys->highest = Max(keys->highest, number);
}

static void
execute(SPIPlanPtr plan, Datum *arguments)
{
	int			result = SPI_execute_plan(plan, arguments, NULL, false, 0);

	if (result < 0)
		elog(ERROR, "could not store results: %s", SPI_result_code_string(result));
}

static bool
holds_any(StorePlans *plans, Datum *range)
{
	SPIPlanPtr	find = plan_by_range(plans, &plans->find_range, store_sql_find_range);
	bool		is_null;

	execute(find, range);
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

void
store_plans_execute(StorePlans *plans, const ResultKeys *keys)
{
	const Recipe *recipe = plans->recipe;
	Datum		range[2];

	if (!is_dense(plans, keys))
	{
		execute(plan_by_index(plans), NULL);
		return;
	}
	range[0] = number_as_key(recipe, keys->lowest);
	range[1] = number_as_key(recipe, keys->highest);
	if (takes_plain_insert(recipe) && !holds_any(plans, range))
		execute(plan_by_range(plans, &plans->insert_range, store_sql_insert_range), range);
	else
		execute(plan_by_range(plans, &plans->write_range, store_sql_write_range), range);
}
