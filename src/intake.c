/*-------------------------------------------------------------------------
 *
 * intake.c
 *	  What a worker reads before it can work: job, server, credentials, recipe.
 *
 * All of it is read again when an invalidation says that the server or a user
 * mapping has changed.  Rows on their way do not refer to it, but for the
 * recipe, whose columns stay the same: so the old recipe's templates and paths
 * are replaced in place.
 *
 *-------------------------------------------------------------------------
 */
#include "worker_loop.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "call.h"
#include "catalog.h"
#include "compat.h"
#include "permits.h"

bool		intake_server_changed = false;
bool		intake_catalog_changed = false;

static void
server_invalidated(Datum argument pg_attribute_unused(), int cache pg_attribute_unused(),
				   uint32 hash pg_attribute_unused())
{
	intake_server_changed = true;
}

/* Our table of jobs: when it goes, so does the extension. */
static Oid	job_table = InvalidOid;

static void
relation_invalidated(Datum argument pg_attribute_unused(), Oid relation)
{
	if (relation == InvalidOid || relation == job_table)
		intake_catalog_changed = true;
}

void
intake_watch_changes(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGUSERSERVER, server_invalidated, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
}

/* Server and credentials by the job's owner's rights, into the current context. */
static void
read_server(Worker *worker)
{
	Server	   *server = server_load(worker->job->server, false);

	server_check_usage(server, GetUserId());
	worker->credentials = credentials_load(server, GetUserId());
	worker->server = server;
	call_settings(&worker->http_settings, server);
	permits_use_server(worker->slot_index, server->oid, server->max_concurrency,
					   server->requests_per_minute, server->tokens_per_minute);
}

void
intake_job(Worker *worker)
{
	MemoryContext old;

	worker->job_context = AllocSetContextCreate(worker->context, "pg_enrich job",
												ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(worker->job_context);
	job_table = get_relname_relid("job", get_namespace_oid("enrich", false));
	worker->job = catalog_load_job(worker->entry->job);
	if (worker->job != NULL)
	{
		read_server(worker);
		worker->recipe = recipe_make(worker->job, worker->server);
	}
	MemoryContextSwitchTo(old);
}

/*
 * The settings that requests in flight refer to are kept: the context of what
 * was read before is freed with the worker only.  Servers change rarely.
 */
void
intake_server(Worker *worker)
{
	MemoryContext old = MemoryContextSwitchTo(worker->job_context);
	bool		had_fields = worker->recipe->stage_fields;

	read_server(worker);
	worker->recipe->server = worker->server;
	recipe_free(worker->recipe);
	recipe_compile_shape(worker->recipe);
	/* Rows on their way have none then: nulls would go out in their place. */
	if (worker->recipe->stage_fields && !had_fields)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the server's request names columns now, which "
					   "job " INT64_FORMAT " has not staged",
					   worker->job->id),
				errhint("Change the server back, or cancel the job and start it again."));
	MemoryContextSwitchTo(old);
}

int
worker_effective_cap(Worker *worker)
{
	int			cap;

	shared_lock();
	cap = permits_effective(worker->entry->concurrency,
							&shared->servers[worker->slot->server_index]);
	shared_unlock();
	return cap;
}
