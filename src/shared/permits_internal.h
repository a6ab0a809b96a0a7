/*-------------------------------------------------------------------------
 *
 * permits_internal.h
 *	  What the files of permits share.
 *
 * The caller holds the lock, but for wakes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PERMITS_INTERNAL_H
#define PG_ENRICH_PERMITS_INTERNAL_H

#include "shared/permits.h"

/*
 * Caps and shares, in permits_share.c.
 */

/* Requests in flight, and how many jobs want more or have some. */
typedef struct PermitUsage
{
	int			cluster;
	int			cluster_jobs;
	int			server;
	int			server_jobs;
	int			job;
	int			job_at_server;	/* not those to a server that was made anew
								 * since they went */
	int			job_workers;	/* of this job, that want more or have some */
	int			least_waiting;	/* the fewest in flight of its other workers
								 * that wait for a cap */
} PermitUsage;

/* As a worker sees it that wants a permit. */
extern PermitUsage permits_sum_usage(const WorkerSlot *mine);

/* The most requests in flight to a server; its probes go beside those still on their way. */
extern int	permits_server_cap(const ServerEntry *server);

/* What would be in flight if the server set no limit: the caps of all jobs that use it. */
extern int	permits_cap_without_limit(int server_index);

/*
 * Is there room under every cap?  Permits that others may still use are left to
 * them: other jobs their share, and other workers of the job theirs.
 */
extern bool permits_below_caps(const WorkerSlot *mine, const PermitUsage *usage);

/* Wake the workers that a permit given back may help: which may go now depends on their caps. */
extern void permits_wake_waiting(int slot_index);

/*
 * Turns, in permits_turns.c.
 */

/* How long a turn is kept for a job that was woken to take it. */
#define PERMITS_TURN_US 10000

static inline bool
permits_has_rates(const ServerEntry *server)
{
	return server->requests_per_minute > 0 || server->tokens_per_minute > 0;
}

/* Is it another job's turn?  Then that is woken. */
extern bool permits_must_wait_turn(const WorkerSlot *mine, const PermitUsage *usage, int64 now);

/* The worker has taken a permit: its job has its turn, or the next request of it. */
extern void permits_count_turn(ServerEntry *server, const WorkerSlot *slot);

/*
 * Probes, in permits_probe.c.
 */

/* Was the last probe of this server this worker's? */
extern bool permits_is_prober(const ServerEntry *server, const WorkerSlot *slot);

/* Is a probe of a server that is out on its way? */
extern bool permits_is_probed(const ServerEntry *server);

extern void permits_begin_probe(ServerEntry *server, const WorkerSlot *slot);

/* There is none any more: whoever sends to the server may be next. */
extern void permits_end_probe(ServerEntry *server);

/* Wake all workers that send to a server: it is out no more, say. */
extern void permits_wake_users(const ServerEntry *server);

#endif							/* PG_ENRICH_PERMITS_INTERNAL_H */
