/*-------------------------------------------------------------------------
 *
 * subtransaction.h
 *	  Running something that may fail without its transaction failing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SUBTRANSACTION_H
#define PG_ENRICH_SUBTRANSACTION_H

#include "postgres.h"

/* What is run, and looks at its errors, gets the caller's arg. */
typedef void (*SubtransactionBody) (void *arg);
typedef bool (*ErrorFilter) (const ErrorData *error, const void *arg);

/*
 * Runs something in a subtransaction, in the current memory context.  NULL: it has succeeded.
 * Otherwise all of it is undone, and this is the error it has raised, in that context.
 *
 * Raised to the caller is an error that expects() is false for; expects NULL: it is true for
 * all.  And always those that say nothing of what was run: a cancel or a shutdown (class 57),
 * and want of memory, disk or connections (class 53).
 */
extern ErrorData *subtransaction_run(SubtransactionBody run, void *arg, ErrorFilter expects);

#endif							/* PG_ENRICH_SUBTRANSACTION_H */
