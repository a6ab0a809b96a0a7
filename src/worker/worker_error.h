/*-------------------------------------------------------------------------
 *
 * worker_error.h
 *	  What an error that the database raises means for a worker's job.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_ERROR_H
#define PG_ENRICH_WORKER_ERROR_H

#include "postgres.h"

typedef enum ErrorClass
{
	ERROR_LOCK,					/* a lock or a conflict: gone in a moment */
	ERROR_PASSING,				/* a system in trouble: it may pass by itself */
	ERROR_UNKNOWN,				/* who knows: tried again a few times */
	ERROR_CONFIGURATION,		/* a person must change something */
	ERROR_CANCELED				/* somebody canceled the worker's query */
} ErrorClass;

extern ErrorClass error_class_of(const ErrorData *error);

/*
 * Has this process run out of memory?  Of the same SQLSTATE are shared memory, and that
 * of others, of which a foreign server may tell.
 */
extern bool error_is_own_memory(const ErrorData *error);

/* Message and detail, in the current memory context. */
extern char *error_text(const ErrorData *error);

/* What to do: the error's own hint, else one by its SQLSTATE. */
extern const char *error_hint(const ErrorData *error);

/* The same for a job that pauses because of it: says how it goes on. */
extern const char *error_pause_hint(const ErrorData *error);

#endif							/* PG_ENRICH_WORKER_ERROR_H */
