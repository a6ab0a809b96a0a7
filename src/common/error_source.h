/*-------------------------------------------------------------------------
 *
 * error_source.h
 *	  Where in PostgreSQL an error was raised, for what its SQLSTATE does not tell.
 *
 * The place is the name of a C function (ErrorData.funcname), which is the same in all
 * languages, but no promise: a major version may rename it.  All that we depend upon is here,
 * and test/t/043_error_sources.pl has PostgreSQL raise each, and compares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_ERROR_SOURCE_H
#define PG_ENRICH_ERROR_SOURCE_H

#include "postgres.h"

/* Is it a cancel of this process, and not one that a user's function or a foreign server raised? */
extern bool error_is_own_cancel(const ErrorData *error);

/* Has a policy of row-level security refused a row?  A missing privilege has that SQLSTATE, too. */
extern bool error_is_by_policy(const ErrorData *error);

/*
 * What kind of function stands where it must not, as in "%s are not allowed": aggregate, window
 * or set-returning functions.  NULL: it is another error.
 */
extern const char *error_misplaced_functions(const ErrorData *error);

#endif							/* PG_ENRICH_ERROR_SOURCE_H */
