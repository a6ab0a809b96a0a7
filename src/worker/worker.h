/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  A worker process, from its start to its end: one job, as its owner.
 *
 * Its state is made of parts.  Each is declared, explained and kept by the file that owns it,
 * which others call to change it, but for counts that several add to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_H
#define PG_ENRICH_WORKER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "http/http.h"
#include "worker/claims.h"
#include "worker/intake.h"
#include "worker/outbox.h"
#include "worker/outcome_queue.h"
#include "worker/token_file.h"
#include "worker/worker_control.h"
#include "worker/worker_counters.h"
#include "worker/worker_memory.h"
#include "worker/worker_pace.h"
#include "worker/worker_permits.h"
#include "worker/worker_place.h"
#include "worker/worker_send.h"
#include "worker/worker_store.h"
#include "worker/worker_tick.h"
#include "worker/worker_try.h"

struct Worker
{
	MemoryContext context;		/* for the worker's life */
	MemoryContext turn;			/* reset each turn */
	bool		start_counted;	/* in the catalog, as one that has come to
								 * nothing so far */
	bool		has_no_place;	/* among the servers in use, for the job's:
								 * see handle_error */

	WorkerPlace place;
	WorkerControl control;
	Attempts	attempts[STEP_KIND_COUNT];
	WorkerSetup setup;
	TokenFileWatch token_file;

	/* The pipeline, in the order data flows */
	Claims		claims;
	List	   *unloaded;		/* of Bucket *: claimed, not all rows loaded
								 * (worker_load) */
	Outbox		outbox;
	SendStage	send;
	Http	   *http;
	Request    *held;			/* rows refused alone, while the job is in
								 * doubt (worker_refuse) */
	Request    *undecided;		/* had their last attempt: whose fault is it?
								 * (worker_undecided) */
	OutcomeQueue outcomes;
	StoreStage	store;

	WorkerPermits permits;
	WorkerMemory memory;
	WorkerPace	pace;
	WorkerCounters counters;
	WorkerTicks ticks;
};

/* The server that it sends to now, among those in use. */
static inline int
worker_server_index(const Worker *worker)
{
	return worker->setup.endpoint->server_index;
}

#endif							/* PG_ENRICH_WORKER_H */
