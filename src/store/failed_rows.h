/*-------------------------------------------------------------------------
 *
 * failed_rows.h
 *	  Rows that failed: their staging rows are kept, their reasons shown.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_FAILED_ROWS_H
#define PG_ENRICH_FAILED_ROWS_H

#include "postgres.h"

#include "recipe/recipe.h"
#include "staging/bucket.h"

typedef struct FailedRows FailedRows;

/* A collection in the current memory context. */
extern FailedRows *failed_rows_make(const Recipe *recipe);

/* A row failed; error is kept by reference. */
extern void failed_rows_add(FailedRows *failed, const Row *row, const char *error,
							int http_status, int attempts);

/* A row that had failed before is done now. */
extern void failed_rows_add_done(FailedRows *failed, const Row *row);

/*
 * Move the staging rows and fill enrich.failures, in the current transaction:
 * staging as the current user, who owns it, the catalog as its owner.
 */
extern void failed_rows_write(FailedRows *failed);

#endif							/* PG_ENRICH_FAILED_ROWS_H */
