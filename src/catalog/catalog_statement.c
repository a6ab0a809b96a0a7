/*-------------------------------------------------------------------------
 *
 * catalog_statement.c
 *	  Running our own statements as the extension's owner.
 *
 * Nobody else has rights on our tables.  The switch of user lasts for one
 * statement, on columns of built-in types, so that no user's code can run
 * under it; an error undoes it with the transaction or subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_statement.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "catalog/catalog_extension.h"
#include "common/pg_enrich.h"
#include "common/settings.h"

/* The statement under way, if there is one, and who we were before it. */
static bool in_statement = false;
static Oid	caller_user = InvalidOid;
static int	caller_context = 0;

void
argument_add(Arguments *arguments, Datum value)
{
	Assert(arguments->count < STATEMENT_MAX_ARGUMENTS);
	arguments->nulls[arguments->count] = ' ';
	arguments->values[arguments->count++] = value;
}

static void
add_null(Arguments *arguments)
{
	argument_add(arguments, (Datum) 0);
	arguments->nulls[arguments->count - 1] = 'n';
}

void
argument_add_text(Arguments *arguments, const char *text)
{
	if (text == NULL)
		add_null(arguments);
	else
		argument_add(arguments, CStringGetTextDatum(text));
}

void
argument_add_field(Arguments *arguments, const Field *field, const void *record)
{
	bool		is_null;
	Datum		value = field_get(field, record, &is_null);

	if (is_null)
		add_null(arguments);
	else
		argument_add(arguments, value);
}

void
statement_add_type(Statement *statement, Oid type)
{
	Assert(statement->argument_count < STATEMENT_MAX_ARGUMENTS);
	statement->types[statement->argument_count++] = type;
}

/* An error on the way leaves it unmade. */
Statement *
statement_built(BuiltStatement *built)
{
	if (built->statement.sql == NULL)
	{
		StringInfoData sql;

		initStringInfo(&sql);
		built->statement.argument_count = 0;
		built->build(&sql, &built->statement);
		built->statement.sql = MemoryContextStrdup(TopMemoryContext, sql.data);
		pfree(sql.data);
	}
	return &built->statement;
}

static void
prepare(Statement *statement)
{
	SPIPlanPtr	plan;

	if (statement->plan != NULL)
		return;
	plan = SPI_prepare(statement->sql, statement->argument_count, statement->types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare statement: %s", SPI_result_code_string(SPI_result));
	statement->plan = plan;
}

/* Executing plans it again now and then: so what planning is kept to lasts that long. */
static void
execute(Statement *statement, const Arguments *arguments)
{
	int			nest_level = settings_plan_by_index();
	int			result;

	prepare(statement);
	result = SPI_execute_plan(statement->plan,
							  arguments ? (Datum *) arguments->values : NULL,
							  arguments ? arguments->nulls : NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute statement: %s", SPI_result_code_string(result));
	AtEOXact_GUC(true, nest_level);
}

/* SPI's memory goes: at statement_end, or with the transaction that an error has ended. */
static void
leave_statement(void *argument pg_attribute_unused())
{
	in_statement = false;
}

/* To be followed by leave_statement, whatever happens. */
static void
enter_statement(void)
{
	static MemoryContextCallback callback = {leave_statement, NULL, NULL};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &callback);
	in_statement = true;
}

MemoryContext
statement_begin(Statement *statement, const Arguments *arguments)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			owner = catalog_owner();

	Assert(!in_statement);
	if (!OidIsValid(owner))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("extension \"%s\" is not installed in this database", PG_ENRICH_EXTENSION),
				errhint("Use CREATE EXTENSION %s.", PG_ENRICH_EXTENSION));
	Assert(arguments == NULL ? statement->argument_count == 0
		   : arguments->count == statement->argument_count);
	GetUserIdAndSecContext(&caller_user, &caller_context);
	SetUserIdAndSecContext(owner, caller_context | SECURITY_LOCAL_USERID_CHANGE);
	enter_statement();
	execute(statement, arguments);
	return context;
}

void
statement_end(void)
{
	Assert(in_statement);
	SPI_finish();
	SetUserIdAndSecContext(caller_user, caller_context);
}

uint64
statement_run(Statement *statement, const Arguments *arguments)
{
	uint64		processed;

	statement_begin(statement, arguments);
	processed = SPI_processed;
	statement_end();
	return processed;
}

uint64
statement_run_for_job(Statement *statement, int64 job)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	return statement_run(statement, &a);
}

Datum
column_datum(int row, int column)
{
	bool		is_null;

	Assert(in_statement);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
}

bool
column_is_null(int row, int column)
{
	bool		is_null;

	(void) SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
	return is_null;
}

char *
column_text(int row, int column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value == NULL ? NULL : MemoryContextStrdup(context, value);
}

int64
column_int64(int row, int column, int64 if_null)
{
	return column_is_null(row, column) ? if_null : DatumGetInt64(column_datum(row, column));
}

int
column_int32(int row, int column, int if_null)
{
	return column_is_null(row, column) ? if_null : DatumGetInt32(column_datum(row, column));
}

bool
column_bool(int row, int column)
{
	return !column_is_null(row, column) && DatumGetBool(column_datum(row, column));
}

void
column_read(int row, int column, const Field *field, void *record)
{
	field_set(field, record, column_datum(row, column), column_is_null(row, column));
}
