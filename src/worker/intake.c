/*-------------------------------------------------------------------------
 *
 * intake.c
 *	  What a worker reads before it can work: job, server, credentials, recipe.
 *
 * When an invalidation says that a server or a user mapping has changed, or a look at a
 * token's file that this has (token_file.c), and before a failure that they may be the cause
 * of pauses the job, server and credentials are read again.  If they are others, the worker
 * has another endpoint from then on; requests in flight keep theirs.  When the job is resumed
 * after somebody had to mend something, all is read again (worker_steer.c).  Rows on their way
 * do not refer to any of it, but by their keys, whose types must have stayed the same.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/intake.h"

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "catalog/catalog_extension.h"
#include "catalog/catalog_job.h"
#include "worker/worker.h"

static void
server_invalidated(Datum setup, int cache pg_attribute_unused(), uint32 hash pg_attribute_unused())
{
	((WorkerSetup *) DatumGetPointer(setup))->server_changed = true;
}

static void
relation_invalidated(Datum argument, Oid relation)
{
	WorkerSetup *setup = (WorkerSetup *) DatumGetPointer(argument);

	if (relation == InvalidOid || relation == setup->job_table)
		setup->catalog_changed = true;
}

void
intake_watch_changes(Worker *worker)
{
	Datum		setup = PointerGetDatum(&worker->setup);

	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_invalidated, setup);
	CacheRegisterSyscacheCallback(USERMAPPINGUSERSERVER, server_invalidated, setup);
	CacheRegisterRelcacheCallback(relation_invalidated, setup);
}

/* Requests go to this one from now on. */
static void
adopt(Worker *worker, const Endpoint *endpoint)
{
	worker->setup.endpoint = endpoint;
	worker->setup.evaluates |= endpoint->evaluates;
	worker->token_file.file = endpoint->credentials->token_file;
}

/* Bucketizing needs no credentials: they can still be mended when it is done. */
static Credentials *
credentials_of(const Job *job, const Server *server)
{
	return job->state == JOB_RUNNING ? credentials_load(server, GetUserId())
		: palloc0(sizeof(Credentials));
}

/* Rows at hand are to be stored by the new recipe. */
static void
require_same_keys(const Recipe *before, const Recipe *after)
{
	bool		same = before->key_count == after->key_count;

	for (int i = 0; same && i < after->key_count; i++)
		same = before->keys[i].type == after->keys[i].type;
	if (!same)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("the key of \"%s\" is of another type now",
					   get_rel_name(after->job->source)),
				errhint("Change it back and use enrich.resume, or cancel the job and start it "
						"again."));
}

/*
 * What is read goes with the turn if an error comes before anything refers to it:
 * so tries that fail, however often, leave all as it was.
 */
void
intake_job(Worker *worker)
{
	MemoryContext context = AllocSetContextCreate(worker->turn, "pg_enrich job",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Job		   *job;

	worker->setup.job_table = catalog_relation("catalog_job");
	job = catalog_load_job(worker->place.entry->job);
	if (job != NULL)
	{
		Server	   *server = server_load(job->server, false);
		Credentials *credentials;
		Recipe	   *recipe;
		Endpoint   *endpoint;

		server_check_usage(server, GetUserId());
		credentials = credentials_of(job, server);
		recipe = recipe_make(job);
		if (worker->setup.recipe != NULL)
			require_same_keys(worker->setup.recipe, recipe);
		endpoint = endpoint_make(recipe, server, credentials, worker->setup.endpoint);
		endpoint->server_index = permits_use_server(worker->place.slot_index, server);
		adopt(worker, endpoint);
		worker->setup.recipe = recipe;
		worker->setup.context = context;
		MemoryContextSetParent(context, worker->context);
	}
	worker->setup.job = job;
	MemoryContextSwitchTo(old);
}

void
intake_renew(Worker *worker)
{
	const Endpoint *before = worker->setup.endpoint;
	MemoryContext old = MemoryContextSwitchTo(worker->setup.context);

	worker->setup.endpoint = endpoint_renew(before, before->credentials);
	MemoryContextSwitchTo(old);
}

/* The endpoint that server and credentials make now; NULL: they are as they were. */
static Endpoint *
changed_endpoint(Worker *worker, const Server *server, const Credentials *credentials)
{
	const Endpoint *before = worker->setup.endpoint;
	Endpoint   *endpoint;

	if (server->oid == before->server->oid &&
		strcmp(server->definition, before->server->definition) == 0)
		return credentials_equal(credentials, before->credentials) ? NULL
			: endpoint_renew(before, credentials);
	endpoint = endpoint_make(worker->setup.recipe, server, credentials, before);
	endpoint->server_index = permits_use_server(worker->place.slot_index, server);
	return endpoint;
}

/*
 * What requests in flight refer to is kept: contexts of what was read before
 * are freed with the worker only.  Servers and credentials change rarely.  What was
 * read before an error came goes with the turn: nothing refers to it.
 */
void
intake_server_step(Worker *worker, void *arg pg_attribute_unused())
{
	MemoryContext context = AllocSetContextCreate(worker->turn, "pg_enrich endpoint",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	const Server *server = server_load(worker->setup.job->server, false);
	const Credentials *credentials;
	const Endpoint *endpoint;

	server_check_usage(server, GetUserId());
	credentials = credentials_load(server, GetUserId());
	endpoint = changed_endpoint(worker, server, credentials);
	if (endpoint != NULL)
	{
		MemoryContextSetParent(context, worker->setup.context);
		adopt(worker, endpoint);
	}
	else
	{
		worker->token_file.file.stamp = credentials->token_file.stamp;
		worker->token_file.file.is_fresh = credentials->token_file.is_fresh;
	}
	MemoryContextSwitchTo(old);
	if (endpoint == NULL)
		MemoryContextDelete(context);
}

bool
intake_refresh(Worker *worker)
{
	const Endpoint *before = worker->setup.endpoint;

	return worker_try(worker, intake_server_step, NULL) && worker->setup.endpoint != before;
}

bool
worker_is_steered(const Worker *worker)
{
	AcceptInvalidationMessages();
	return worker_is_behind(worker) || worker->setup.server_changed;
}
