/*-------------------------------------------------------------------------
 *
 * wal_flush.h
 *	  Asynchronous commits of stores, flushed by the launcher.
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
	XLogRecPtr	first;			/* end of one of the first of them; invalid:
								 * there is none */
	XLogRecPtr	last;			/* end of the last */
	int64		first_at;		/* clocks of these two */
	int64		last_at;
	bool		deferred;		/* the transaction under way commits
								 * asynchronously */
} WalFlush;

/*
 * Let the transaction under way commit asynchronously; unless the flush would be too
 * late, or somebody wants more than a flush.
 */
extern void wal_flush_defer(WalFlush *state);

/* It is committed: have the launcher flush it. */
extern void wal_flush_request(WalFlush *state);

/* The launcher: flush what was requested. */
extern void wal_flush_serve(void);

#endif							/* PG_ENRICH_WAL_FLUSH_H */
