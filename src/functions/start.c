/*-------------------------------------------------------------------------
 *
 * start.c
 *	  enrich.start: check everything that can be checked, then make a job.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_publication.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "functions/arguments.h"
#include "recipe/call.h"
#include "recipe/recipe.h"
#include "server/server.h"
#include "shared/shared.h"
#include "staging/bucketize.h"

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
	job = arguments_read_job(fcinfo);
	id = existing_job(job, arguments_if_not_exists(fcinfo));
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
