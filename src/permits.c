/*-------------------------------------------------------------------------
 *
 * permits.c
 *	  Permits to send: the caps and rates of jobs, servers and the cluster.
 *
 * Permits are counted in the slot of the worker that holds them, and sums are
 * made by going over the slots: so they return by themselves when a worker
 * dies, and no total can drift.  There are as many slots as the cluster has
 * background workers, some tens.
 *
 * Jobs that compete for a cap get equal shares of it, rounded up, so that a
 * small job is not starved by a large one.
 *
 *-------------------------------------------------------------------------
 */
#include "permits.h"


#include "miscadmin.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "settings.h"

/* Requests in flight, and how many jobs want more or have some. */
typedef struct Usage
{
	int			cluster;
	int			cluster_jobs;
	int			server;
	int			server_jobs;
	int			job;
} Usage;

static void
reset_statistics(ServerEntry *entry)
{
	entry->stats_reset = GetCurrentTimestamp();
	entry->requests = entry->throttled = entry->errors = 0;
	entry->bytes_in = entry->bytes_out = entry->tokens = 0;
	memset(entry->answers, 0, sizeof(entry->answers));
	memset(&entry->latency, 0, sizeof(entry->latency));
}

static bool
server_is_used(int server_index)
{
	for (int i = 0; i < shared->slot_count; i++)
		if (shared->slots[i].in_use && shared->slots[i].server_index == server_index)
			return true;
	return false;
}

/* The server's entry, else a free one, else that of a server nobody uses; -1: none. */
static int
find_server(Oid server)
{
	int			unused = -1;

	for (int i = 0; i < SHARED_MAX_SERVERS; i++)
	{
		ServerEntry *entry = &shared->servers[i];

		if (entry->in_use && entry->database == MyDatabaseId && entry->server == server)
			return i;
		if (unused < 0 && !entry->in_use)
			unused = i;
	}
	for (int i = 0; i < SHARED_MAX_SERVERS && unused < 0; i++)
		if (!server_is_used(i))
			unused = i;
	if (unused >= 0)
	{
		ServerEntry *entry = &shared->servers[unused];

		memset(entry, 0, sizeof(*entry));
		entry->in_use = true;
		entry->database = MyDatabaseId;
		entry->server = server;
		reset_statistics(entry);
	}
	return unused;
}

void
permits_use_server(int slot_index, Oid server, int max_concurrency, int requests_per_minute,
				   int tokens_per_minute)
{
	int			index;

	shared_lock();
	index = find_server(server);
	if (index >= 0)
	{
		shared->servers[index].max_concurrency = max_concurrency;
		shared->servers[index].requests_per_minute = requests_per_minute;
		shared->servers[index].tokens_per_minute = tokens_per_minute;
		shared->slots[slot_index].server_index = index;
	}
	shared_unlock();
	if (index < 0)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("too many servers are in use at the same time"),
				errdetail("At most %d servers can have running jobs.", SHARED_MAX_SERVERS),
				errhint("Wait for jobs on other servers to finish."));
}

static Usage
sum_usage(const WorkerSlot *mine)
{
	static bool counted[SHARED_MAX_JOBS];
	Usage		usage = {0};

	memset(counted, 0, sizeof(counted));
	for (int i = 0; i < shared->slot_count; i++)
	{
		const WorkerSlot *slot = &shared->slots[i];
		bool		active;

		if (!slot->in_use)
			continue;
		usage.cluster += slot->in_flight;
		if (slot->server_index == mine->server_index)
			usage.server += slot->in_flight;
		if (slot->job_index == mine->job_index)
			usage.job += slot->in_flight;
		active = slot->in_flight > 0 || slot->wants || slot == mine;
		if (!active || counted[slot->job_index])
			continue;
		counted[slot->job_index] = true;
		usage.cluster_jobs++;
		if (slot->server_index == mine->server_index)
			usage.server_jobs++;
	}
	return usage;
}

static int
share(int cap, int jobs)
{
	return cap / jobs + (cap % jobs != 0);
}

/* Is there room under every cap?  Permits that others may still use are left to them. */
static bool
below_caps(const WorkerSlot *mine, const Usage *usage)
{
	const ServerEntry *server = &shared->servers[mine->server_index];

	if (usage->job >= shared->jobs[mine->job_index].concurrency)
		return false;
	if (usage->cluster >= settings_max_concurrency ||
		usage->job >= share(settings_max_concurrency, usage->cluster_jobs))
		return false;
	if (server->max_concurrency < 0)
		return true;
	return usage->server < server->max_concurrency &&
		usage->job < share(server->max_concurrency, usage->server_jobs);
}

