/*-------------------------------------------------------------------------
 *
 * permits.c
 *	  Permits to send: the caps, rates and health of jobs, servers and the cluster.
 *
 * Permits are counted in the slot of the worker that holds them, and sums are
 * made by going over the slots: so they return by themselves when a worker
 * dies, and no total can drift.  There are as many slots as the cluster has
 * background workers, some tens.
 *
 * Jobs that compete for a cap get equal shares of it, rounded up, so that a
 * small job is not starved by a large one.  The workers of a job, each of which can
 * read and store on a core of its own what it has asked for, share what the job has
 * once one of them waits.  Where that is not enough, because
 * there are more jobs than the cap has permits or because a rate is shared, they
 * take turns: a worker that could send lets the job go first that has waited
 * longest, and wakes it.  If that does not come in time it is passed over until it
 * asks again: no turn is kept for a worker that is busy storing.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/permits_internal.h"

#include "base/clock.h"
#include "common/settings.h"

/* How long a turn is kept for a job that was woken to take it. */
#define TURN_GRACE_US 10000

/* A turn is as many requests as a rate allows in a hundredth of a second: few wakes suffice. */
#define TURNS_PER_MINUTE 6000

/* Requests in flight, and how many jobs want more or have some. */
typedef struct Usage
{
	int			cluster;
	int			cluster_jobs;
	int			server;
	int			server_jobs;
	int			job;
	int			job_at_server;	/* not those to a server that was made anew since they went */
	int			job_workers;	/* of this job, that want more or have some */
	int			least_waiting;	/* the fewest in flight of its other workers that wait for a cap */
} Usage;

static void
count_worker(const WorkerSlot *slot, const WorkerSlot *mine, bool active, Usage *usage)
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

static Usage
sum_usage(const WorkerSlot *mine)
{
	JobSet		in_cluster = {0};
	JobSet		at_server = {0};
	Usage		usage = {.least_waiting = PG_INT32_MAX};

	Assert(shared_is_locked());
	foreach_slot(slot)
	{
		bool		active = slot->in_flight > 0 || slot->wants || slot == mine;
		bool		same_server = slot->server_index == mine->server_index;

		usage.cluster += slot->in_flight;
		usage.server += same_server ? slot->in_flight : 0;
		count_worker(slot, mine, active, &usage);
		/* Of one job's workers some may have seen that its server was made anew, and some not. */
		usage.cluster_jobs += active && job_set_add(&in_cluster, slot->job_index);
		usage.server_jobs += active && same_server && job_set_add(&at_server, slot->job_index);
	}
	return usage;
}

int
permits_share(int permits, int count)
{
	return permits / count + (permits % count != 0);
}

/* The most requests in flight to a server; its probes go beside those still on their way. */
static int
server_cap(const ServerEntry *server)
{
	int			cap = server->max_concurrency < 0 ? PG_INT32_MAX : server->max_concurrency;

	return server->health.out ? cap : health_limit(&server->health, cap);
}

/*
 * How many of its job's permits a worker may have, while another one waits: its share,
 * rounded down so that something is left for that one; or as many as that one then has.
 */
static int
worker_share(int permits, const Usage *usage)
{
	if (usage->least_waiting == PG_INT32_MAX)
		return PG_INT32_MAX;
	return Max(permits / usage->job_workers, usage->least_waiting + 1);
}

/*
 * Is there room under every cap?  Permits that others may still use are left to
 * them: other jobs their share, and other workers of the job theirs.
 */
static bool
below_caps(const WorkerSlot *mine, const Usage *usage)
{
	int			cap = server_cap(&shared->servers[mine->server_index]);
	int			at_server = permits_share(cap, usage->server_jobs);
	int			in_cluster = permits_share(settings_max_concurrency, usage->cluster_jobs);
	int			most = Min(shared->jobs[mine->job_index].concurrency, in_cluster);

	if (usage->job >= most || usage->cluster >= settings_max_concurrency)
		return false;
	if (usage->server >= cap || usage->job_at_server >= at_server)
		return false;
	return mine->in_flight < worker_share(Min(most, at_server), usage);
}

static bool
has_rates(const ServerEntry *server)
{
	return server->requests_per_minute > 0 || server->tokens_per_minute > 0;
}

/* Is nothing to be waited off, but perhaps by a request of many tokens? */
static bool
rates_are_free(const ServerEntry *server, int64 now)
{
	return (server->requests_per_minute <= 0 || server->request_quota.free_at <= now) &&
		(server->tokens_per_minute <= 0 || server->token_quota.free_at <= now);
}

