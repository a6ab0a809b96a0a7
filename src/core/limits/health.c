/*-------------------------------------------------------------------------
 *
 * health.c
 *	  What a server bears: when it is to be left alone, and how many requests
 *	  it may have at once.
 *
 * Owns nothing: the caller has the memory, the clock, the dice and the lock.
 * Cannot fail.
 *
 * The limit is halved from what was in use rather than from the caps: they may
 * lie far above what is ever in flight.  What was in use is the most in flight
 * over this round trip and the last, a round trip being as many answers as were
 * in flight.
 *
 *-------------------------------------------------------------------------
 */
#include "limits/health.h"

#include "limits/backoff.h"

static int
min_int(int a, int b)
{
	return a < b ? a : b;
}

static int
max_int(int a, int b)
{
	return a > b ? a : b;
}

static int64_t
max_int64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
backoff_of(const HealthScene *scene, int times)
{
	return backoff_us(scene->backoff_base_us, scene->backoff_max_us, times);
}

static int
in_use(const Health *health, int cap)
{
	return max_int(1, min_int(max_int(health->peak, health->last_peak), health_limit(health, cap)));
}

void
health_sent(Health *health, int in_flight)
{
	health->peak = max_int(health->peak, in_flight);
}

/* The limit climbs; at the caps it is none any more. */
static void
climb(Health *health, int cap)
{
	health->limit++;
	if (health->limit >= cap)
		health->limit = 0;
}

/* One more answer: does it end a round trip? */
static void
count_answer(Health *health, const HealthReport *report, int cap)
{
	int			whole = health->limit > 0 ? health->limit : max_int(health->peak, 1);

	/* What was sent before the pause tells nothing of the time after it. */
	if (report->sent_at < health->paused_since)
		return;
	if (health->limit > 0 && health->limit < health->fast_below)
		climb(health, cap);
	if (++health->answers < whole)
		return;
	health->answers = 0;
	health->last_peak = health->peak;
	health->peak = 0;
	health->episodes = 0;
	if (health->limit > 0 && health->limit >= health->fast_below)
		climb(health, cap);
}

/* The server is there. */
static void
end_failures(Health *health, const HealthReport *report, const HealthScene *scene)
{
	health->answered = true;
	health->last_answer_at = scene->now;
	health->answered_sent_at = max_int64(health->answered_sent_at, report->sent_at);
	health->failing_since = 0;
	health->failed = 0;
	health->unreached = 0;
	if (!health->out)
		return;
	health->out = false;
	health->probes = 0;
	health->paused_until = scene->now;
}

static void
pause_until(Health *health, int64_t until, int64_t now)
{
	health->throttled_us += until - max_int64(health->paused_until, now);
	health->paused_until = until;
}

static void
note_throttled(Health *health, const HealthReport *report, const HealthScene *scene)
{
	int64_t		wait = report->wait_us;

	if (report->sent_at < health->paused_since)
	{
		/*
		 * Known already.  But the server's own word on how long counts, the
		 * longest one.
		 */
		if (wait > 0 && scene->now + wait > health->paused_until)
			pause_until(health, scene->now + wait, scene->now);
		return;
	}
	health->limit = max_int(1, in_use(health, scene->cap) / 2);
	health->fast_below = 0;
	health->answers = 0;
	health->peak = 0;
	health->last_peak = 0;
	if (wait <= 0)
		wait = (int64_t) (scene->chance * (double) backoff_of(scene, health->episodes));
	health->episodes++;
	health->paused_since = scene->now;
	pause_until(health, scene->now + wait, scene->now);
}

/* From half of the backoff to all of it: probes are to be seldom, but not in step. */
static void
wait_for_probe(Health *health, const HealthScene *scene)
{
	int64_t		wait = backoff_of(scene, health->probes);

	health->paused_until = scene->now + wait / 2 + (int64_t) (scene->chance * (double) (wait / 2));
}

static void
begin_outage(Health *health, const HealthScene *scene)
{
	/* What is left of a pause by throttling gives way to this one. */
	health->throttled_us = health_throttled_us(health, scene->now);
	health->fast_below = in_use(health, scene->cap);
	health->limit = 1;
	health->answers = 0;
	health->out = true;
	health->refusals = 0;
	health->out_since = scene->now;
	health->paused_since = scene->now;
	health->probes = 0;
	health->outages++;
	wait_for_probe(health, scene);
}

/* Returns whether the request is to be charged. */
static bool
note_failure(Health *health, const HealthReport *report, const HealthScene *scene)
{
	bool		reached = report->sign == HEALTH_FAILED;

	if (health->out)
	{
		if (report->sent_at < health->out_since)
			return false;
		health->probes++;
		if (!health->refused)
			health->refusals = 0;
		health->refused = false;
		wait_for_probe(health, scene);
		return reached && scene->now - health->failing_since >= HEALTH_PATIENCE_US;
	}

	/* Others were answered meanwhile: it is this one's trouble. */
	if (report->sent_at <= health->last_answer_at)
		return reached;

	if (health->failing_since == 0)
		health->failing_since = scene->now;
	if (report->first_failure)
		health->failed++;
	if (!reached)
		health->unreached++;
	if (health->failed >= HEALTH_OUT_AFTER || health->unreached >= HEALTH_OUT_AFTER_UNREACHED)
	{
		begin_outage(health, scene);
		return false;
	}
	return reached;
}

bool
health_note(Health *health, const HealthReport *report, const HealthScene *scene)
{
	switch (report->sign)
	{
		case HEALTH_ANSWERED:
			end_failures(health, report, scene);
			count_answer(health, report, scene->cap);
			return false;
		case HEALTH_THROTTLED:
			end_failures(health, report, scene);
			note_throttled(health, report, scene);
			return false;
		case HEALTH_FAILED:
		case HEALTH_UNREACHED:
			return note_failure(health, report, scene);
		case HEALTH_NO_SIGN:
			break;
	}
	return true;
}

HealthBlame
health_blame(const Health *health, int64_t failed_at, uint32_t outages)
{
	if (health->outages != outages)
		return HEALTH_BLAME_SERVER;
	return health->answered_sent_at > failed_at ? HEALTH_BLAME_REQUEST : HEALTH_BLAME_OPEN;
}

int
health_limit(const Health *health, int cap)
{
	return health->limit > 0 ? min_int(health->limit, cap) : cap;
}

bool
health_others_pass(Health *health, bool may_pass, int64_t sent_at)
{
	if (health->out && sent_at >= health->out_since)
	{
		health->refused = true;
		if (++health->refusals >= HEALTH_HOPELESS_PROBES)
			return false;
	}
	return may_pass || health->answered;
}

int64_t
health_pause(const Health *health, int64_t now)
{
	return max_int64(health->paused_until - now, 0);
}

int64_t
health_throttled_us(const Health *health, int64_t now)
{
	/* An outage's pauses are none of it. */
	return health->throttled_us - (health->out ? 0 : health_pause(health, now));
}

void
health_forget(Health *health, int64_t now)
{
	Health		blank = {0};

	blank.throttled_us = health_throttled_us(health, now);
	blank.outages = health->outages;
	/* What was sent to the other one says nothing of this one. */
	blank.paused_since = now;
	blank.last_answer_at = now;
	*health = blank;
}
