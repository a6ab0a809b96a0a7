/*-------------------------------------------------------------------------
 *
 * quota_test.c
 *	  Unit tests of quota.c, on a simulated clock.
 *
 * A simulation writes down each take; then no 60 seconds, both ends included,
 * may hold more units than the limit, wherever they begin.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "quota.h"
#include "tap.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define START (1000 * SECOND)
#define MAX_TAKES 1100000

/* How a simulated taker behaves. */
typedef struct Taker
{
	int64_t		lateness_us;	/* comes up to so much after it could */
	int			pause_percent;	/* how often it goes away instead */
	int64_t		pause_us;		/* and for how long at most */
	int64_t		min_units;
	int64_t		max_units;
} Taker;

typedef struct Take
{
	int64_t		at;
	int64_t		units;
} Take;

static Take takes[MAX_TAKES];
static int	take_count;
static int64_t units_taken;

static int64_t
pick(int64_t least, int64_t most)
{
	return least + (int64_t) ((double) random() / ((double) RAND_MAX + 1) *
							  (double) (most - least + 1));
}

/* Returns the units taken in so many minutes. */
static int64_t
simulate(const Taker *taker, int per_minute, int minutes)
{
	Quota		quota = {0};
	int64_t		now = START;
	int64_t		wait;

	take_count = 0;
	units_taken = 0;
	while (now < START + minutes * MINUTE && take_count < MAX_TAKES)
	{
		int64_t		units = pick(taker->min_units, taker->max_units);

		while (!quota_take(&quota, per_minute, units, now, &wait))
			now += wait + pick(0, taker->lateness_us);
		takes[take_count].at = now;
		takes[take_count++].units = units;
		units_taken += units;
		if (taker->pause_percent > 0 && pick(1, 100) <= taker->pause_percent)
			now += pick(0, taker->pause_us);
	}
	return units_taken;
}

/* The most units that any 60 seconds held. */
static int64_t
fullest_minute(void)
{
	int64_t		most = 0;
	int64_t		sum = 0;
	int			first = 0;

	for (int last = 0; last < take_count; last++)
	{
		sum += takes[last].units;
		while (takes[last].at - takes[first].at > MINUTE)
			sum -= takes[first++].units;
		if (sum > most)
			most = sum;
	}
	return most;
}

static void
test_steps(void)
{
	Quota		quota = {0};
	int64_t		wait = -1;

	ok(quota_take(&quota, 60, 1, START, &wait), "the first is free at once");
	is_int(wait, 0, "and needs no wait");
	ok(!quota_take(&quota, 60, 1, START, &wait), "nothing was saved up before the start");
	ok(wait > SECOND && wait < SECOND + QUOTA_SLACK_US, "the next one comes a second later");
	ok(!quota_take(&quota, 60, 1, START + wait - 1, &wait), "not a microsecond earlier");
	is_int(wait, 1, "then one is missing");
	ok(quota_take(&quota, 60, 1, quota.free_at, &wait), "but then");
}

static void
test_idle(void)
{
	Quota		quota = {0};
	int64_t		wait;
	int			burst = 0;

	(void) quota_take(&quota, 60000, 1, START, &wait);
	while (quota_take(&quota, 60000, 1, START + 60 * MINUTE, &wait))
		burst++;
	ok(burst >= 99 && burst <= 101, "an hour of idling saves up a tenth of a second");
}

static void
test_large_takes(void)
{
	Quota		quota = {0};
	int64_t		wait;

	ok(quota_take(&quota, 1000, 5000, START, &wait), "more than a minute holds is let through");
	ok(!quota_take(&quota, 1000, 1, START, &wait), "and waited off");
	ok(wait >= 5 * MINUTE && wait < 5 * MINUTE + 10 * SECOND, "for as many minutes as it took");
	ok(quota_take(&quota, 1, INT64_MAX, START + wait, &wait), "as much as can be");
	ok(!quota_take(&quota, 1, 1, START + 1000 * MINUTE, &wait) && wait > 0, "does not overflow");
}

/* One limit under all kinds of takers of single units. */
static bool
limit_holds(int per_minute)
{
	static const Taker takers[] = {
		{0, 0, 0, 1, 1},
		{QUOTA_SLACK_US, 0, 0, 1, 1},
		{3 * SECOND, 0, 0, 1, 1},
		{1000, 5, MINUTE / 2, 1, 1},
		{QUOTA_SLACK_US, 1, 2 * SECOND, 1, 1},
	};
	bool		good = true;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
	{
		int64_t		units = simulate(&takers[i], per_minute, 10);
		int64_t		most = fullest_minute();

		if (most > per_minute)
		{
			printf("# taker %zu: %lld in a minute of %d\n", i, (long long) most, per_minute);
			good = false;
		}
		if (i < 2 && units < (int64_t) per_minute * 10 * 97 / 100)
		{
			printf("# taker %zu: only %lld of %d\n", i, (long long) units, per_minute * 10);
			good = false;
		}
	}
	return good;
}

static void
test_single_units(void)
{
	static const int limits[] = {1, 2, 3, 7, 59, 60, 61, 600, 3000, 9999, 60000, 99999, 100000};
	char		name[80];
	bool		good = true;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
	{
		snprintf(name, sizeof(name), "%d a minute: never exceeded, used to 97 %%", limits[i]);
		ok(limit_holds(limits[i]), name);
	}
	for (int i = 0; i < 20 && good; i++)
		good = limit_holds((int) pick(1, 20000));
	ok(good, "the same for twenty random limits");
}

static void
test_many_units(void)
{
	Taker		tokens = {QUOTA_SLACK_US / 10, 0, 0, 2, 1000000 / 40};
	Taker		equal = {0, 0, 0, 10000, 10000};
	Taker		pausing = {QUOTA_SLACK_US, 10, 90 * SECOND, 2, 1000000 / 40};

	ok(simulate(&tokens, 1000000, 30) >= INT64_C(29100000), "tokens: used to 97 %");
	ok(fullest_minute() <= 1000000, "tokens: never exceeded");
	ok(simulate(&equal, 1000000, 30) >= INT64_C(29100000), "equal takes: used to 97 %");
	ok(fullest_minute() <= 1000000, "equal takes: never exceeded");
	(void) simulate(&pausing, 1000000, 60);
	ok(fullest_minute() <= 1000000, "with pauses: never exceeded");
}

int
main(void)
{
	srandom(11);
	test_steps();
	test_idle();
	test_large_takes();
	test_single_units();
	test_many_units();
	return done_testing();
}
