/*-------------------------------------------------------------------------
 *
 * latency.c
 *	  A histogram of durations with bounded relative error, in flat memory.
 *
 * Owns nothing: the caller has the memory and the lock.  Durations below
 * LATENCY_PARTS have a bin each; from there every power of two has
 * LATENCY_PARTS bins of equal width.  Cannot fail: negative durations count as
 * 0, those beyond the last bin as the longest.
 *
 *-------------------------------------------------------------------------
 */
#include "limits/latency.h"

#define PARTS_LOG2	4
#define BINS		(LATENCY_PARTS * LATENCY_POWERS)

_Static_assert(1 << PARTS_LOG2 == LATENCY_PARTS, "PARTS_LOG2 does not fit LATENCY_PARTS");

static int
bin_of(uint64_t duration)
{
	int			shift = 0;
	int			bin;

	while (duration >> shift >= 2 * LATENCY_PARTS)
		shift++;
	if (duration < LATENCY_PARTS)
		return (int) duration;

	/*
	 * duration >> shift is in [PARTS, 2 PARTS): group shift + 1, counted from
	 * its start
	 */
	bin = shift * LATENCY_PARTS + (int) (duration >> shift);
	return bin < BINS ? bin : BINS - 1;
}

/* The longest duration that falls into a bin. */
static int64_t
bin_top(int bin)
{
	int			shift;
	int64_t		part;

	if (bin < LATENCY_PARTS)
		return bin;
	shift = bin / LATENCY_PARTS - 1;
	part = bin % LATENCY_PARTS + LATENCY_PARTS;
	return ((part + 1) << shift) - 1;
}

void
latency_add(Latency *latency, int64_t microseconds)
{
	latency->bins[bin_of(microseconds > 0 ? (uint64_t) microseconds : 0)]++;
	latency->count++;
}

int64_t
latency_percentile(const Latency *latency, double share)
{
	double		wanted;
	uint64_t	rank;
	uint64_t	seen = 0;
	int			last = -1;

	/*
	 * Rounded up to a whole one, but 0.07 * 100 is 7, whatever binary
	 * fractions make of it.
	 */
	wanted = share * (double) latency->count * (1 - 1e-12);
	rank = (uint64_t) wanted;
	if ((double) rank < wanted || rank == 0)
		rank++;

	for (int bin = 0; bin < BINS && seen < rank; bin++)
	{
		if (latency->bins[bin] > 0)
			last = bin;
		seen += latency->bins[bin];
	}
	return last < 0 ? -1 : bin_top(last);
}
