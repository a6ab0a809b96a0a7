/*-------------------------------------------------------------------------
 *
 * permits.h
 *	  Permits to send: the caps and rates of jobs, servers and the cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PERMITS_H
#define PG_ENRICH_PERMITS_H

#include "postgres.h"

#include "shared.h"

struct Server;

/* What became of a request, for the server's statistics. */
typedef struct Answer
{
	int			status;			/* HTTP status; 0: no whole answer came */
	int64		elapsed_us;
	int64		bytes_in;
	int64		bytes_out;
	int64		tokens;
} Answer;

/*
 * The worker in that slot sends to a server of this database: its entry is made, or
 * brought up to date with the server's options.  Raises
 * configuration_limit_exceeded when there is no room.
 */
extern void permits_use_server(int slot_index, Oid server, int max_concurrency,
							   int requests_per_minute,
							   int tokens_per_minute);

/*
 * Take a permit to send one request of about so many tokens for the worker in
 * that slot.  False: not
 * now; *waiting_for says why, and *wait_us how long until asking again is
 * worth it (CLOCK_NEVER: the worker is woken when a permit is given back).
 */
extern bool permits_take(int slot_index, int64 tokens, WaitingFor *waiting_for, int64 *wait_us);

/* A permit was taken and nothing was sent. */
extern void permits_return_unused(int slot_index);

/* The worker has nothing that waits for a permit any more. */
extern void permits_want_nothing(int slot_index);

/* Give permits back, and add what the answers said to the server's statistics. */
extern void permits_give_back(int slot_index, const Answer *answers, int count);

/*
 * The lowest of the caps of a job on a server, shares of other jobs apart.
 * The caller holds the lock.
 */
extern int	permits_effective(int job_concurrency, const ServerEntry *server);

/* Requests in flight to a server, from all workers.  The caller holds the lock. */
extern int	permits_in_flight(int server_index);

#endif							/* PG_ENRICH_PERMITS_H */
