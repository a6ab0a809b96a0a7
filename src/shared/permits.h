/*-------------------------------------------------------------------------
 *
 * permits.h
 *	  Permits to send: the caps, rates and health of jobs, servers and the cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PERMITS_H
#define PG_ENRICH_PERMITS_H

#include "postgres.h"

#include "shared/shared.h"

struct Server;

/* Why there is no permit now, and how long until asking again is worth it. */
typedef struct Refusal
{
	WaitingFor	waiting_for;
	int64		wait_us;		/* CLOCK_NEVER: the worker is woken */
} Refusal;

/* What became of a request, for the server's statistics and health. */
typedef struct Answer
{
	int			status;			/* HTTP status; 0: no whole answer came */
	bool		works;			/* the server gave an answer, other than a
								 * failure of its own */
	int64		sent_at;
	int64		elapsed_us;
	int64		bytes_in;
	int64		bytes_out;
	int64		tokens_taken;	/* with the permit */
	int64		tokens;			/* reported; 0: not said */
	bool		returned;		/* its permit went back before, by
								 * permits_return_answered */
} Answer;

/* A request that is to be sent again, for its server's sake. */
typedef struct Trial
{
	HealthSign	sign;			/* not HEALTH_ANSWERED */
	int64		sent_at;
	int64		wait_us;		/* of HEALTH_THROTTLED: what the answer asks
								 * for, or none */
	bool		failed_before;
	uint32		outages;		/* as noted after that */
	const char *failure;		/* for a person, in ASCII; nothing of any row
								 * in it */
} Trial;

/* What that means for it. */
typedef struct Charge
{
	bool		counts;			/* against its max_attempts */
	bool		forgiven;		/* earlier ones do not count any more: the
								 * server was out */
	bool		out;			/* the server is out: who sends when is
								 * decided here */
	bool		outage_begins;
	bool		outage_ends;
	uint32		outages;		/* of this server so far */
} Charge;

/*
 * The worker in that slot sends to a server of this database: its entry is made, or
 * brought up to date with the server's options.  Returns its index, which those below are
 * given.  Raises configuration_limit_exceeded when there is no room, and notes that in the job's
 * entry.
 */
extern int	permits_use_server(int slot_index, const struct Server *server);

/*
 * Would there be room for a worker that sends to that server?  The caller holds the lock.
 */
extern bool permits_have_room(Oid database, Oid server);

/*
 * Take a permit to send one request of about so many tokens for the worker in
 * that slot.  False: not now, and *refusal says why.
 */
extern bool permits_take(int slot_index, int server_index, int64 tokens, Refusal *refusal);

/* An equal share of so many permits for each of count (> 0) jobs or workers, rounded up. */
extern int	permits_share(int permits, int count);

/*
 * A permit was taken, for so many tokens at that time, and nothing came of it; was_sent: but
 * its request counts, as it was sent in vain.
 */
extern void permits_return_unused(int slot_index, int server_index, int64 tokens, int64 taken_at,
								  bool was_sent);

/*
 * Of the permits that the worker holds, how many would it not get now?  What it has not
 * sent yet of so many is to be taken back.  Shares of other jobs apart.
 */
extern int	permits_excess(int slot_index, int server_index);

/* The worker has nothing that waits for a permit any more. */
extern void permits_want_nothing(int slot_index, int server_index);

/*
 * So many requests of the worker were answered: their permits go back before the
 * answers are read.  Not while the server is out: the one request that is tried
 * then is to be read before there is another one.
 */
extern bool permits_server_is_out(int server_index);
extern void permits_return_answered(int slot_index, int count);

/*
 * Give permits back, and add what the answers said to the server's statistics.
 * True: an outage of the server has ended by that.
 */
extern bool permits_give_back(int slot_index, int server_index, const Answer *answers, int count);

/*
 * A request was throttled or has failed in passing: what does it tell of the
 * server?  Before its permit is given back, and after those of earlier answers.
 */
extern Charge permits_judge(int server_index, const Trial *trial);

/*
 * Whose fault was it that a request of the worker has failed at that time, when its server had
 * been out so often?
 */
extern HealthBlame permits_blame(int server_index, int64 failed_at, uint32 outages);

/* Has any worker a request on its way to the server? */
extern bool permits_server_is_asked(int server_index);

/* A request could not get through: do others, or may they?  See health_others_pass. */
extern bool permits_others_pass(int server_index, bool may_pass, int64 sent_at);

/*
 * How long the worker's job has waited for a throttled server since this was
 * last asked, by any of its workers: for this one to count.
 */
extern int64 permits_throttled(int slot_index, int server_index);

/*
 * The lowest of the caps of a job on a server, shares of other jobs apart.
 * The caller holds the lock, unless the entry is a copy of its own.
 */
extern int	permits_effective(int job_concurrency, const ServerEntry *server);

/* Requests in flight to a server, from all workers.  The caller holds the lock. */
extern int	permits_in_flight(int server_index);

#endif							/* PG_ENRICH_PERMITS_H */
