/*-------------------------------------------------------------------------
 *
 * permits_probe.c
 *	  Who tries a server that is out: one request at a time, of all workers.
 *
 * The probe is a request in flight of one worker, known by its slot and generation.  It counts
 * as long as that worker lives.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/permits_internal.h"

bool
permits_is_prober(const ServerEntry *server, const WorkerSlot *slot)
{
	Assert(shared_is_locked());
	return server->probe_generation != 0 && server->probe_generation == slot->generation &&
		&shared->slots[server->probe_slot] == slot;
}

bool
permits_is_probed(const ServerEntry *server)
{
	const WorkerSlot *slot = &shared->slots[server->probe_slot];

	return permits_is_prober(server, slot) && slot->in_use && slot->in_flight > 0;
}

void
permits_begin_probe(ServerEntry *server, const WorkerSlot *slot)
{
	Assert(shared_is_locked());
	Assert(server->health.out && slot->in_use && slot->in_flight > 0);
	server->probe_slot = (int) (slot - shared->slots);
	server->probe_generation = slot->generation;
}

void
permits_wake_users(const ServerEntry *server)
{
	foreach_slot_of_server(slot, (int) (server - shared->servers))
	{
		shared_wake_worker(slot);
	}
}

void
permits_end_probe(ServerEntry *server)
{
	Assert(shared_is_locked());
	server->probe_generation = 0;
	permits_wake_users(server);
}
