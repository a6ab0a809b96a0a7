/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  Shared memory: which jobs want workers, who works on what, who must look.
 *
 * All of it but flush_to is a cache of the catalog and may be lost at any time (a crash
 * restart clears it): clerks fill it again.  No file descriptors or other process-local
 * values stand in it, and no pointers but those to PGPROCs, which are where they are for all
 * processes and as long as the server lives.  That of a process which has gone may be another's
 * by now: its latch is set for nothing then.
 *
 * shared_lock() guards every field; a holder does no I/O and raises no error.
 * Read without it are: slot_count, which is fixed; by a worker, what only it itself
 * changes in its slot, and of its job what is fixed while it has the slot (database,
 * number, owner); and hints, where the value of a moment ago does no harm, as whoever
 * changes one wakes those concerned, and a spurious wake is harmless.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SHARED_H
#define PG_ENRICH_SHARED_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "storage/condition_variable.h"
#include "storage/proc.h"

#include "limits/health.h"
#include "limits/latency.h"
#include "limits/quota.h"

#define SHARED_MAX_JOBS 1024	/* unfinished jobs that want workers; further
								 * ones wait */
#define SHARED_MAX_SERVERS 256	/* servers in use at one time, in all
								 * databases */
#define SHARED_MAX_DATABASES 128	/* databases that something changed in
									 * since a clerk looked */
#define SHARED_MAX_CLERKS 3		/* at work, and standing by: see
								 * launcher_clerks.c */
#define SHARED_MAX_CLAIMS 64	/* runs of consecutive buckets that a worker
								 * works on */

/* Why a job that is running sends nothing at the moment. */
typedef enum WaitingFor
{
	WAITING_NOTHING,
	WAITING_SERVER,				/* the server is throttled, or out */
	WAITING_CAP,				/* a cap on requests in flight is reached or
								 * zero */
	WAITING_RATE,				/* the server's rate limit */
	WAITING_SLOT,				/* no background worker is free */
	WAITING_LOCK				/* somebody holds a lock on target rows */
} WaitingFor;

/* What keeps a job, or one of its workers, from getting on; an empty error: nothing. */
typedef struct Trouble
{
	char		error[256];
	char		hint[192];		/* may be empty */
} Trouble;

/* A run of buckets, both ends included. */
typedef struct Claim
{
	int64		first;
	int64		last;
} Claim;

/* A job that wants workers.  Made by a clerk; freed when it wants none and has none. */
typedef struct JobEntry
{
	bool		in_use;			/* hint: whoever makes an entry wakes the
								 * launcher */
	Oid			database;
	int64		job;
	Oid			owner;
	int			wanted;			/* how many workers it wants now */
	uint32		version;		/* hint: moves on with every steering call
								 * that touched it */
	int			concurrency;	/* the job's cap */
	int64		next_bucket;	/* all before it are done or claimed; 0 again
								 * after a rescan */
	uint32		rescans;		/* how often that was so */
	int64		rows_staged;	/* while bucketizing */
	bool		answered;		/* hint: some request was, since workers began
								 * or it was resumed */
	bool		matched;		/* hint: ... and one of several rows */
	int			refused_alone;	/* rows that were refused in requests of their
								 * own till then ... */
	int			refused_status; /* ... with this status */
	int			refused_in_all; /* ... with any */
	int64		tokens;			/* spent by the job so far, also on answers
								 * not stored yet */
	int64		elapsed_us;		/* that workers have been at work on it, in
								 * all server runs ... */
	int64		elapsed_to;		/* ... up to this clock; 0: none is at work
								 * now */
	int64		elapsed_noted;	/* ... of which so much stands in the catalog,
								 * about */
	int			failures;		/* starts in a row that ended in an error */
	int64		not_before;		/* clock; no worker before this: backoff */
	bool		no_slot;		/* no worker slot was free at the last try */
	Oid			no_server;		/* its server, if there was no place for that;
								 * else InvalidOid */
	bool		unable;			/* its owner cannot connect: no worker, until
								 * a clerk says so */
	Trouble		trouble;		/* why its workers end, or cannot begin */
	uint64		last_turn;		/* when it last had its turn: see
								 * permits_turns.c */
	int64		throttled_from; /* waits for a throttled server, counted to
								 * here; 0: does not */
} JobEntry;

/*
 * A background worker, from the launcher's decision to its exit: free (not in_use), taken
 * (pid 0), attached to, free.  Who takes it, attaches and frees it: shared_jobs.c.
 */
