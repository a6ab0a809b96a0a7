/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Outcomes of requests into target rows, failures and counters: exactly once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_STORE_H
#define PG_ENRICH_STORE_H

#include "postgres.h"

#include "catalog/catalog_counters.h"
#include "recipe/recipe.h"
#include "response/response.h"
#include "staging/bucket.h"

typedef enum OutcomeKind
{
	OUTCOME_ANSWERED,			/* response holds the rows' values */
	OUTCOME_NOTHING,			/* the API has no result for the row: the
								 * outputs become NULL */
	OUTCOME_SKIPPED,			/* nothing was sent: the outputs become NULL */
	OUTCOME_FAILED				/* the rows fail with error */
} OutcomeKind;

/* What became of some rows of one bucket, waiting to be stored.  malloc'd. */
typedef struct Outcome
{
	OutcomeKind kind;
	Bucket	   *bucket;
	int			row_count;
	Row		  **rows;			/* malloc'd */
	int			stored;			/* of them, the first ones */
	int			taken;			/* ... and the next ones, by the store under
								 * way */
	Response	response;
	ByteBuffer	answer;			/* the bytes that response points into */
	int			http_status;	/* 0: no answer */
	int			attempts;
	const Credentials *credentials; /* what it was asked with, to be masked;
									 * NULL: nothing sent */
	char		error[512];		/* OUTCOME_FAILED; masked */
	Size		bytes;			/* that it takes in memory, rows apart */
	int64		since;			/* monotonic microseconds: when it was there */
	struct Outcome *next;
} Outcome;

extern void outcome_free(Outcome *outcome);

/*
 * The next row of it that is not stored, as an outcome of its own that has failed, for a
 * reason that is the caller's to give.  The outcome goes on as if the row was stored.  NULL:
 * out of memory.
 */
extern Outcome *outcome_take_row(Outcome *outcome);

/* A worker's way to its target: statements and converters, made once. */
typedef struct Store Store;

extern Store *store_make(const Recipe *recipe, int worker_number, MemoryContext parent);

/*
 * Write what is taken of each outcome in a list, in the current transaction, as the current
 * user: results, buckets, failures and counters.  add comes with requests, retries
 * and tokens and gets the numbers of rows and buckets.  A row whose value does
 * not fit fails alone; errors of other kinds are raised.  Call
 * store_committed after the commit, and store_failed where there was none.
 */
extern void store_outcomes(Store *store, Outcome *outcomes, Counters *add);

/* The commit went through: the buckets in memory follow. */
extern void store_committed(Store *store);

/* It came to nothing: what it took in memory goes. */
extern void store_failed(Store *store);

/* With write_mode overwrite, at the end: replace the target's rows by the collected ones. */
extern void store_replace(Store *store);

#endif							/* PG_ENRICH_STORE_H */
