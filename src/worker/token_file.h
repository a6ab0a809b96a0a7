/*-------------------------------------------------------------------------
 *
 * token_file.h
 *	  A token's file that changes, or is being replaced, while its job runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_TOKEN_FILE_H
#define PG_ENRICH_TOKEN_FILE_H

#include "postgres.h"

#include "server/server.h"
#include "worker/worker_place.h"

typedef struct TokenFileWatch
{
	TokenFile	file;			/* as it was when it was last read */
	int64		looked_at;		/* clock of the last look */
	int64		bad_since;		/* clock of when it was first found unusable;
								 * 0: it is usable */
} TokenFileWatch;

/*
 * Look at the file every now and then: where it has changed, server and credentials are read
 * again.
 */
extern void token_file_look(Worker *worker);

/* Is it being replaced, perhaps: missing or empty, and not for long yet? */
extern bool token_file_is_awaited(Worker *worker);

#endif							/* PG_ENRICH_TOKEN_FILE_H */
