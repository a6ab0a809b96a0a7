/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The time that intervals are measured with.
 *
 * Monotonic, so that a step of the wall clock moves no deadline, and the same
 * for all processes of the machine, so that it can stand in shared memory.
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
