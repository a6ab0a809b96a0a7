/*-------------------------------------------------------------------------
 *
 * wal_flush.h
 *	  Stores whose commit does not wait for the disk: the launcher flushes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WAL_FLUSH_H
#define PG_ENRICH_WAL_FLUSH_H

#include "postgres.h"

#include "access/xlogdefs.h"

/* A worker's commits that may not be on disk yet. */
typedef struct WalFlush
{
	XLogRecPtr	oldest;			/* end of the first of them; invalid: there is none */
	XLogRecPtr	latest;			/* ... and of the last */
	int64		oldest_at;		/* clock of the first, or of one before it */
	int64		latest_at;		/* clock of the last */
	bool		left;			/* the transaction under way will not wait */
} WalFlush;

/* Let the commit of this transaction not wait, where that costs no durability worth the name. */
extern void wal_flush_leave(WalFlush *state);

/* It is committed: have the launcher flush it. */
extern void wal_flush_ask(WalFlush *state);

/* The launcher: flush what was asked for. */
extern void wal_flush_asked(void);

#endif							/* PG_ENRICH_WAL_FLUSH_H */
