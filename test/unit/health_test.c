/*-------------------------------------------------------------------------
 *
 * health_test.c
 *	  Unit tests of health.c, on a simulated clock.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "limits/health.h"
#include "tap.h"

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define START (1000 * SECOND)

static Health health;
static int64_t now;
static int	cap;
static double chance;

static void
begin(int the_cap)
{
	memset(&health, 0, sizeof(health));
	now = START;
	cap = the_cap;
	chance = 1;
}

static HealthScene
scene(void)
{
	return (HealthScene) {now, SECOND, 60 * SECOND, cap, chance};
}

/* So many go out; returns when. */
static int64_t
send(int count)
{
	health_sent(&health, count);
	return now;
}

static bool
note(HealthSign sign, int64_t sent_at, int64_t wait_us, bool first)
{
	HealthReport report = {sign, first, sent_at, wait_us};
	HealthScene the_scene = scene();

	return health_note(&health, &report, &the_scene);
}

static void
answers(int count, int64_t sent_at)
{
	while (count-- > 0)
		(void) note(HEALTH_ANSWERED, sent_at, 0, false);
}

static int
limit(void)
{
	return health_limit(&health, cap);
}

/* A round trip of 10 ms: as many as may be in flight are sent and answered. */
static void
round_trip(void)
{
	int			count = limit();
	int64_t		sent_at = send(count);

	now += 10 * MS;
	answers(count, sent_at);
}

static void
wait_out_pause(void)
{
	now += health_pause(&health, now);
}

static void
test_halving(void)
{
	int64_t		sent_at;

	begin(16);
	is_int(limit(), 16, "at first the cap counts");
	round_trip();
	sent_at = send(16);
	now += 10 * MS;
	ok(!note(HEALTH_THROTTLED, sent_at, 2 * SECOND, false), "throttling is not charged");
	is_int(limit(), 8, "the limit falls by half");
	is_int(health_pause(&health, now), 2 * SECOND, "the pause is as long as asked");
	for (int i = 0; i < 15; i++)
		(void) note(HEALTH_THROTTLED, sent_at, 2 * SECOND, false);
	is_int(limit(), 8, "those on their way then do not halve it again");
	is_int(health_pause(&health, now), 2 * SECOND, "nor make the pause longer");
	now += SECOND;
	(void) note(HEALTH_THROTTLED, sent_at, 0, false);
	is_int(health_pause(&health, now), SECOND, "nor without a wish of their own");
	(void) note(HEALTH_THROTTLED, sent_at, 3 * SECOND, false);
	is_int(health_pause(&health, now), 3 * SECOND, "a longer wish is heeded");
	is_int(limit(), 8, "and halves nothing");
	now += 3 * SECOND;
	is_int(health_pause(&health, now), 0, "it ends");
	is_int(health_throttled_us(&health, now), 4 * SECOND, "it is counted once");
	answers(100, sent_at);
	is_int(limit(), 8, "answers to what went before it raise nothing");

	for (int expected = 4; expected > 0; expected /= 2)
	{
		(void) note(HEALTH_THROTTLED, send(8), SECOND, false);
		is_int(limit(), expected, "a new episode halves again");
		wait_out_pause();
	}
	(void) note(HEALTH_THROTTLED, send(1), SECOND, false);
	is_int(limit(), 1, "but not below one");
}

static void
test_climb(void)
{
	bool		steps = true;

	begin(16);
	(void) note(HEALTH_THROTTLED, send(16), SECOND, false);
	wait_out_pause();
	for (int expected = 9; expected <= 16; expected++)
	{
		round_trip();
		steps = steps && limit() == expected;
	}
	ok(steps, "it climbs by one a round trip");
	is_int(health.limit, 0, "at the cap there is no limit any more");
	cap = 64;
	is_int(limit(), 64, "so a raised cap counts at once");

	(void) note(HEALTH_THROTTLED, send(10), SECOND, false);
	is_int(limit(), 7, "half of what was in use lately, not of the cap");
	cap = 4;
	is_int(limit(), 4, "a lower cap counts");
	wait_out_pause();
	round_trip();
	round_trip();
	is_int(health.limit, 0, "and does away with the limit");

	begin(1000);
	for (int i = 0; i < 20; i++)
		(void) send(i), answers(1, now);
	(void) note(HEALTH_THROTTLED, send(3), SECOND, false);
	ok(limit() >= 5 && limit() <= 10, "in use is what a round trip has seen");
}

static void
test_backoff(void)
{
	static const int64_t pauses[] = {1, 2, 4, 8, 16, 32, 60, 60};
	bool		good = true;

	begin(4);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
	{
		(void) note(HEALTH_THROTTLED, send(1), 0, false);
		good = good && health_pause(&health, now) == pauses[i] * SECOND;
		wait_out_pause();
	}
	ok(good, "without a wish it backs off exponentially, up to backoff_max");
	chance = 0.25;
	(void) note(HEALTH_THROTTLED, send(1), 0, false);
	is_int(health_pause(&health, now), 15 * SECOND, "with full jitter");
	wait_out_pause();
	round_trip();
	chance = 1;
	(void) note(HEALTH_THROTTLED, send(1), 0, false);
	is_int(health_pause(&health, now), SECOND, "from the start again after a good round trip");
}

