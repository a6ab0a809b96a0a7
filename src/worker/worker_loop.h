/*-------------------------------------------------------------------------
 *
 * worker_loop.h
 *	  A worker at its job: the state of its loop, and the steps of a turn.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_LOOP_H
#define PG_ENRICH_WORKER_LOOP_H

#include "postgres.h"

#include "catalog/catalog_counters.h"
#include "http/http.h"
#include "recipe/recipe.h"
#include "shared/permits.h"
#include "shared/shared.h"
#include "shared/wal_flush.h"
#include "store/store.h"
#include "worker/claims.h"
#include "worker/outbox.h"
#include "worker/outcome_queue.h"
#include "worker/worker_control.h"
#include "worker/worker_error.h"
#include "worker/worker_pace.h"

/* What a worker tries again when database or system would not have it, each with its own patience. */
typedef enum StepKind
{
	STEP_CONTROL,				/* rereading the job, changing its state */
	STEP_INTAKE,				/* reading the server or everything anew */
	STEP_READ,					/* answers that take a transaction to read */
	STEP_LOAD,
	STEP_STORE,
	STEP_FINISH,
	STEP_CLEAN,					/* dropping partitions: a clerk does it in the end */
	STEP_CONNECT,				/* opening connections, which take descriptors */
	STEP_KIND_COUNT
} StepKind;

/* How a kind of step fares. */
typedef struct Attempts
{
	int			failed;			/* in a row */
	ErrorClass	last;			/* what the last of them failed with */
	bool		lacked_memory;	/* ... which was for want of memory, of this process's own */
	int64		not_before;		/* clock of the next one */
	int64		logged_at;		/* clock of the last line in the log */
} Attempts;

/* Answers whose permits go back together. */
typedef struct Returns
{
	Answer		answers[64];
	int			count;
} Returns;

struct Worker
{
	int			slot_index;
	WorkerSlot *slot;
	JobEntry   *entry;
	Oid			database;
	uint32		seen_version;	/* of the entry, when the job was last read */

	Job		   *job;
	Server	   *server;
	Credentials *credentials;
	HttpSettings http_settings;
	Recipe	   *recipe;
	MemoryContext job_context;	/* of the five above */
	unsigned	setup;			/* goes up when server or credentials change, or the job is resumed */
	unsigned	setup_sent;		/* the one that requests were last sent with */
	int64		file_looked_at; /* clock of the last look at a token's file */
	int64		file_bad_since; /* clock of the first look that found it unusable; 0: it is usable */

	/* The pipeline, in the order data flows */
	Claims		claims;
	List	   *unloaded;		/* of Bucket *: claimed, not all rows loaded */
	Outbox		outbox;
	Http	   *http;
	Request    *held;			/* rows refused alone, while the job is in doubt of the API */
	Request    *undecided;		/* had their last attempt: by their own fault, or the server's? */
	OutcomeQueue outcomes;		/* to be stored */
	Store	   *store;
	Counters	unsaved;		/* requests, retries, tokens since the last store */
	Counters	storing;		/* what the store under way adds */

	Size		loaded_bytes;	/* rows in memory, roughly */
	Size		body_bytes;		/* of requests in flight */
	Size		memory_bound;	/* in place of the setting, as there is less; 0: there was not */
	int64		refused_before; /* http_memory_refused at the last look */
	bool		unread;			/* an answer waits to be read: stores make memory for it */
	int			most_rows;		/* that there was memory to store; 0: there is no bound */
	int			good_stores;	/* since that has changed */
	WorkerPace	pace;
	WalFlush	wal_flush;
	int64		failures_seen;	/* of the job since it was resumed, at the last look */
	int64		permit_not_before;	/* no permit before this, unless woken */
	bool		more_to_send;	/* the next turn is not to wait: there is room for more */

	Returns		returns;		/* permits of what has ended, not given back yet */
	double		tokens_estimated;	/* of answers lately that said what they cost ... */
	double		tokens_reported;	/* ... and what they said */

	bool		start_counted;	/* ... as one that has come to nothing so far */
	bool		stored_before;	/* this worker has stored something */
	bool		has_no_place;	/* among the servers in use, for the job's: see handle_error */
	bool		misconfigured;	/* once resumed, job, server and recipe are to be read again */
	WorkerControl control;
	Attempts	attempts[STEP_KIND_COUNT];

	/* Partitions are looked at when the lowest open bucket has moved on this much */
	int64		partition_checked_at;
	bool		stored_since_check; /* ... and has any row been stored since then? */

