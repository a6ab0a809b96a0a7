/*-------------------------------------------------------------------------
 *
 * wal_flush.c
 *	  Stores whose commit does not wait for the disk: the launcher flushes them.
 *
 * While a worker waits for its WAL to be flushed it receives nothing and sends
 * nothing: on a disk that takes 10 ms for that, free permits wait as long.  So a
 * store commits as with synchronous_commit = off, and the launcher flushes at
 * once what the worker would have waited for.  A crash within that time takes
 * results and the knowledge of them together, as ever: their rows are pending
 * again, just as if it had come while the worker waited.
 *
 * All other commits wait; and with them what was committed before, by whichever
 * process, is flushed.  So a job that is finished or paused is so on disk.
 *
 *-------------------------------------------------------------------------
 */
#include "wal_flush.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "utils/guc.h"

#include "clock.h"
#include "shared.h"

/*
 * A disk, or a launcher, that takes longer is waited for: a crash is to repeat no
 * more than the answers of a fifth of a second, and they may be half as old by then.
 */
#define LEFT_AT_MOST_US 100000

/* Somebody wants standbys to have it before it counts. */
static bool
standbys_are_waited_for(void)
{
	return SyncRepRequested() && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0';
}

/* What is on disk by now? */
static void
look(WalFlush *state)
{
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);

	if (state->latest <= flushed)
		state->oldest = InvalidXLogRecPtr;
	else if (state->oldest <= flushed)
	{
		state->oldest = state->latest;
		state->oldest_at = state->latest_at;
	}
}

void
wal_flush_leave(WalFlush *state)
{
	look(state);
	/* Whoever has turned synchronous_commit off wants no flush of ours, either. */
	state->left = synchronous_commit > SYNCHRONOUS_COMMIT_OFF && !standbys_are_waited_for() &&
		shared->launcher_pid != 0 &&
		(state->oldest == InvalidXLogRecPtr || clock_now() - state->oldest_at < LEFT_AT_MOST_US);
	if (state->left)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

void
wal_flush_ask(WalFlush *state)
{
	if (!state->left)
		return;
	state->left = false;
	state->latest = XactLastCommitEnd;
	state->latest_at = clock_now();
	if (state->oldest == InvalidXLogRecPtr)
	{
		state->oldest = state->latest;
		state->oldest_at = state->latest_at;
	}
	shared_lock();
	shared->flush_to = Max(shared->flush_to, state->latest);
	shared_unlock();
	shared_wake_launcher();
}

void
wal_flush_asked(void)
{
	XLogRecPtr	flush_to;

	shared_lock();
	flush_to = shared->flush_to;
	shared_unlock();
	if (flush_to != InvalidXLogRecPtr)
		XLogFlush(flush_to);
}
