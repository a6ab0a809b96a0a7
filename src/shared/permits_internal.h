/*-------------------------------------------------------------------------
 *
 * permits_internal.h
 *	  What permits.c and permits_server.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PERMITS_INTERNAL_H
#define PG_ENRICH_PERMITS_INTERNAL_H

#include "shared/permits.h"

/* Jobs by their indexes, to count each once. */
typedef struct JobSet
{
	uint64		members[SHARED_MAX_JOBS / 64];
} JobSet;

/* False: it was there before. */
static inline bool
job_set_add(JobSet *set, int job_index)
{
	uint64	   *word = &set->members[job_index / 64];
	uint64		bit = UINT64CONST(1) << (job_index % 64);
	bool		is_new = (*word & bit) == 0;

	*word |= bit;
	return is_new;
}

/* Wake the workers that a permit given back may help: which may go now depends on their caps. */
extern void permits_wake_waiting(int slot_index);

/* Wake all workers that send to a server: it is out no more, say, or not being probed. */
extern void permits_wake_users(int server_index);

#endif							/* PG_ENRICH_PERMITS_INTERNAL_H */
