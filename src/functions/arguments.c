/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  The parameters of enrich.start and enrich.preview.
 *
 * They are those of job_columns, in its order; if_not_exists follows.
 *
 *-------------------------------------------------------------------------
 */
#include "functions/arguments.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonpath.h"
#include "utils/lsyscache.h"

#include "catalog/job_columns.h"
#include "common/field.h"
#include "common/pg_enrich.h"

/* What of the session's settings gives meaning to user SQL and to text. */
static const char *const captured_settings[] = {
	"search_path", "TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output"
};

/* Library and catalog may be of different versions: no argument is taken for another one. */
static void
check_shape(FunctionCallInfo fcinfo)
{
	if (PG_NARGS() != job_argument_count() + 1)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("function %s is not that of this version of pg_enrich",
					   get_func_name(fcinfo->flinfo->fn_oid)),
				errhint("Use ALTER EXTENSION %s UPDATE.", PG_ENRICH_EXTENSION));
}

/* "a, b and c" */
static void
append_listed(StringInfo out, int i, int count, const char *last, const char *word)
{
	if (i > 0)
		appendStringInfoString(out, i < count - 1 ? ", " : last);
	appendStringInfoString(out, word);
}

static char *
required_arguments(void)
{
	StringInfoData names;
	int			count = 0;

	initStringInfo(&names);
	while (job_columns[count].kind == JOB_REQUIRED)
		count++;
	for (int i = 0; i < count; i++)
		append_listed(&names, i, count, " and ", job_columns[i].argument);
	return names.data;
}

static char *
words_for_users(const JobColumn *column)
{
	const char *const *words = column->field.words + column->first_word;
	StringInfoData listed;
	int			count = 0;

	initStringInfo(&listed);
	while (words[count] != NULL)
		count++;
	for (int i = 0; i < count; i++)
		append_listed(&listed, i, count, " or ", words[i]);
	return listed.data;
}

static void
check_word(const JobColumn *column, const char *word)
{
	if (field_find_word(column->field.words, word) < column->first_word)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s \"%s\" is not known", column->argument, word),
				errhint("Use %s.", words_for_users(column)));
}

static void
check_bounds(const JobColumn *column, int64 value)
{
	if (value < column->minimum || value > column->maximum)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s is out of range: " INT64_FORMAT, column->argument, value),
				column->maximum == PG_INT64_MAX
				? errhint("It must be at least " INT64_FORMAT ".", column->minimum)
				: errhint("It must be between " INT64_FORMAT " and " INT64_FORMAT ".",
						  column->minimum, column->maximum));
}

/* The names in a text[]: none of them NULL or empty. */
static void
check_names(const JobColumn *column, Datum array)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	if (count == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s names no column", column->argument),
				errhint("Give names of columns of the source: %s => '{...}'.",
						column->argument));
	for (int i = 0; i < count; i++)
		if (nulls[i] || TextDatumGetCString(values[i])[0] == '\0')
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s holds a NULL or empty name", column->argument),
					errdetail("It is element %d of %d.", i + 1, count),
					errhint("Give names of columns of the source."));
}

/* An argument as its column holds it, once it is found to be in order. */
static Datum
checked_value(const JobColumn *column, Datum value)
{
	switch (column->argument_type)
	{
		case INT4OID:
			check_bounds(column, DatumGetInt32(value));
			return value;
		case INT8OID:
			check_bounds(column, DatumGetInt64(value));
			return value;
		case TEXTARRAYOID:
			check_names(column, value);
			return value;
		case JSONPATHOID:
			return CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(jsonpath_out, value)));
		default:
			if (column->field.type == FIELD_WORD)
				check_word(column, TextDatumGetCString(value));
			return value;
	}
}

static Datum
default_of(const JobColumn *column)
{
	Oid			input;
	Oid			parameter;

	getTypeInputInfo(field_type(&column->field), &input, &parameter);
	return OidInputFunctionCall(input, (char *) column->default_value, parameter, -1);
}

static void
read_argument(FunctionCallInfo fcinfo, int number, Job *job)
{
	const JobColumn *column = &job_columns[number];
	bool		is_null = PG_ARGISNULL(number);
	Datum		value = (Datum) 0;

	if (!is_null)
		value = checked_value(column, PG_GETARG_DATUM(number));
	else if (column->kind == JOB_DEFAULTED)
		value = default_of(column);
	field_set(&column->field, job, value, is_null && column->kind != JOB_DEFAULTED);
}

static List *
capture_settings(void)
{
	List	   *settings = NIL;

	for (int i = 0; i < (int) lengthof(captured_settings); i++)
		settings = lappend(settings, psprintf("%s=%s", captured_settings[i],
											  GetConfigOption(captured_settings[i], false, false)));
	return settings;
}

/* What one argument says of another one. */
static void
check_together(Job *job)
{
	if (job->name != NULL && job->name[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("name must not be empty"),
				errhint("Leave it out for a job without a name."));
	if (job->write_mode != WRITE_UPDATE && job->target == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("write_mode is given, but no target"),
				errhint("Without a target results update the source; give one with target => "
						"'...'."));
	if (job->target != NULL && job->write_mode == WRITE_UPDATE)
		job->write_mode = WRITE_UPSERT;
}

Job *
arguments_read_job(FunctionCallInfo fcinfo)
{
	Job		   *job = palloc0(sizeof(Job));
	int			count = job_argument_count();

	check_shape(fcinfo);
	for (int i = 0; i < count; i++)
		if (job_columns[i].kind == JOB_REQUIRED && PG_ARGISNULL(i))
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s must not be NULL", job_columns[i].argument),
					errhint("%s are always needed.", required_arguments()));
	for (int i = 0; i < count; i++)
		read_argument(fcinfo, i, job);
	check_together(job);
	job->owner = GetUserId();
	job->source_name = DatumGetCString(DirectFunctionCall1(regclassout,
														   ObjectIdGetDatum(job->source)));
	job->settings = capture_settings();
	job->system_identifier = (int64) GetSystemIdentifier();
	job->database = MyDatabaseId;
	job->rows_total = job->buckets_total = -1;
	return job;
}

bool
arguments_if_not_exists(FunctionCallInfo fcinfo)
{
	int			number = job_argument_count();

	return !PG_ARGISNULL(number) && PG_GETARG_BOOL(number);
}
