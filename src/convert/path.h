/*-------------------------------------------------------------------------
 *
 * path.h
 *	  Compiling jsonpath into what response.c walks or has evaluated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PATH_H
#define PG_ENRICH_PATH_H

#include "postgres.h"

#include "response/response.h"

/*
 * Compile the text of a jsonpath; parameter ("results", "output column x") is
 * for messages.  Allocates in the current context.  Raises the jsonpath type's
 * own syntax errors, with the parameter in the context and a hint, and
 * errors for paths that fit no value whatever.  A plain path ($,
 * members, [n], [*], lax or strict) is walked by its steps; any other is
 * evaluated by PostgreSQL, in a transaction.
 */
extern void path_compile(const char *text, const char *parameter, Path *path);

#endif							/* PG_ENRICH_PATH_H */