typedef struct WorkerSlot
{
	bool		in_use;			/* hint: for those who wake */
	uint32		generation;		/* told to the worker, so that a stray one
								 * knows itself */
	pid_t		pid;			/* hint: 0 until the worker has attached */
	PGPROC	   *proc;			/* hint: ... NULL */
	bool		clean_exit;		/* the worker left because there was nothing
								 * to do */
	int			job_index;		/* hint: in JobEntry */
	int			worker_number;	/* from 0, within the job */
	int			server_index;	/* in ServerEntry, -1: not known yet */
	int			in_flight;
	int			capacity;		/* requests in flight, by its connections; 0:
								 * not known yet */
	bool		bucketizing;	/* runs the source query: hears of a cancel by
								 * a signal only */
	bool		wants;			/* hint: has a request ready and no permit for
								 * it */
	WaitingFor	waiting_for;	/* hint */
	Trouble		trouble;		/* what the worker tries again and again */
	int64		invited_at;		/* clock of when it was woken to take its
								 * turn; 0: it was not */
	int64		throttled_us;	/* waited for a throttled server, not counted
								 * by the job yet */
	double		rows_per_second;
	Size		memory_used;	/* rows, requests and answers that it holds */
	bool		holds_back;		/* hint: answers are not received, for want of
								 * room */
	int			claim_count;
	Claim		claims[SHARED_MAX_CLAIMS];
} WorkerSlot;

/* A server's caps, rates and statistics. */
typedef struct ServerEntry
{
	bool		in_use;
	Oid			database;
	Oid			server;
	int			max_concurrency;	/* -1: unlimited */
	int			requests_per_minute;	/* -1: unlimited */
	int			tokens_per_minute;	/* -1: unlimited */
	int64		backoff_base_us;
	int64		backoff_max_us;
	uint32		address;		/* hash of where it is */
	Quota		request_quota;
	Quota		token_quota;
	QuotaWindow token_window;
	Health		health;
	char		failure[256];	/* the last transient one, in ASCII; nothing
								 * of any row is in it */
	int			probe_slot;		/* while it is out: the worker that probes it
								 * ... */
	uint32		probe_generation;	/* ... and its generation; 0: none */
	int			turn_job;		/* the job that had the last turn ... */
	int			turn_left;		/* ... and how many more requests it has in it */
	TimestampTz stats_reset;
	int64		requests;
	int64		answers[6];		/* by the first digit of the status; [0]
								 * unused */
	int64		throttled;
	int64		errors;			/* requests that no whole answer came to */
	int64		bytes_in;
	int64		bytes_out;
	int64		tokens;
	Latency		latency;
} ServerEntry;

/* A database that a clerk must look into. */
typedef struct DatabaseEntry
{
	Oid			database;		/* InvalidOid: free */
	bool		dirty;			/* something changed since the last clerk
								 * began */
	bool		just_started;	/* the server has just started: autostart
								 * counts */
	int64		next_visit;		/* clock of when something is to be tried
								 * again; 0: never */
	TimestampTz next_expiry;	/* when a finished job is to be forgotten; 0:
								 * none is */
} DatabaseEntry;

/* A clerk that the launcher has started, and where it is to go. */
typedef struct ClerkCall
{
	uint32		number;			/* told to the clerk, so that it knows its own
								 * call */
	Oid			database;		/* InvalidOid: none yet, or the clerk is on
								 * its way */
	bool		just_started;	/* as in DatabaseEntry */
} ClerkCall;

/* Rows that were deleted from a database's catalog and are not vacuumed yet: see leftovers.c. */
typedef struct Leftovers
{
	Oid			database;		/* InvalidOid: free */
	int64		rows;
	TransactionId seen_before;	/* no transaction from this one on can see
								 * them */
	int64		look_at;		/* clock of when to look whether somebody
								 * still sees them */
	int			looks;			/* that came to nothing, but for those that
								 * were early */
	pid_t		pid;			/* of who is vacuuming; 0: nobody */
	int64		rows_at_begin;	/* ... what was there when it began */
} Leftovers;

typedef struct SharedState
{
	PGPROC	   *launcher;		/* hint; NULL: there is none */
	uint32		next_generation;
	bool		all_dirty;		/* more databases changed than fit */
	bool		launched;		/* a launcher has begun since the server
								 * started */
	uint64		turns;			/* had by jobs so far */
	bool		clerk_waits;	/* hint: no worker slot is free for a clerk:
								 * new jobs go unseen */
	XLogRecPtr	flush_to;		/* WAL that the launcher is to flush: see
								 * wal_flush.c */
	ConditionVariable state_changed;	/* broadcast when any job's state has
										 * changed */
	ConditionVariable clerk_called; /* broadcast when a clerk is called */
	ClerkCall	calls[SHARED_MAX_CLERKS];
	int			slot_count;		/* max_worker_processes */
	DatabaseEntry databases[SHARED_MAX_DATABASES];
	Leftovers	leftovers[SHARED_MAX_DATABASES];
	JobEntry	jobs[SHARED_MAX_JOBS];
	ServerEntry servers[SHARED_MAX_SERVERS];
	WorkerSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} SharedState;

extern SharedState *shared;		/* NULL: the library is not preloaded */

/*
 * Loops over what is in use: over slots, those of a job, those of workers that send to a server;
 * and over jobs and servers, by their indexes.  Without the lock they go by hints.
 */
#define foreach_slot(slot) \
	foreach_slot_such(slot, -1, -1)
#define foreach_slot_of_job(slot, job_index) \
	foreach_slot_such(slot, job_index, -1)
#define foreach_slot_of_server(slot, server_index) \
	foreach_slot_such(slot, -1, server_index)
#define foreach_slot_such(slot, job, server) \
	for (WorkerSlot *slot = shared_next_slot(shared->slots, job, server); slot != NULL; \
		 slot = shared_next_slot(slot + 1, job, server))