/* Every second answer is "too many" for a minute. */
static void
test_storm(void)
{
	int			done = 0;
	int			throttled = 0;
	bool		turn = false;

	begin(32);
	while (now < START + 60 * SECOND)
	{
		int			count = limit();
		int64_t		sent_at;

		wait_out_pause();
		sent_at = send(count);
		now += 50 * MS;
		chance = (double) random() / RAND_MAX;
		for (; count > 0; count--)
		{
			turn = !turn;
			(void) note(turn ? HEALTH_ANSWERED : HEALTH_THROTTLED, sent_at, 0, false);
			done += turn;
			throttled += !turn;
		}
	}
	ok(limit() <= 4, "in a storm the limit stays low");
	ok(done > 60 && throttled < 400, "little is sent in vain, and something is done");
	for (int i = 0; i < 40; i++)
	{
		wait_out_pause();
		round_trip();
	}
	is_int(limit(), 32, "two seconds after it all is as before");
}

static void
test_outage(void)
{
	int64_t		sent_at;
	int			charged = 0;
	bool		doubles = true;

	begin(32);
	round_trip();
	now += MS;
	sent_at = send(32);
	now += 10 * MS;
	for (int i = 0; i < 32; i++)
		charged += note(HEALTH_FAILED, sent_at, 0, true);
	ok(health.out, "nothing but failures is an outage");
	is_int(charged, HEALTH_OUT_AFTER - 1, "only those before it was one were charged");
	is_int(health.outages, 1, "one outage");
	is_int(limit(), 1, "one request at a time");
	is_int(health_pause(&health, now), SECOND, "after a pause");
	for (int i = 0; i < 9; i++)
	{
		wait_out_pause();
		ok(!note(HEALTH_FAILED, send(1), 0, true), "a probe is not charged");
	}
	is_int(health_pause(&health, now), 60 * SECOND, "probes come after backoff_max at the latest");
	chance = 0;
	(void) note(HEALTH_FAILED, now, 0, true);
	is_int(health_pause(&health, now), 30 * SECOND, "and not all the time");
	(void) note(HEALTH_FAILED, sent_at, 0, true);
	is_int(health_pause(&health, now), 30 * SECOND, "late failures put off nothing");
	wait_out_pause();
	answers(1, send(1));
	ok(!health.out && health_pause(&health, now) == 0, "the first answer ends it");
	for (int expected = 4; expected <= 32; expected *= 2)
	{
		round_trip();
		doubles = doubles && limit() == expected;
	}
	ok(doubles, "then the limit doubles each round trip, to what was in use");
	is_int(health_throttled_us(&health, now), 0, "none of this is throttling");
}

static void
test_unreached(void)
{
	bool		charged = false;

	begin(8);
	round_trip();
	now += MS;
	for (int i = 0; i < HEALTH_OUT_AFTER_UNREACHED; i++)
		charged = note(HEALTH_UNREACHED, send(1), 0, i == 0) || charged;
	ok(!charged, "what never reached the server is not charged");
	ok(health.out, "and one request is enough to see an outage");
	(void) note(HEALTH_THROTTLED, now + MS, SECOND, false);
	ok(!health.out, "\"too many\" is an answer, too");
	wait_out_pause();
	(void) note(HEALTH_UNREACHED, now, 0, true);
	answers(1, now);
	(void) note(HEALTH_UNREACHED, now + 1, 0, true);
	answers(1, now + 1);
	(void) note(HEALTH_UNREACHED, now + 2, 0, true);
	ok(!health.out, "a connection that fails now and then is none");
}

static void
test_poison(void)
{
	int			charged = 0;
	int64_t		sent_at;

	begin(32);
	for (int i = 0; i < 100; i++)
	{
		sent_at = send(2);
		now += MS;
		charged += note(HEALTH_FAILED, sent_at, 0, true);
		answers(1, sent_at);
	}
	is_int(charged, 100, "failures among answers are charged");
	ok(!health.out, "and are no outage");

	now += MS;
	for (int i = 0; i < 100; i++)
		charged += note(HEALTH_FAILED, send(20), 0, false);
	is_int(charged, 200, "requests that have failed before are charged");
	ok(!health.out, "and are no outage, when they are all that is left");

	sent_at = now;
	now += MS;
	answers(1, sent_at);
	for (int i = 0; i < 100; i++)
		charged += note(HEALTH_FAILED, sent_at, 0, true);
	is_int(charged, 300, "those sent before an answer came are charged");
	ok(!health.out, "and are no outage, many as they are");
}

