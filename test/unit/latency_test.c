/*-------------------------------------------------------------------------
 *
 * latency_test.c
 *	  Unit tests of latency.c.
 *
 * The oracle is the sorted list of the durations themselves.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>

#include "limits/latency.h"
#include "tap.h"

#define SAMPLES 20000
#define LONGEST ((INT64_C(1) << 36) - 1)

static Latency latency;

static int64_t
percentile_of_one(int64_t microseconds)
{
	memset(&latency, 0, sizeof(latency));
	latency_add(&latency, microseconds);
	return latency_percentile(&latency, 0.5);
}

static void
test_edges(void)
{
	memset(&latency, 0, sizeof(latency));
	is_int(latency_percentile(&latency, 0.5), -1, "empty: no percentile");
	is_int(percentile_of_one(0), 0, "zero");
	is_int(percentile_of_one(-5), 0, "a clock that went back counts as zero");
	is_int(percentile_of_one(31), 31, "short ones are exact");
	is_int(percentile_of_one(32), 33, "from 32 on a bin holds two");
	is_int(percentile_of_one(LONGEST), LONGEST, "the longest");
	is_int(percentile_of_one(LONGEST + 1), LONGEST, "longer ones count as the longest");
	is_int(percentile_of_one(INT64_MAX), LONGEST, "as long as can be");
}

static void
test_ranks(void)
{
	memset(&latency, 0, sizeof(latency));
	for (int i = 1; i <= 10; i++)
		latency_add(&latency, i);
	is_int(latency_percentile(&latency, 0.5), 5, "the fifth of ten is the median");
	is_int(latency_percentile(&latency, 0.51), 6, "more than half needs the sixth");
	is_int(latency_percentile(&latency, 0.9), 9, "p90 of ten");
	is_int(latency_percentile(&latency, 1), 10, "all of them");
	is_int(latency_percentile(&latency, 1e-9), 1, "the smallest share is the first");
	for (int i = 0; i < 90; i++)
		latency_add(&latency, 11);
	is_int(latency_percentile(&latency, 0.07), 7, "a share that binary fractions round up");
}

/* Every duration lands in a bin whose top is at least it, and at most 1/16 above. */
static void
test_bounds(void)
{
	bool		good = true;

	for (int64_t d = 0; d < 70000 && good; d++)
		good = percentile_of_one(d) >= d && percentile_of_one(d) - d <= d / LATENCY_PARTS;
	for (int power = 17; power < 36 && good; power++)
	{
		for (int off = -1; off <= 1 && good; off++)
		{
			int64_t		d = (INT64_C(1) << power) + off;

			good = percentile_of_one(d) >= d && percentile_of_one(d) - d <= d / LATENCY_PARTS;
		}
	}
	ok(good, "never below a duration, and at most 1/16 above it");
}

static int
compare(const void *a, const void *b)
{
	int64_t		left = *(const int64_t *) a;
	int64_t		right = *(const int64_t *) b;

	return (left > right) - (left < right);
}

static void
test_random(void)
{
	static int64_t sorted[SAMPLES];
	static const double shares[] = {0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
	bool		good = true;

	srandom(7);
	memset(&latency, 0, sizeof(latency));
	for (int i = 0; i < SAMPLES; i++)
	{
		sorted[i] = (int64_t) exp2((double) random() / RAND_MAX * 34);
		latency_add(&latency, sorted[i]);
	}
	qsort(sorted, SAMPLES, sizeof(sorted[0]), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
	{
		int64_t		exact = sorted[(int) (shares[i] * SAMPLES + 0.5) - 1];
		int64_t		got = latency_percentile(&latency, shares[i]);

		if (got < exact || got - exact > exact / LATENCY_PARTS)
			good = false;
	}
	is_int((int64_t) latency.count, SAMPLES, "all are counted");
	ok(good, "percentiles of 20,000 durations from 1 us to 4 h");
}

int
main(void)
{
	test_edges();
	test_ranks();
	test_bounds();
	test_random();
	return done_testing();
}