/* May a request go now, by the server's rates?  Nothing is taken unless both allow it. */
static bool
below_rates(ServerEntry *server, int64 tokens, int64 *wait_us)
{
	int64		now = clock_now();
	int64_t		wait = 0;

	/* The order matters: a request that tokens hold back must not use up a turn. */
	if (server->tokens_per_minute > 0)
	{
		Quota		before = server->token_quota;

		if (!quota_take(&server->token_quota, server->tokens_per_minute, tokens, now, &wait))
		{
			*wait_us = wait;
			return false;
		}
		if (server->requests_per_minute > 0 &&
			!quota_take(&server->request_quota, server->requests_per_minute, 1, now, &wait))
		{
			server->token_quota = before;
			*wait_us = wait;
			return false;
		}
		return true;
	}
	if (server->requests_per_minute > 0 &&
		!quota_take(&server->request_quota, server->requests_per_minute, 1, now, &wait))
	{
		*wait_us = wait;
		return false;
	}
	return true;
}

/* Decide, with the lock held. */
static bool
take(WorkerSlot *slot, int64 tokens, WaitingFor *waiting_for, int64 *wait_us)
{
	Usage		usage = sum_usage(slot);

	if (!below_caps(slot, &usage))
	{
		*waiting_for = WAITING_CAP;
		*wait_us = CLOCK_NEVER;
		return false;
	}
	if (!below_rates(&shared->servers[slot->server_index], tokens, wait_us))
	{
		*waiting_for = WAITING_RATE;
		return false;
	}
	*waiting_for = WAITING_NOTHING;
	*wait_us = 0;
	return true;
}

bool
permits_take(int slot_index, int64 tokens, WaitingFor *waiting_for, int64 *wait_us)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	bool		taken;

	shared_lock();
	taken = take(slot, tokens, waiting_for, wait_us);
	slot->wants = !taken;
	slot->waiting_for = *waiting_for;
	if (taken)
	{
		slot->in_flight++;
		shared->servers[slot->server_index].requests++;
	}
	shared_unlock();
	return taken;
}

static void
count_answer(ServerEntry *server, const Answer *answer)
{
	server->bytes_in += answer->bytes_in;
	server->bytes_out += answer->bytes_out;
	server->tokens += answer->tokens;
	if (answer->status == 0)
	{
		server->errors++;
		return;
	}
	if (answer->status >= 100 && answer->status < 600)
		server->answers[answer->status / 100]++;
	if (answer->status == 429)
		server->throttled++;
	latency_add(&server->latency, answer->elapsed_us);
}

/* Wake the workers that a permit given back may help: which may go now depends on their caps. */
static void
wake_waiting(int slot_index)
{
	for (int i = 0; i < shared->slot_count; i++)
		if (i != slot_index && shared->slots[i].in_use && shared->slots[i].wants)
			shared_wake_workers(shared->slots[i].job_index);
}

void
permits_return_unused(int slot_index)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	shared_lock();
	slot->in_flight--;
	shared->servers[slot->server_index].requests--;
	shared_unlock();
	wake_waiting(slot_index);
}

void
permits_want_nothing(int slot_index)
{
	shared_lock();
	shared->slots[slot_index].wants = false;
	shared->slots[slot_index].waiting_for = WAITING_NOTHING;
	shared_unlock();
}

void
permits_give_back(int slot_index, const Answer *answers, int count)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	shared_lock();
	slot->in_flight -= count;
	for (int i = 0; i < count; i++)
		count_answer(&shared->servers[slot->server_index], &answers[i]);
	shared_unlock();
	wake_waiting(slot_index);
}

int
permits_effective(int job_concurrency, const ServerEntry *server)
{
	int			effective = Min(job_concurrency, settings_max_concurrency);

	if (server != NULL && server->max_concurrency >= 0)
		effective = Min(effective, server->max_concurrency);
	return effective;
}

int
permits_in_flight(int server_index)
{
	int			in_flight = 0;

	for (int i = 0; i < shared->slot_count; i++)
		if (shared->slots[i].in_use && shared->slots[i].server_index == server_index)
			in_flight += shared->slots[i].in_flight;
	return in_flight;
}
