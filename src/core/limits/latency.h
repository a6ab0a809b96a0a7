/*-------------------------------------------------------------------------
 *
 * latency.h
 *	  A histogram of durations with bounded relative error, in flat memory.
 *
 * Log-linear: every power of two of microseconds is cut into equal parts, so a
 * percentile is at most 1/LATENCY_PARTS too large.  Pure; lives in shared memory,
 * so it holds no pointer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LATENCY_H
#define PG_ENRICH_LATENCY_H

#include <stdint.h>

#define LATENCY_PARTS	16		/* parts of one power of two: 6 % of error at
								 * most */
#define LATENCY_POWERS	33		/* up to 2^36 us: 19 hours; longer ones count
								 * as that */

typedef struct Latency
{
	uint64_t	count;
	uint64_t	bins[LATENCY_PARTS * LATENCY_POWERS];
} Latency;

extern void latency_add(Latency *latency, int64_t microseconds);

/*
 * The duration in microseconds that a share (0 < share <= 1) of the added ones
 * does not exceed; -1 when empty.
 */
extern int64_t latency_percentile(const Latency *latency, double share);

#endif							/* PG_ENRICH_LATENCY_H */