/* Whose fault is a last attempt that has failed?  Only what was sent after that tells. */
static void
test_blame(void)
{
	int64_t		failed_at;
	int64_t		sent_before;
	uint32_t	outages;

	begin(8);
	answers(1, send(1));
	now += MS;
	sent_before = send(2);
	now += MS;
	(void) note(HEALTH_FAILED, sent_before, 0, true);
	failed_at = now;
	outages = health.outages;
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_OPEN, "at first nobody knows");
	now += MS;
	answers(1, sent_before);
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_OPEN,
		   "what was sent before may have been answered before an outage");
	(void) note(HEALTH_FAILED, send(1), 0, true);
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_OPEN, "failures do not tell");
	answers(1, send(1));
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_REQUEST,
		   "an answer to what was sent later does");
	failed_at = now + MS;
	now += 2 * MS;
	(void) note(HEALTH_THROTTLED, send(1), 0, false);
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_REQUEST, "any answer does");

	failed_at = now;
	now += MS;
	for (int i = 0; i < HEALTH_OUT_AFTER; i++)
		(void) note(HEALTH_FAILED, send(1), 0, true);
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_SERVER, "an outage does, too");
	now += SECOND;
	answers(1, send(1));
	is_int(health_blame(&health, failed_at, outages), HEALTH_BLAME_SERVER, "also when it is over");
}

/* An outage without end: what reached the server is charged then. */
static void
test_patience(void)
{
	int64_t		charged_after = 0;

	begin(8);
	for (int i = 0; i < HEALTH_OUT_AFTER; i++)
		(void) note(HEALTH_FAILED, send(1), 0, true);
	while (charged_after == 0 && now < START + 3600 * SECOND)
	{
		wait_out_pause();
		if (note(HEALTH_FAILED, send(1), 0, false))
			charged_after = now - START;
	}
	ok(charged_after >= 15 * 60 * SECOND && charged_after < 17 * 60 * SECOND,
	   "probes are charged after a quarter of an hour");
	ok(!note(HEALTH_UNREACHED, now, 0, false), "but not those that never reached the server");
	ok(!note(HEALTH_FAILED, START - 1, 0, false), "nor what went before the outage");
	answers(1, now);
	now += MS;
	for (int i = 0; i < HEALTH_OUT_AFTER; i++)
		(void) note(HEALTH_FAILED, send(1), 0, true);
	ok(health.out && !note(HEALTH_FAILED, now, 0, false), "patience begins anew");
}

/* A request that goes out now has failed in its handshake: is it to be tried again? */
static bool
passes(bool may_pass)
{
	bool		pass = health_others_pass(&health, may_pass, send(1));

	(void) note(HEALTH_UNREACHED, now, 0, false);
	return pass;
}

/* A handshake that failed, say: one of many, or the configuration? */
static void
test_others_pass(void)
{
	begin(8);
	ok(passes(true), "what may be one connection only is tried again");
	begin(8);
	ok(!passes(false), "what looks like configuration is, before any answer");
	answers(1, send(1));
	now += MS;
	ok(passes(false), "and is not, once there was one");
	now += MS;
	(void) passes(true);
	(void) passes(true);
	ok(health.out && health_others_pass(&health, true, START), "nor is what was sent before an outage");
	for (int i = 1; i < HEALTH_HOPELESS_PROBES; i++)
	{
		wait_out_pause();
		ok(passes(false), "nor are the first probes");
	}
	wait_out_pause();
	ok(!health_others_pass(&health, true, send(1)), "in the end it is");
	(void) note(HEALTH_UNREACHED, now, 0, false);
	wait_out_pause();
	(void) note(HEALTH_UNREACHED, send(1), 0, false);
	wait_out_pause();
	ok(passes(true), "a probe that failed otherwise begins the count anew");
	answers(1, now);
	ok(passes(true), "and so does an answer");
	health_forget(&health, now);
	ok(!passes(false), "another server has not answered yet");
}

static void
test_changes(void)
{
	begin(8);
	(void) note(HEALTH_THROTTLED, send(8), 10 * SECOND, false);
	now += SECOND;
	for (int i = 0; i < HEALTH_OUT_AFTER; i++)
		(void) note(HEALTH_FAILED, START + 1, 0, true);
	ok(health.out, "a throttled server can go out");
	is_int(health_throttled_us(&health, now + 100 * SECOND), SECOND,
		   "what was left of the pause is not counted");
	now += SECOND;
	health_forget(&health, now);
	ok(!health.out && health_pause(&health, now) == 0 && limit() == 8, "forgotten");
	is_int(health_throttled_us(&health, now), SECOND, "but for statistics");
	(void) note(HEALTH_THROTTLED, now - MS, 0, false);
	ok(limit() == 8 && health_pause(&health, now) == 0, "what was sent before does not count");
	ok(note(HEALTH_NO_SIGN, now + 1, 0, true), "no sign is charged");
	ok(health.failing_since == 0 && limit() == 8, "and tells nothing");
}

int
main(void)
{
	srandom(5);
	test_halving();
	test_climb();
	test_backoff();
	test_storm();
	test_outage();
	test_unreached();
	test_poison();
	test_blame();
	test_patience();
	test_others_pass();
	test_changes();
	return done_testing();
}
