/*-------------------------------------------------------------------------
 *
 * wal_flush.c
 *	  Asynchronous commits of stores, flushed by the launcher.
 *
 * While a worker waits for its WAL to be flushed it receives nothing and sends
 * nothing: on a disk that takes 10 ms for that, free permits wait as long.  So a
 * store commits as with synchronous_commit = off, and the launcher flushes at
 * once what the worker would have waited for.  A crash within that time takes
 * results and the knowledge of them together, as ever: their rows are pending
 * again, just as if it had come while the worker waited.
 *
 * All other commits wait, and with them what was committed before, by whichever
 * process, is flushed.  So a job that is finished or paused is so on disk.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/wal_flush.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "pgstat.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "utils/guc.h"

#include "base/clock.h"
#include "shared/shared.h"

/*
 * While a commit this old is known not to be flushed, the next one waits.  What was
 * committed before that one, and is not known to be flushed either, is at most twice
 * as old.  So a crash takes at most a tenth of a second of stores, of answers that
 * were a tenth of a second old: a fifth of a second in all, as users are promised.
 */
#define DEFERRED_AT_MOST_US 50000

/* Somebody wants standbys to have it before it counts. */
static bool
standbys_are_waited_for(void)
{
	return SyncRepRequested() && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0';
}

/* What is on disk by now? */
static void
forget_flushed(WalFlush *state)
{
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);

	if (state->last <= flushed)
		state->first = InvalidXLogRecPtr;
	else if (state->first <= flushed)
	{
		/* Those between are not known one by one. */
		state->first = state->last;
		state->first_at = state->last_at;
	}
}

void
wal_flush_defer(WalFlush *state)
{
	forget_flushed(state);

	/*
	 * Whoever has turned synchronous_commit off wants no flush of ours,
	 * either.
	 */
	state->deferred = synchronous_commit > SYNCHRONOUS_COMMIT_OFF && !standbys_are_waited_for() &&
		shared->launcher != NULL &&
		(state->first == InvalidXLogRecPtr ||
		 clock_now() - state->first_at < DEFERRED_AT_MOST_US);
	if (state->deferred)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

void
wal_flush_request(WalFlush *state)
{
	if (!state->deferred)
		return;
	Assert(!IsTransactionState() && state->last <= XactLastCommitEnd);
	state->deferred = false;
	state->last = XactLastCommitEnd;
	state->last_at = clock_now();
	if (state->first == InvalidXLogRecPtr)
	{
		state->first = state->last;
		state->first_at = state->last_at;
	}
	shared_lock();
	shared->flush_to = Max(shared->flush_to, state->last);
	shared_unlock();
	shared_wake_launcher();
}

void
wal_flush_serve(void)
{
	XLogRecPtr	flush_to;

	shared_lock();
	flush_to = shared->flush_to;
	shared_unlock();
	if (flush_to <= GetFlushRecPtr(NULL))
		return;
	XLogFlush(flush_to);
	pgstat_report_wal(false);	/* or pg_stat_wal would not know before we end */
}
