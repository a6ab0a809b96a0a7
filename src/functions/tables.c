/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  Tables of this library, and what is made of them, as rows.
 *
 * SQL cannot follow a table in C, so the two are compared: tests declare these functions
 * for themselves, as CREATE EXTENSION does not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"

#include "catalog/catalog_counters.h"
#include "catalog/catalog_job.h"
#include "catalog/catalog_statement.h"
#include "catalog/job_columns.h"
#include "common/field.h"
#include "common/pg_compat.h"

/* Any of the rows; each function shows those of its columns that it is declared with. */
typedef struct TableRow
{
	char	   *name;
	Oid			type;
	char	   *argument;
	Oid			argument_type;
	bool		required;
	char	   *default_value;
	char	   *sql;
} TableRow;

static const Field row_fields[] = {
	FIELD("name", FIELD_TEXT, TableRow, name),
	FIELD("type", FIELD_OID, TableRow, type),
	FIELD("argument", FIELD_TEXT, TableRow, argument),
	FIELD("argument_type", FIELD_OID, TableRow, argument_type),
	FIELD("required", FIELD_BOOL, TableRow, required),
	FIELD("default_value", FIELD_TEXT, TableRow, default_value),
	FIELD("sql", FIELD_TEXT, TableRow, sql)
};

static void
put_row(FunctionCallInfo fcinfo, const TableRow *row)
{
	field_put_row((ReturnSetInfo *) fcinfo->resultinfo, row_fields, lengthof(row_fields), row);
}

/* What is known of a job: name, type, argument, argument_type, required, default_value. */
PG_FUNCTION_INFO_V1(enrich_job_columns);
Datum
enrich_job_columns(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < job_column_count; i++)
	{
		const JobColumn *column = &job_columns[i];
		TableRow	row = {
			.name = (char *) column->field.name,
			.type = field_type(&column->field),
			.argument = (char *) column->argument,
			.argument_type = column->argument_type,
			.required = column->kind == JOB_REQUIRED,
			.default_value = (char *) column->default_value
		};

		put_row(fcinfo, &row);
	}
	return (Datum) 0;
}

/* What workers count: name, type. */
PG_FUNCTION_INFO_V1(enrich_counters);
Datum
enrich_counters(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < catalog_counter_count; i++)
	{
		TableRow	row = {
			.name = (char *) catalog_counter_fields[i].name,
			.type = field_type(&catalog_counter_fields[i])
		};

		put_row(fcinfo, &row);
	}
	return (Datum) 0;
}

static void
put_statements(FunctionCallInfo fcinfo, BuiltStatement *const *statements)
{
	for (int i = 0; statements[i] != NULL; i++)
	{
		TableRow	row = {
			.name = (char *) statements[i]->name,
			.sql = (char *) statement_built(statements[i])->sql
		};

		put_row(fcinfo, &row);
	}
}

/* The statements that follow a table: name, sql. */
PG_FUNCTION_INFO_V1(enrich_built_statements);
Datum
enrich_built_statements(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	put_statements(fcinfo, catalog_job_built);
	put_statements(fcinfo, catalog_counters_built);
	return (Datum) 0;
}
