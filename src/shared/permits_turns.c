/*-------------------------------------------------------------------------
 *
 * permits_turns.c
 *	  Whose turn it is, where shares of a cap are not enough.
 *
 * Where there are more jobs than a cap has permits, or where a rate is shared, they
 * take turns: a worker that could send lets the job go first that has waited
 * longest, and wakes it.  If that does not come in time it is passed over until it
 * asks again: no turn is kept for a worker that is busy storing.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/permits_internal.h"

#include "common/settings.h"

/* A turn is as many requests as a rate allows in a hundredth of a second: few wakes suffice. */
#define TURNS_PER_MINUTE 6000

static int
job_in_flight(int job_index)
{
	int			in_flight = 0;

	Assert(shared_is_locked());
	foreach_slot_of_job(slot, job_index)
	{
		in_flight += slot->in_flight;
	}
	return in_flight;
}

/* Do more jobs want something of the cluster than its cap allows? */
static bool
cluster_is_short(const PermitUsage *usage)
{
	return settings_max_concurrency < usage->cluster_jobs;
}

/* Could this worker, which waits, send in my place? */
static bool
could_go_instead(const WorkerSlot *other, const WorkerSlot *mine, const PermitUsage *usage)
{
	int			cap = shared->jobs[other->job_index].concurrency;

	if (!other->wants || other->job_index == mine->job_index ||
		other->waiting_for == WAITING_SERVER)
		return false;
	if (other->server_index == mine->server_index)
		cap = Min(cap, permits_share(permits_server_cap(&shared->servers[mine->server_index]),
									 usage->server_jobs));
	else if (!cluster_is_short(usage) || other->waiting_for != WAITING_CAP)
		return false;
	cap = Min(cap, permits_share(settings_max_concurrency, usage->cluster_jobs));
	return job_in_flight(other->job_index) < cap;
}

bool
permits_must_wait_turn(const WorkerSlot *mine, const PermitUsage *usage, int64 now)
{
	const ServerEntry *server = &shared->servers[mine->server_index];
	uint64		my_turn = shared->jobs[mine->job_index].last_turn;

	Assert(shared_is_locked());
	if (permits_server_cap(server) >= usage->server_jobs && !permits_has_rates(server) &&
		!cluster_is_short(usage))
		return false;
	if (server->turn_job == mine->job_index && server->turn_left > 0)
		return false;
	foreach_slot(other)
	{
		if (!could_go_instead(other, mine, usage) ||
			shared->jobs[other->job_index].last_turn >= my_turn ||
			(other->invited_at != 0 && now - other->invited_at >= PERMITS_TURN_US))
			continue;
		if (other->invited_at == 0)
		{
			other->invited_at = now;
			shared_wake_worker(other);
		}
		return true;
	}
	return false;
}

void
permits_count_turn(ServerEntry *server, const WorkerSlot *slot)
{
	Assert(shared_is_locked());
	Assert(server->turn_left >= 0);
	if (server->turn_job == slot->job_index && server->turn_left > 0)
	{
		server->turn_left--;
		return;
	}
	server->turn_job = slot->job_index;
	server->turn_left = Max(server->requests_per_minute / TURNS_PER_MINUTE, 1) - 1;
	shared->jobs[slot->job_index].last_turn = ++shared->turns;
}