#define foreach_job(index) \
	for (int index = shared_next_job(0); index >= 0; index = shared_next_job(index + 1))
#define foreach_server(index) \
	for (int index = shared_next_server(0); index >= 0; index = shared_next_server(index + 1))

/* The first slot in use from that one on, of a job and a server (-1: of any); NULL: none is. */
static inline WorkerSlot *
shared_next_slot(WorkerSlot *slot, int job_index, int server_index)
{
	for (; slot < shared->slots + shared->slot_count; slot++)
		if (slot->in_use && (job_index < 0 || slot->job_index == job_index) &&
			(server_index < 0 || slot->server_index == server_index))
			return slot;
	return NULL;
}

/* The first job, or server, in use from that one on; -1: none is. */
static inline int
shared_next_job(int index)
{
	while (index < SHARED_MAX_JOBS && !shared->jobs[index].in_use)
		index++;
	return index < SHARED_MAX_JOBS ? index : -1;
}

static inline int
shared_next_server(int index)
{
	while (index < SHARED_MAX_SERVERS && !shared->servers[index].in_use)
		index++;
	return index < SHARED_MAX_SERVERS ? index : -1;
}

extern void shared_request(void);	/* from _PG_init, when preloaded */
extern void shared_lock(void);
extern void shared_unlock(void);
extern bool shared_is_locked(void); /* by this process; for assertions */

/* Raises an error with a hint unless the library is preloaded. */
extern void shared_require(void);

/* Wakes the launcher, and the workers of a job (or -1: all). */
extern void shared_wake_launcher(void);
extern void shared_wake_workers(int job_index);
extern void shared_wake_worker(const WorkerSlot *slot);

/* The entry of a job, or -1.  The caller holds the lock. */
extern int	shared_find_job(Oid database, int64 job);

/* Set a trouble; NULL: there is none.  Where it is in shared memory, the caller holds the lock. */
extern void shared_set_trouble(Trouble *trouble, const char *error, const char *hint);

/* The same for a job, if it has an entry.  Takes the lock itself. */
extern void shared_set_job_trouble(Oid database, int64 job, const char *error, const char *hint);

extern const char *shared_waiting_name(WaitingFor waiting_for);

/*
 * How changes become known, in shared_visits.c.
 */

/*
 * Told at commit of a transaction that changed jobs: the launcher looks, the
 * job's workers reread it, and those that wait for it are woken.  At a rollback nothing happens.
 */
extern void shared_touch_at_commit(int64 job);

/* The same for a job that is ended: workers that bucketize it are interrupted, too. */
extern void shared_end_at_commit(int64 job);

/* Told at commit of a transaction that changed something else: a clerk looks. */
extern void shared_visit_at_commit(void);

/* Did this transaction change the job? */
extern bool shared_touched(int64 job);

/* A clerk must look into the database: now, or in so long at the latest. */
extern void shared_visit(Oid database, bool just_started);
extern void shared_note_visit(Oid database, bool just_started); /* without waking the
																 * launcher */
extern void shared_visit_in(Oid database, int64 delay_us);

/* The same when the wall clock shows that time: of a finished job, whose row has such a time. */
extern void shared_visit_at(Oid database, TimestampTz at);

/*
 * Jobs and slots, in shared_jobs.c.
 */

/*
 * This job wants so many workers, and has this cap; unable says why none can
 * begin now (NULL: they can).  False: no room.
 */
extern bool shared_want(Oid database, int64 job, Oid owner, int wanted, int concurrency,
						const Trouble *unable);

/* A database is gone: its jobs want no workers any more. */
extern void shared_forget_database(Oid database);

/*
 * Launcher: takes a free slot for one more worker of a job; -1: none is free.  The caller
 * holds the lock.
 */
extern int	shared_take_slot(int job_index, int worker_number);

/*
 * This process is the worker that was started for a slot of that generation, and a job.
 * False: the slot is not its own any more.
 */
extern bool shared_attach(WorkerSlot *slot, uint32 generation, int64 job);

/* Gives a slot back, with what its worker held.  The caller holds the lock. */
extern void shared_free_slot(WorkerSlot *slot);

/*
 * A worker of the job could not begin, or has ended in an error: the next one waits, longer each
 * time.  The caller holds the lock.
 */
extern void shared_put_off(JobEntry *entry);

/* Buckets of the job were given up: all are to be looked at again.  The caller holds the lock. */
extern void shared_rescan(int job_index);

/*
 * How long a job has taken, by the monotonic clock, while one worker or several were at work
 * on it; in shared_elapsed.c.  shared_count_elapsed says that a worker is at work on it, or is
 * not; the caller holds the lock, as for shared_elapsed.  The last one is 0 for a job without an
 * entry.
 */
extern void shared_begin_elapsed(int job_index, int64 elapsed_before);
extern void shared_count_elapsed(JobEntry *entry, bool works);
extern int64 shared_elapsed(const JobEntry *entry);
extern int64 shared_job_elapsed(Oid database, int64 job);

#endif							/* PG_ENRICH_SHARED_H */