	/* Speed, over the last ticks */
	int64		tick_at;
	int64		counted_at;		/* clock of the last commit of counters */
	int64		rows_since_tick;
	MemoryContext context;		/* for the worker's life */
	MemoryContext turn;			/* reset each turn */
};

/*
 * Transactions.  worker_begin is false when the extension is gone, or about to
 * be: then no transaction is open, and the worker is leaving.
 */
extern bool worker_begin(Worker *worker);
extern void worker_commit(void);

/*
 * Run a step of the loop in a transaction of its own.  False: an error came, it is too
 * early after the last one, or the worker is leaving; nothing is changed.  What it was is dealt
 * with here: the step may be tried again, or the job is being paused.  arg is the step's
 * own: what it works on, and where it says what it has found.
 */
typedef void (*WorkerStep) (Worker *worker, void *arg);
extern bool worker_try_as(Worker *worker, StepKind kind, WorkerStep step, void *arg);
extern bool worker_try(Worker *worker, WorkerStep step, void *arg); /* as STEP_CONTROL */

/* Can a transaction be had at all? */
extern bool worker_can_begin(Worker *worker, StepKind kind);

/* Was the job steered since this worker has read its row? */
static inline bool
worker_is_behind(const Worker *worker)
{
	return worker->entry->version != worker->seen_version;
}

/*
 * Was the job, its server or a key changed?  Then nothing is sent before this worker has
 * read that.
 */
extern bool worker_is_steered(const Worker *worker);

/* Change the state if worker_pause is pending.  A step of the turn. */
extern void worker_write_pause(Worker *worker);

/* The worker has committed a pause, with its counters. */
extern void worker_pause_written(Worker *worker);

/* Does the server take no requests now?  Then the worker leaves as soon as nothing is on its way. */
static inline bool
worker_is_spared(const Worker *worker)
{
	return worker->server->max_concurrency == 0;
}

/* May new requests be loaded and sent? */
extern bool worker_may_send(const Worker *worker);

/* There was no descriptor for a request's connection, neither of this process nor of the system. */
extern void worker_note_starved(Worker *worker);

/* Can answers be read, as far as is known? */
static inline bool
worker_can_read(const Worker *worker)
{
	return worker->attempts[STEP_READ].failed == 0 && !worker->unread;
}

/* The job was resumed, or the like: whatever failed is tried at once; or one kind of step. */
extern void worker_forget_attempts(Worker *worker);
extern void worker_forget_failure(Worker *worker, StepKind kind);

/* Take note of what others have changed since the last turn. */
extern void worker_notice_changes(Worker *worker);

/*
 * Longest sleep.  Invalidations (ALTER SERVER, DROP EXTENSION) do not wake an
 * idle worker: it looks for them this often.
 */
#define TICK_US 500000

/* The loop begins; once a tick: speed, counters, and what pg_stat_activity shows; the loop ends. */
extern void worker_begin_ticks(Worker *worker);
extern void worker_tick(Worker *worker);
extern void worker_end_ticks(Worker *worker);

/* Send all of the job's rows: until it is finished, paused, canceled, or has nothing to send. */
extern void worker_run_loop(Worker *worker);

/*
 * Parts of a turn, a file each, in the order data flows: each takes what the one before
 * made.
 */
extern bool turn_load(Worker *worker);	/* was there anything? */
extern void turn_send(Worker *worker);
extern void turn_recall(Worker *worker);	/* ... what is not on the wire, and is not to be sent now */
extern void turn_collect(Worker *worker);
extern void turn_store(Worker *worker);

/* Pause the job, with reason budget, when it has spent its tokens.  True: it sends nothing more. */
extern bool worker_check_budget(Worker *worker);

/* What was found out when a request that has ended was settled. */
typedef struct Settled
{
	int64		tokens;			/* that it has cost */
	bool		judged;			/* its server's health knows of it: worker_judge has told it */
} Settled;

/*
 * What becomes of a request that has ended, in worker_settle.c.  *settled begins with zeros.
 * False: there is no memory to read its answer, but will be; nothing has changed.
 */
extern bool worker_settle(Worker *worker, HttpResult *result, Settled *settled);

/* What is to become of a request that was throttled or has failed in passing. */
typedef enum Judgement
{
	JUDGED_AGAIN,				/* it is sent again */
	JUDGED_UNDECIDED,			/* it has had its attempts, but the last may be the server's fault */
	JUDGED_FAILED				/* it has had its attempts */
} Judgement;

/*
 * What such a request tells of the server, in worker_permits.c.  JUDGED_AGAIN: *wait_us
 * from now.
 */