/* May a request go now, by the server's rates?  Nothing is taken unless both allow it. */
static bool
below_rates(ServerEntry *server, int64 tokens, int64 now, int64 *wait_us)
{
	Quota		before = server->request_quota;
	int64_t		wait = 0;
	bool		taken = true;

	if (server->requests_per_minute > 0)
		taken = quota_take(&server->request_quota, server->requests_per_minute, 1, now, &wait);
	if (taken && server->tokens_per_minute > 0)
		taken = quota_take_within(&server->token_quota, &server->token_window,
								  server->tokens_per_minute, Max(tokens, 1), now, &wait);
	if (!taken)
		server->request_quota = before;
	*wait_us = wait;
	return taken;
}

/* Is there a probe of a server that is out on its way?  It counts as long as its worker lives. */
static bool
is_being_probed(const ServerEntry *server)
{
	const WorkerSlot *prober = &shared->slots[server->probe_slot];

	return server->probe_generation != 0 && prober->in_use && prober->in_flight > 0 &&
		prober->generation == server->probe_generation;
}

/*
 * Turns.
 */

static int
job_in_flight(int job_index)
{
	int			in_flight = 0;

	Assert(shared_is_locked());
	foreach_slot_of_job(slot, job_index)
		in_flight += slot->in_flight;
	return in_flight;
}

/* Do more jobs want something of the cluster than its cap allows? */
static bool
cluster_is_short(const Usage *usage)
{
	return settings_max_concurrency < usage->cluster_jobs;
}

/* Could this worker, which waits, send in my place? */
static bool
could_go_instead(const WorkerSlot *other, const WorkerSlot *mine, const Usage *usage)
{
	int			cap = shared->jobs[other->job_index].concurrency;

	if (!other->wants || other->job_index == mine->job_index ||
		other->waiting_for == WAITING_SERVER)
		return false;
	if (other->server_index == mine->server_index)
		cap = Min(cap, permits_share(server_cap(&shared->servers[mine->server_index]),
									 usage->server_jobs));
	else if (!cluster_is_short(usage) || other->waiting_for != WAITING_CAP)
		return false;
	cap = Min(cap, permits_share(settings_max_concurrency, usage->cluster_jobs));
	return job_in_flight(other->job_index) < cap;
}

/* Is it another job's turn?  Then that is woken. */
static bool
must_let_go_first(const WorkerSlot *mine, const Usage *usage, int64 now)
{
	const ServerEntry *server = &shared->servers[mine->server_index];
	uint64		my_turn = shared->jobs[mine->job_index].last_turn;

	Assert(shared_is_locked());
	if (server_cap(server) >= usage->server_jobs && !has_rates(server) &&
		!cluster_is_short(usage))
		return false;
	if (server->turn_job == mine->job_index && server->turn_left > 0)
		return false;
	foreach_slot(other)
	{
		if (!could_go_instead(other, mine, usage) ||
			shared->jobs[other->job_index].last_turn >= my_turn ||
			(other->invited_at != 0 && now - other->invited_at >= TURN_GRACE_US))
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

static void
count_turn(ServerEntry *server, const WorkerSlot *slot)
{
	Assert(shared_is_locked());
	if (server->turn_job == slot->job_index && server->turn_left > 0)
	{
		server->turn_left--;
		return;
	}
	server->turn_job = slot->job_index;
	server->turn_left = Max(server->requests_per_minute / TURNS_PER_MINUTE, 1) - 1;
	shared->jobs[slot->job_index].last_turn = ++shared->turns;
}

/*
 * Taking.
 */

/* Time waited for a throttled server counts once for a job, whichever worker asks. */
static void
count_throttled(WorkerSlot *slot, int64 now)
{
	JobEntry   *job = &shared->jobs[slot->job_index];
	const Health *health = &shared->servers[slot->server_index].health;

	Assert(shared_is_locked());
	if (job->throttled_from != 0 && !health->out)
		slot->throttled_us += Max(Min(now, health->paused_until) - job->throttled_from, 0);
	if (job->throttled_from != 0)
		job->throttled_from = now;
}

/* Decide, with the lock held. */
static bool
take(WorkerSlot *slot, int64 tokens, int64 now, Refusal *refusal)
{
	ServerEntry *server = &shared->servers[slot->server_index];
	int64		pause = health_pause(&server->health, now);
	Usage		usage;

	Assert(shared_is_locked());
	if (pause > 0 || (server->health.out && is_being_probed(server)))
	{
		*refusal = (Refusal) {WAITING_SERVER, pause > 0 ? pause : CLOCK_NEVER};
		return false;
	}
	usage = sum_usage(slot);
	if (!below_caps(slot, &usage))
	{
		*refusal = (Refusal) {WAITING_CAP, CLOCK_NEVER};
		return false;
	}
	if (rates_are_free(server, now) && must_let_go_first(slot, &usage, now))
	{
		*refusal = (Refusal) {has_rates(server) ? WAITING_RATE : WAITING_CAP, TURN_GRACE_US};
		return false;
	}
	*refusal = (Refusal) {WAITING_RATE, 0};
	if (!below_rates(server, tokens, now, &refusal->wait_us))
		return false;
	*refusal = (Refusal) {WAITING_NOTHING, 0};
	health_sent(&server->health, usage.server + 1);
	return true;
}

bool
permits_take(int slot_index, int64 tokens, Refusal *refusal)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	ServerEntry *server;
	int64		now;
	bool		taken;

	shared_lock();
	server = &shared->servers[slot->server_index];
	now = clock_now();
	count_throttled(slot, now);
	slot->invited_at = 0;
	taken = take(slot, tokens, now, refusal);
	slot->wants = !taken;
	slot->waiting_for = refusal->waiting_for;
	shared->jobs[slot->job_index].throttled_from =
		refusal->waiting_for == WAITING_SERVER && !server->health.out ? now : 0;
	if (taken)
	{
		slot->in_flight++;
		server->requests++;
		count_turn(server, slot);
		if (server->health.out)
		{
			server->probe_slot = slot_index;
			server->probe_generation = slot->generation;
		}
	}
	shared_unlock();
	return taken;
}

void
permits_wake_waiting(int slot_index)
{
	foreach_slot(slot)
		if (slot != &shared->slots[slot_index] && slot->wants && slot->waiting_for == WAITING_CAP)
			shared_wake_worker(slot);
}

/*
 * The tokens of a request that was not sent are free again.  The request itself is not, it
 * comes later: spacing keeps the rate only as long as no take is undone (see quota.c).  The
 * caller holds the lock.
 */
static void
return_tokens(ServerEntry *server, int64 tokens, int64 taken_at)
{
	Assert(shared_is_locked());
	if (server->tokens_per_minute > 0)
		quota_correct(&server->token_quota, &server->token_window, server->tokens_per_minute,
					  taken_at, Max(tokens, 1), 0);
}

void
permits_return_unused(int slot_index, int64 tokens, int64 taken_at, bool was_sent)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	ServerEntry *server = &shared->servers[slot->server_index];

	shared_lock();
	Assert(slot->in_flight > 0);
	slot->in_flight--;
	if (!was_sent && server->requests > 0)	/* 0: it was made anew since */
		server->requests--;
	return_tokens(server, tokens, taken_at);
	if (server->probe_slot == slot_index && server->probe_generation == slot->generation &&
		taken_at >= server->health.out_since)
	{
		server->probe_generation = 0;
		permits_wake_users(slot->server_index);
	}
	shared_unlock();
	permits_wake_waiting(slot_index);
}

