/*-------------------------------------------------------------------------
 *
 * start.c
 *	  enrich.start: check everything that can be checked, then make a job.
 *
 *-------------------------------------------------------------------------
 */
#include "functions/start.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonpath.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "recipe/call.h"
#include "recipe/recipe.h"
#include "server/server.h"
#include "shared/shared.h"
#include "staging/bucketize.h"

/* Bounds of parameters; the upper ones keep a bucket's bitmap and a job's slots small. */
#define MAX_BUCKET_SIZE 100000
#define MAX_WORKERS 64

/* What of the session's settings gives meaning to user SQL and to text. */
static const char *const captured_settings[] = {
	"search_path", "TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output"
};

/* Positions of the parameters, as in the SQL declaration. */
enum
{
	ARG_SOURCE, ARG_SERVER, ARG_INPUT, ARG_OUTPUT, ARG_PATH, ARG_REQUEST, ARG_CONTENT, ARG_RESULTS,
	ARG_RESULT_INDEX, ARG_RESULT_KEY, ARG_RESULT_ROWS, ARG_KEY, ARG_TARGET, ARG_WRITE_MODE,
	ARG_ROWS,
	ARG_WHERE_CLAUSE, ARG_MAX_ROWS, ARG_MAX_TOKENS, ARG_BUCKET_SIZE, ARG_BATCH_SIZE,
	ARG_MAX_INPUT_LENGTH, ARG_SEPARATOR, ARG_CONCURRENCY, ARG_WORKERS, ARG_MAX_FAILED_ROWS,
	ARG_NAME,
	ARG_IF_NOT_EXISTS
};

static void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("%s must not be NULL", name),
				errhint("source, server, input and output are always needed."));
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static char *
jsonpath_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		return NULL;
	return DatumGetCString(DirectFunctionCall1(jsonpath_out, PG_GETARG_DATUM(number)));
}

/* An integer within bounds; if_null where none is given. */
static int64
bounded_argument(FunctionCallInfo fcinfo, int number, const char *name, bool is_bigint,
				 int64 minimum, int64 maximum, int64 if_null)
{
	int64		value;

	if (PG_ARGISNULL(number))
		return if_null;
	value = is_bigint ? PG_GETARG_INT64(number) : PG_GETARG_INT32(number);
	if (value < minimum || value > maximum)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s is out of range: " INT64_FORMAT, name, value),
				maximum == PG_INT64_MAX
				? errhint("It must be at least " INT64_FORMAT ".", minimum)
				: errhint("It must be between " INT64_FORMAT " and " INT64_FORMAT ".", minimum,
						  maximum));
	return value;
}

/* The names in a text[], none of them NULL or empty. */
static List *
names_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
	List	   *names = NIL;

	if (PG_ARGISNULL(number))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	if (count == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s names no column", name),
				errhint("Give names of columns of the source: %s => '{...}'.", name));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i] || TextDatumGetCString(values[i])[0] == '\0')
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s holds a NULL or empty name", name),
					errdetail("It is element %d of %d.", i + 1, count),
					errhint("Give names of columns of the source."));
		names = lappend(names, TextDatumGetCString(values[i]));
	}
	return names;
}

static void
read_modes(FunctionCallInfo fcinfo, Job *job)
{
	char	   *write_mode = text_argument(fcinfo, ARG_WRITE_MODE);
	char	   *rows = text_argument(fcinfo, ARG_ROWS);

	job->target = text_argument(fcinfo, ARG_TARGET);
	job->write_mode = job->target == NULL ? WRITE_UPDATE : WRITE_UPSERT;
	if (write_mode != NULL && !write_mode_of(write_mode, &job->write_mode))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("write_mode \"%s\" is not known", write_mode),
				errhint("Use insert, upsert or overwrite."));
	if (write_mode != NULL && job->target == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("write_mode is given, but no target"),
				errhint("Without a target results update the source; give one with target => "
						"'...'."));
	if (rows != NULL && !row_selection_of(rows, &job->rows))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("rows \"%s\" is not known", rows),
				errhint("Use all, missing or changed."));
	job->result_rows = text_argument(fcinfo, ARG_RESULT_ROWS);
	if (job->result_rows == NULL)
		job->result_rows = "one";
	if (strcmp(job->result_rows, "one") != 0 && strcmp(job->result_rows, "many") != 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("result_rows \"%s\" is not known", job->result_rows),
				errhint("Use one or many."));
}