extern Judgement worker_judge(Worker *worker, Request *request, HealthSign sign,
							  const HttpResult *result, int64 *wait_us);

/*
 * A request has ended, which was estimated to cost so many tokens: its permit goes back with
 * others, and with the last of these, by worker_give_back, at the latest.
 */
extern void worker_return_permit(Worker *worker, const Answer *answer, int64 estimated);
extern void worker_give_back(Worker *worker);

/* What it will probably cost: the estimate, and how answers so far have differed from theirs. */
extern int64 worker_expected_tokens(const Worker *worker, const Request *request);

/*
 * Memory, in worker_memory.c, in bytes: what is held; the same with answers to come, by the
 * size of those before, as it counts against pg_enrich.worker_memory; and that, or what there is.
 */
extern Size worker_memory_held(const Worker *worker);
extern Size worker_memory_used(const Worker *worker);
extern Size worker_memory_limit(const Worker *worker);

/* Have answers arrive as far as there is room for them. */
extern void worker_bound_arriving(Worker *worker);

/* The system has refused memory: less is to be held.  And once a tick: more, again. */
extern void worker_note_memory_refused(Worker *worker);
extern void worker_regrow_memory(Worker *worker);

/* Show what is held; if_much: where that has changed by much since. */
extern void worker_show_memory(Worker *worker, bool if_much);

/* An API's words, which are UTF-8, for the job's row.  Begins and commits a transaction. */
extern const char *worker_message(Worker *worker, const char *utf8);

/* Refused requests, in worker_refuse.c. */

typedef enum RefusalCause
{
	REFUSED_CONTENT,			/* the API says so */
	REFUSED_SIZE,				/* the request or its answer is too large */
	REFUSED_MISMATCH			/* the answer's items are not the rows' */
} RefusalCause;

/* A request will not do because of its rows: it is parted, or its only row fails. */
extern void worker_refuse(Worker *worker, Request *request, RefusalCause cause, int http_status,
						  const char *error);

/* A request of so many rows was answered: the API does not refuse all. */
extern void worker_note_answered(Worker *worker, int rows);

/* The job was resumed: whether the API refuses all is an open question again. */
extern void worker_doubt_anew(Worker *worker);

/* Rows that were held because of that question fail now. */
extern void worker_settle_held(Worker *worker);

/* Last attempts that failed, in worker_undecided.c. */

/* It is not known yet whose fault that was: keep the request until it is. */
extern void worker_leave_undecided(Worker *worker, Request *request, int http_status,
								   const char *error);

/* Those of which it is known by now go again, or fail.  A step of the turn. */
extern void worker_decide(Worker *worker);

/* Part a request that holds more rows than requests may by now; it is freed. */
extern void worker_fit_request(Worker *worker, Request *request);

/* In a transaction: pause the job when too many rows have failed, or no path finds anything. */
extern void worker_check_failures(Worker *worker);
extern void worker_check_paths(Worker *worker);

/* Is there something to count that is not written yet? */
extern bool worker_has_counters(Worker *worker);

/* In a transaction: write what was counted since the last store; and once that is committed. */
extern void worker_note_counters(Worker *worker);
extern void worker_counters_noted(Worker *worker);

extern void worker_note_progress(Worker *worker);	/* a store was committed */
extern void worker_set_waiting(Worker *worker, WaitingFor waiting_for);

/* What it tries again and again, and what to do about it; NULL: nothing. */
extern void worker_show_trouble(Worker *worker, const char *error, const char *hint);

/* Reading job and server, in intake.c. */
extern void intake_job(Worker *worker);	/* in a transaction: job, server, credentials, recipe */

/* Steps: server and credentials, where they have changed; all, after anything may have. */
extern void intake_server_step(Worker *worker, void *arg);
extern void intake_again_step(Worker *worker, void *arg);

/* Read server and credentials again, now.  True: they had changed. */
extern bool intake_refresh(Worker *worker);

extern void intake_watch_changes(void);
extern bool intake_server_changed;	/* set by invalidations */
extern bool intake_catalog_changed;

/* In token_file.c: the same where a look at the file, every now and then, says that it has changed. */
extern void token_file_look(Worker *worker);

/* Is it being replaced, perhaps: missing or empty, and not for long yet? */
extern bool token_file_is_awaited(Worker *worker);

/* How many requests of the job may be in flight now, shares of other jobs apart. */
extern int	worker_effective_cap(Worker *worker);

#endif							/* PG_ENRICH_WORKER_LOOP_H */
