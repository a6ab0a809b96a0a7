/*-------------------------------------------------------------------------
 *
 * permits_share.c
 *	  Who holds permits, and how many of them each may have: caps and shares.
 *
 * Permits are counted in the slot of the worker that holds them, and sums are
 * made by going over the slots: so they return by themselves when a worker
 * dies, and no total can drift.  There are as many slots as the cluster has
 * background workers, some tens.
 *
 * Jobs that compete for a cap get equal shares of it, rounded up, so that a
 * small job is not starved by a large one.  The workers of a job, each of which can
 * read and store on a core of its own what it has asked for, share what the job has
 * once one of them waits.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/permits_internal.h"

#include "common/settings.h"

/* Jobs by their indexes, to count each once. */
typedef struct JobSet
{
	uint64		members[SHARED_MAX_JOBS / 64];
} JobSet;

/* False: it was there before. */
static bool
job_set_add(JobSet *set, int job_index)
{
	uint64	   *word = &set->members[job_index / 64];
	uint64		bit = UINT64CONST(1) << (job_index % 64);
	bool		is_new = (*word & bit) == 0;

	*word |= bit;
	return is_new;
}

static void
count_worker(const WorkerSlot *slot, const WorkerSlot *mine, bool active, PermitUsage *usage)
{
	if (slot->job_index != mine->job_index)
		return;
	usage->job += slot->in_flight;
	if (slot->server_index == mine->server_index)
		usage->job_at_server += slot->in_flight;
	usage->job_workers += active;
	if (slot != mine && slot->wants && slot->waiting_for == WAITING_CAP)
		usage->least_waiting = Min(usage->least_waiting, slot->in_flight);
}

PermitUsage
permits_sum_usage(const WorkerSlot *mine)
{
	JobSet		in_cluster = {0};
	JobSet		at_server = {0};
	PermitUsage usage = {.least_waiting = PG_INT32_MAX};

	Assert(shared_is_locked());
	foreach_slot(slot)
	{
		bool		active = slot->in_flight > 0 || slot->wants || slot == mine;
		bool		same_server = slot->server_index == mine->server_index;

		usage.cluster += slot->in_flight;
		usage.server += same_server ? slot->in_flight : 0;
		count_worker(slot, mine, active, &usage);

		/*
		 * Of one job's workers some may have seen that its server was made
		 * anew, and some not.
		 */
		usage.cluster_jobs += active && job_set_add(&in_cluster, slot->job_index);
		usage.server_jobs += active && same_server && job_set_add(&at_server, slot->job_index);
	}
	return usage;
}

int
permits_share(int permits, int count)
{
	Assert(count > 0);
	return permits / count + (permits % count != 0);
}

int
permits_server_cap(const ServerEntry *server)
{
	int			cap = server->max_concurrency < 0 ? PG_INT32_MAX : server->max_concurrency;

	Assert(shared_is_locked());
	return server->health.out ? cap : health_limit(&server->health, cap);
}

/*
 * How many of its job's permits a worker may have, while another one waits: its share,
 * rounded down so that something is left for that one; or as many as that one then has.
 */
static int
worker_share(int permits, const PermitUsage *usage)
{
	if (usage->least_waiting == PG_INT32_MAX)
		return PG_INT32_MAX;
	return Max(permits / usage->job_workers, usage->least_waiting + 1);
}

bool
permits_below_caps(const WorkerSlot *mine, const PermitUsage *usage)
{
	int			cap = permits_server_cap(&shared->servers[mine->server_index]);
	int			at_server = permits_share(cap, usage->server_jobs);
	int			in_cluster = permits_share(settings_max_concurrency, usage->cluster_jobs);
	int			most = Min(shared->jobs[mine->job_index].concurrency, in_cluster);

	Assert(mine->in_flight >= 0 && usage->job >= mine->in_flight);
	Assert(usage->cluster >= usage->job && usage->server >= usage->job_at_server);
	if (usage->job >= most || usage->cluster >= settings_max_concurrency)
		return false;
	if (usage->server >= cap || usage->job_at_server >= at_server)
		return false;
	return mine->in_flight < worker_share(Min(most, at_server), usage);
}

int
permits_effective(int job_concurrency, const ServerEntry *server)
{
	int			effective = Min(job_concurrency, settings_max_concurrency);

	Assert(shared_is_locked() || server < shared->servers ||
		   server >= shared->servers + SHARED_MAX_SERVERS);
	if (server == NULL)
		return effective;
	if (server->max_concurrency >= 0)
		effective = Min(effective, server->max_concurrency);
	return health_limit(&server->health, effective);
}

int
permits_in_flight(int server_index)
{
	int			in_flight = 0;

	Assert(shared_is_locked());
	Assert(server_index >= 0);
	foreach_slot_of_server(slot, server_index)
	{
		in_flight += slot->in_flight;
	}
	return in_flight;
}

int
permits_cap_without_limit(int server_index)
{
	JobSet		counted = {0};
	const ServerEntry *server = &shared->servers[server_index];
	int64		cap = 0;

	Assert(shared_is_locked());
	foreach_slot_of_server(slot, server_index)
	{
		if (job_set_add(&counted, slot->job_index))
			cap += shared->jobs[slot->job_index].concurrency;
	}
	cap = Min(cap, settings_max_concurrency);
	return (int) (server->max_concurrency < 0 ? cap : Min(cap, server->max_concurrency));
}

void
permits_wake_waiting(int slot_index)
{
	foreach_slot(slot)
	{
		if (slot != &shared->slots[slot_index] && slot->wants && slot->waiting_for == WAITING_CAP)
			shared_wake_worker(slot);
	}
}
