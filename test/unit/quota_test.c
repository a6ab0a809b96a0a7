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
#include <string.h>

#include "limits/quota.h"
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

/*
 * Takes tell only later how large they are: after some time, and up to so many
 * times their estimate.
 */
typedef struct Unsure
{
	int64_t		after_us;
	double		least;
	double		most;
} Unsure;

/* Corrects all takes from *next on that were made so long ago. */
static void
correct(Quota *quota, QuotaWindow *window, int per_minute, const Unsure *unsure, int64_t now,
		int *next)
{
	for (; *next < take_count && takes[*next].at + unsure->after_us <= now; (*next)++)
	{
		Take	   *take = &takes[*next];
		double		factor = unsure->least + (unsure->most - unsure->least) *
			((double) random() / RAND_MAX);
		int64_t		actual = (int64_t) ((double) take->units * factor) + 1;

		quota_correct(quota, window, per_minute, take->at, take->units, actual);
		units_taken += actual - take->units;
		take->units = actual;
	}
}

/*
 * Returns the units taken in so many minutes.  Takes of one unit are only spaced.
 */
static int64_t
simulate_unsure(const Taker *taker, const Unsure *unsure, int per_minute, int minutes)
{
	static QuotaWindow window;
	Quota		quota = {0};
	int64_t		now = START;
	int64_t		wait;
	int			corrected = 0;

	memset(&window, 0, sizeof(window));
	take_count = 0;
	units_taken = 0;
	while (now < START + minutes * MINUTE && take_count < MAX_TAKES)
	{
		int64_t		units = pick(taker->min_units, taker->max_units);

		while (taker->max_units == 1
			   ? !quota_take(&quota, per_minute, units, now, &wait)
			   : !quota_take_within(&quota, &window, per_minute, units, now, &wait))
		{
			/* answers wake whoever waits */
			if (unsure != NULL && wait > 10000)
				wait = 10000;
			now += wait + pick(0, taker->lateness_us);
			if (unsure != NULL)
				correct(&quota, &window, per_minute, unsure, now, &corrected);
		}
		takes[take_count].at = now;
		takes[take_count++].units = units;
		units_taken += units;
		if (taker->pause_percent > 0 && pick(1, 100) <= taker->pause_percent)
			now += pick(0, taker->pause_us);
	}
	if (unsure != NULL)
		correct(&quota, &window, per_minute, unsure, INT64_MAX, &corrected);
	return units_taken;
}

static int64_t
simulate(const Taker *taker, int per_minute, int minutes)
{
	return simulate_unsure(taker, NULL, per_minute, minutes);
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
	Taker		large = {QUOTA_SLACK_US / 10, 0, 0, 40000, 60000};
	Taker		mixed = {QUOTA_SLACK_US, 0, 0, 1, 400000};
	Taker		pausing = {QUOTA_SLACK_US, 10, 90 * SECOND, 2, 1000000 / 40};

	ok(simulate(&tokens, 1000000, 30) >= INT64_C(29100000), "tokens: used to 97 %");
	ok(fullest_minute() <= 1000000, "tokens: never exceeded");
	ok(simulate(&equal, 1000000, 30) >= INT64_C(29100000), "equal takes: used to 97 %");
	ok(fullest_minute() <= 1000000, "equal takes: never exceeded");
	ok(simulate(&large, 1000000, 30) >= INT64_C(28500000), "twenty takes a minute: used to 95 %");
	ok(fullest_minute() <= 1000000, "twenty takes a minute: never exceeded");
	(void) simulate(&mixed, 1000000, 60);
	ok(fullest_minute() <= 1000000, "of all sizes: never exceeded");
	(void) simulate(&pausing, 1000000, 60);
	ok(fullest_minute() <= 1000000, "with pauses: never exceeded");
}

/* Estimates are corrected by what the answers say. */
static void
test_corrections(void)
{
	Taker		tokens = {QUOTA_SLACK_US / 10, 0, 0, 50, 5000};
	Unsure		high = {2 * SECOND, 0.3, 0.7};
	Unsure		about = {2 * SECOND, 0.8, 1.2};
	Unsure		low = {2 * SECOND, 2, 4};
	int64_t		most;

	/* two seconds' worth is under way at any time, and counts twice what it is */
	ok(simulate_unsure(&tokens, &high, 1000000, 30) >= INT64_C(28500000),
	   "estimates too high: what was too much is given back");
	ok(fullest_minute() <= 1000000, "estimates too high: never exceeded");
	ok(simulate_unsure(&tokens, &about, 1000000, 30) >= INT64_C(29100000),
	   "estimates about right: used to 97 %");
	ok(fullest_minute() <= 1010000, "estimates about right: exceeded by a hundredth at most");
	ok(simulate_unsure(&tokens, &low, 1000000, 30) >= INT64_C(29100000),
	   "estimates too low: used to 97 %");
	most = fullest_minute();
	/* two seconds' worth at three times the rate */
	ok(most <= 1110000, "estimates too low: exceeded by what was under way");
}

static void
test_change(void)
{
	Quota		quota = {0};
	int64_t		wait;

	(void) quota_take(&quota, 1, 1, START, &wait);
	ok(!quota_take(&quota, 1, 1, START + SECOND, &wait) && wait > 59 * SECOND, "one a minute");
	quota_change(&quota, 1, 60, START + SECOND);
	ok(!quota_take(&quota, 60, 1, START + SECOND, &wait) && wait < SECOND,
	   "a raised limit counts at once");
	quota_change(&quota, 60, 6, START + SECOND);
	ok(!quota_take(&quota, 6, 1, START + SECOND, &wait) && wait > 9 * SECOND && wait < 10 * SECOND,
	   "so does a lowered one");
	quota_change(&quota, 6, 60000, START + 20 * SECOND);
	ok(quota_take(&quota, 60000, 1, START + 20 * SECOND, &wait), "nothing is left to wait off");
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
	test_corrections();
	test_change();
	return done_testing();
}
