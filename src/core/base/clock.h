/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The time that intervals are measured with.
 *
 * Monotonic, so that a step of the wall clock moves no deadline, and the same
 * for all processes of the machine, so that it can stand in shared memory.
 *
 * It measures whatever lasts: deadlines, backoff, pauses, rates, speed, what has elapsed, and
 * when a clerk or a worker is due.  The wall clock may be set at any time.  It gives the times
 * in rows, the end of retention, which is counted from one of these, and what people read: a
 * time of this clock is shown as the wall clock of that moment has it (paused_until).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CLOCK_H
#define PG_ENRICH_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

/* Microseconds since some moment in the past. */
extern int64_t clock_now(void);

#endif							/* PG_ENRICH_CLOCK_H */
