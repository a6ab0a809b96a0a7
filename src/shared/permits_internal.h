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

/* Wake the workers that a permit given back may help: which may go now depends on their caps. */
extern void permits_wake_waiting(int slot_index);

/* Wake all workers that send to a server: it is out no more, say, or not being probed. */
extern void permits_wake_users(int server_index);

#endif							/* PG_ENRICH_PERMITS_INTERNAL_H */