/* Decide, with the lock held. */
static int
excess(const WorkerSlot *slot, int64 now)
{
	const ServerEntry *server = &shared->servers[slot->server_index];
	Usage		usage = sum_usage(slot);
	int			more;

	Assert(shared_is_locked());
	if (health_pause(&server->health, now) > 0)
		return slot->in_flight;
	/* Who probes it has nothing that is unsent but the probe. */
	if (server->health.out)
		return is_being_probed(server) && server->probe_generation == slot->generation
			? 0 : slot->in_flight;
	more = Max(usage.job - shared->jobs[slot->job_index].concurrency,
			   usage.cluster - settings_max_concurrency);
	more = Max(more, usage.server - server_cap(server));
	return Max(Min(more, slot->in_flight), 0);
}

int
permits_excess(int slot_index)
{
	int			more;

	shared_lock();
	more = excess(&shared->slots[slot_index], clock_now());
	shared_unlock();
	return more;
}

bool
permits_server_is_out(int slot_index)
{
	bool		out;

	shared_lock();
	out = shared->servers[shared->slots[slot_index].server_index].health.out;
	shared_unlock();
	return out;
}

void
permits_return_answered(int slot_index, int count)
{
	shared_lock();
	Assert(shared->slots[slot_index].in_flight >= count);
	shared->slots[slot_index].in_flight -= count;
	shared_unlock();
	permits_wake_waiting(slot_index);
}

/* Does another worker of the job wait for a permit? */
static bool
others_want(int slot_index)
{
	Assert(shared_is_locked());
	foreach_slot_of_job(slot, shared->slots[slot_index].job_index)
		if (slot != &shared->slots[slot_index] && slot->wants)
			return true;
	return false;
}

void
permits_want_nothing(int slot_index)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	shared_lock();
	count_throttled(slot, clock_now());
	if (!others_want(slot_index))
		shared->jobs[slot->job_index].throttled_from = 0;
	slot->wants = false;
	slot->waiting_for = WAITING_NOTHING;
	shared_unlock();
}

int64
permits_throttled(int slot_index)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	int64		throttled_us;

	shared_lock();
	count_throttled(slot, clock_now());
	throttled_us = slot->throttled_us;
	slot->throttled_us = 0;
	shared_unlock();
	return throttled_us;
}

int
permits_effective(int job_concurrency, const ServerEntry *server)
{
	int			effective = Min(job_concurrency, settings_max_concurrency);

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
	foreach_slot_of_server(slot, server_index)
		in_flight += slot->in_flight;
	return in_flight;
}
