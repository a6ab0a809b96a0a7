/*-------------------------------------------------------------------------
 *
 * backend.h
 *	  As much of a PostgreSQL backend as reading options and masking need.
 *
 * So that these, which are pure but for memory, lists and errors, can be fuzzed
 * without a server.  Everything that is allocated is freed by backend_reset.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_FUZZ_BACKEND_H
#define PG_ENRICH_FUZZ_BACKEND_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* The error that was raised last. */
typedef struct BackendError
{
	int			sqlerrcode;
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
	bool		hide_statement;
	bool		hide_context;
} BackendError;

extern BackendError backend_error;

/* Calls a function.  False: it raised an error, which is in backend_error. */
extern bool backend_try(void (*function) (void *state), void *state);

extern void backend_reset(void);

extern List *backend_option(List *list, char *name, char *value);

#endif							/* PG_ENRICH_FUZZ_BACKEND_H */