static void
read_sizes(FunctionCallInfo fcinfo, Job *job)
{
	job->max_rows = bounded_argument(fcinfo, ARG_MAX_ROWS, "max_rows", true, 0, PG_INT64_MAX, -1);
	job->max_tokens = bounded_argument(fcinfo, ARG_MAX_TOKENS, "max_tokens", true, 1, PG_INT64_MAX,
									   -1);
	job->bucket_size = (int) bounded_argument(fcinfo, ARG_BUCKET_SIZE, "bucket_size", false,
											  1, MAX_BUCKET_SIZE, 500);
	job->batch_size = (int) bounded_argument(fcinfo, ARG_BATCH_SIZE, "batch_size", false,
											 1, MAX_BUCKET_SIZE, 0);
	job->max_input_length = (int) bounded_argument(fcinfo, ARG_MAX_INPUT_LENGTH, "max_input_length",
												   false,
												   1, PG_INT32_MAX, 0);
	job->concurrency = (int) bounded_argument(fcinfo, ARG_CONCURRENCY, "concurrency", false,
											  0, JOB_MAX_CONCURRENCY, 10);
	job->workers = (int) bounded_argument(fcinfo, ARG_WORKERS, "workers", false, 1, MAX_WORKERS, 1);
	job->max_failed_rows = bounded_argument(fcinfo, ARG_MAX_FAILED_ROWS, "max_failed_rows", true,
											0, PG_INT64_MAX, -1);
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

Job *
start_read_arguments(FunctionCallInfo fcinfo)
{
	Job		   *job = palloc0(sizeof(Job));

	require_argument(fcinfo, ARG_SOURCE, "source");
	require_argument(fcinfo, ARG_SERVER, "server");
	require_argument(fcinfo, ARG_INPUT, "input");
	require_argument(fcinfo, ARG_OUTPUT, "output");
	job->owner = GetUserId();
	job->source = PG_GETARG_OID(ARG_SOURCE);
	job->source_name = DatumGetCString(DirectFunctionCall1(regclassout,
														   ObjectIdGetDatum(job->source)));
	job->server = pstrdup(NameStr(*PG_GETARG_NAME(ARG_SERVER)));
	job->input = names_argument(fcinfo, ARG_INPUT, "input");
	job->output = text_argument(fcinfo, ARG_OUTPUT);
	job->path = text_argument(fcinfo, ARG_PATH);
	job->request = text_argument(fcinfo, ARG_REQUEST);
	job->content = jsonpath_argument(fcinfo, ARG_CONTENT);
	job->results = jsonpath_argument(fcinfo, ARG_RESULTS);
	job->result_index = jsonpath_argument(fcinfo, ARG_RESULT_INDEX);
	job->result_key = jsonpath_argument(fcinfo, ARG_RESULT_KEY);
	job->key = names_argument(fcinfo, ARG_KEY, "key");
	job->where_clause = text_argument(fcinfo, ARG_WHERE_CLAUSE);
	job->separator = text_argument(fcinfo, ARG_SEPARATOR);
	if (job->separator == NULL)
		job->separator = " ";
	job->name = text_argument(fcinfo, ARG_NAME);
	if (job->name != NULL && job->name[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("name must not be empty"),
				errhint("Leave it out for a job without a name."));
	read_modes(fcinfo, job);
	read_sizes(fcinfo, job);
	job->settings = capture_settings();
	job->system_identifier = (int64) GetSystemIdentifier();
	job->database = MyDatabaseId;
	job->rows_total = job->buckets_total = -1;
	return job;
}

/* Can a worker act as the current user at all? */
static void
check_caller(void)
{
	HeapTuple	tuple;
	bool		may_login;

	shared_require();
	call_check_library();
	PreventCommandIfReadOnly("enrich.start()");
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("cannot start a job within a security-restricted operation"),
				errhint("Call enrich.start on its own, not from an index, a materialized view or "
						"the like."));
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	may_login = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!may_login && COMPAT_BYPASS_ROLELOGINCHECK == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				errmsg("role \"%s\" is not permitted to log in",
					   GetUserNameFromId(GetUserId(), false)),
				errdetail("Background workers act as the role that starts a job."),
				errhint("Start the job as a role with LOGIN, or use ALTER ROLE ... LOGIN."));
}

/* A subscriber that lacks our staging tables would stop. */
static void
warn_of_publications(void)
{
	if (GetAllTablesPublications() != NIL)
		ereport(WARNING,
				errmsg("a publication FOR ALL TABLES carries pg_enrich's staging tables to its "
					   "subscribers"),
				errhint("Publish the tables you need instead, or make schema enrich_staging known "
						"to the subscribers."));
}

/* An unfinished job of that name: returned, refused, or (0) not there. */
static int64
existing_job(const Job *job, bool if_not_exists)
{
	int64		existing;

	if (job->name == NULL)
		return 0;
	catalog_lock_name(job->owner, job->name);
	existing = catalog_find_job(job->owner, job->name);
	if (existing == 0)
		return 0;
	if (!if_not_exists)
		ereport(ERROR,
				errcode(ERRCODE_DUPLICATE_OBJECT),
				errmsg("job \"%s\" is not finished yet", job->name),
				errdetail("It is job " INT64_FORMAT ".", existing),
				errhint("Wait for it, cancel it, or use if_not_exists => true."));
	ereport(NOTICE,
			errcode(ERRCODE_DUPLICATE_OBJECT),
			errmsg("job \"%s\" is not finished yet, skipping", job->name),
			errdetail("It is %s.", job_state_name(catalog_load_job(existing)->state)));
	return existing;
}

PG_FUNCTION_INFO_V1(enrich_start);
Datum
enrich_start(PG_FUNCTION_ARGS)
{
	Job		   *job;
	Server	   *server;
	Recipe	   *recipe;
	Endpoint   *endpoint;
	int64		id;

	check_caller();
	job = start_read_arguments(fcinfo);
	id = existing_job(job, !PG_ARGISNULL(ARG_IF_NOT_EXISTS) && PG_GETARG_BOOL(ARG_IF_NOT_EXISTS));
	if (id != 0)
		PG_RETURN_INT64(id);

	server = server_load(job->server, false);
	server_check_usage(server, GetUserId());
	recipe = recipe_make(job);
	endpoint = endpoint_make(recipe, server, NULL, NULL);
	recipe_make_target(recipe);
	bucketize_check_query(endpoint);
	warn_of_publications();
	if (job->write_mode != WRITE_UPDATE)
		job->target = recipe->target_name;
	id = catalog_insert_job(job);
	PG_RETURN_INT64(id);
}
