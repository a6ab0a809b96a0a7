/*-------------------------------------------------------------------------
 *
 * permits.c
 *	  Permits to send: the caps, rates and health of jobs, servers and the cluster.
 *
 * Here they are taken and given back.  What a server bears, and how its requests ended, is in
 * permits_server.c; whose permits they are, where several want them, in permits_share.c and
 * permits_turns.c; and who tries a server that is out in permits_probe.c.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/permits_internal.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "common/settings.h"

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

	Assert(shared_is_locked());
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

/* Time waited for a throttled server counts once for a job, whichever worker asks. */
static void
count_throttled(WorkerSlot *slot, int server_index, int64 now)
{
	JobEntry   *job = &shared->jobs[slot->job_index];
	const Health *health = &shared->servers[server_index].health;

	Assert(shared_is_locked());
	if (job->throttled_from != 0 && !health->out)
		slot->throttled_us += Max(Min(now, health->paused_until) - job->throttled_from, 0);
	if (job->throttled_from != 0)
		job->throttled_from = now;
}

/* There is no permit now. */
static bool
deny(Refusal *refusal, WaitingFor waiting_for, int64 wait_us)
{
	refusal->waiting_for = waiting_for;
	refusal->wait_us = wait_us;
	return false;
}

/* Decide, with the lock held. */
static bool
take(WorkerSlot *slot, ServerEntry *server, int64 tokens, int64 now, Refusal *refusal)
{
	int64		pause = health_pause(&server->health, now);
	int64		wait_us = 0;
	PermitUsage usage;

	Assert(shared_is_locked());
	if (pause > 0 || (server->health.out && permits_is_probed(server)))
		return deny(refusal, WAITING_SERVER, pause > 0 ? pause : CLOCK_NEVER);
	usage = permits_sum_usage(slot);
	if (!permits_below_caps(slot, &usage))
		return deny(refusal, WAITING_CAP, CLOCK_NEVER);
	if (rates_are_free(server, now) && permits_must_wait_turn(slot, &usage, now))
		return deny(refusal, permits_has_rates(server) ? WAITING_RATE : WAITING_CAP,
					PERMITS_TURN_US);
	if (!below_rates(server, tokens, now, &wait_us))
		return deny(refusal, WAITING_RATE, wait_us);
	refusal->waiting_for = WAITING_NOTHING;
	refusal->wait_us = 0;
	health_sent(&server->health, usage.server + 1);
	return true;
}

bool
permits_take(int slot_index, int server_index, int64 tokens, Refusal *refusal)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	ServerEntry *server = &shared->servers[server_index];
	int64		now;
	bool		taken;

	shared_lock();
	Assert(slot->pid == MyProcPid && slot->server_index == server_index);
	now = clock_now();
	count_throttled(slot, server_index, now);
	slot->invited_at = 0;
	taken = take(slot, server, tokens, now, refusal);
	slot->wants = !taken;
	slot->waiting_for = refusal->waiting_for;
	shared->jobs[slot->job_index].throttled_from =
		refusal->waiting_for == WAITING_SERVER && !server->health.out ? now : 0;
	if (taken)
	{
		slot->in_flight++;
		server->requests++;
		permits_count_turn(server, slot);
		if (server->health.out)
			permits_begin_probe(server, slot);
	}
	shared_unlock();
	return taken;
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
permits_return_unused(int slot_index, int server_index, int64 tokens, int64 taken_at,
					  bool was_sent)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	ServerEntry *server = &shared->servers[server_index];

	shared_lock();
	Assert(slot->in_flight > 0);
	slot->in_flight--;
	if (!was_sent && server->requests > 0)	/* 0: it was made anew since */
		server->requests--;
	return_tokens(server, tokens, taken_at);
	if (permits_is_prober(server, slot) && taken_at >= server->health.out_since)
		permits_end_probe(server);
	shared_unlock();
	permits_wake_waiting(slot_index);
}

/* Decide, with the lock held. */
static int
excess(const WorkerSlot *slot, const ServerEntry *server, int64 now)
{
	PermitUsage usage = permits_sum_usage(slot);
	int			more;

	Assert(shared_is_locked());
	if (health_pause(&server->health, now) > 0)
		return slot->in_flight;
	/* Who probes it has nothing that is unsent but the probe. */
	if (server->health.out)
		return permits_is_probed(server) && permits_is_prober(server, slot) ? 0 : slot->in_flight;
	more = Max(usage.job - shared->jobs[slot->job_index].concurrency,
			   usage.cluster - settings_max_concurrency);
	more = Max(more, usage.server - permits_server_cap(server));
	return Max(Min(more, slot->in_flight), 0);
}

int
permits_excess(int slot_index, int server_index)
{
	int			more;

	shared_lock();
	more = excess(&shared->slots[slot_index], &shared->servers[server_index], clock_now());
	shared_unlock();
	return more;
}

bool
permits_server_is_out(int server_index)
{
	bool		out;

	shared_lock();
	out = shared->servers[server_index].health.out;
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
	{
		if (slot != &shared->slots[slot_index] && slot->wants)
			return true;
	}
	return false;
}

void
permits_want_nothing(int slot_index, int server_index)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	shared_lock();
	count_throttled(slot, server_index, clock_now());
	if (!others_want(slot_index))
		shared->jobs[slot->job_index].throttled_from = 0;
	slot->wants = false;
	slot->waiting_for = WAITING_NOTHING;
	shared_unlock();
}

int64
permits_throttled(int slot_index, int server_index)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	int64		throttled_us;

	shared_lock();
	count_throttled(slot, server_index, clock_now());
	throttled_us = slot->throttled_us;
	slot->throttled_us = 0;
	shared_unlock();
	return throttled_us;
}
