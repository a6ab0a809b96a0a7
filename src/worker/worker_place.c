/*-------------------------------------------------------------------------
 *
 * worker_place.c
 *	  A worker's place in shared memory: what it shows there, and its share of what is there.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_place.h"

#include "worker/worker.h"

void
worker_set_waiting(Worker *worker, WaitingFor waiting_for)
{
	shared_lock();
	worker->place.slot->waiting_for = waiting_for;
	shared_unlock();
}

void
worker_show_trouble(Worker *worker, const char *error, const char *hint)
{
	shared_lock();
	shared_set_trouble(&worker->place.slot->trouble, error, hint);
	shared_unlock();
}

int
worker_effective_cap(const Worker *worker)
{
	int			cap;

	shared_lock();
	cap = permits_effective(worker->place.entry->concurrency,
							&shared->servers[worker->place.slot->server_index]);
	shared_unlock();
	return cap;
}

bool
worker_is_behind(const Worker *worker)
{
	return worker->place.entry->version != worker->place.seen_version;
}
