/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  The parameters of enrich.start and enrich.preview.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_ARGUMENTS_H
#define PG_ENRICH_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

#include "catalog/job.h"

/*
 * The job that the arguments of start or preview describe, owned by the
 * current user, in the current context.  Raises errors for values that are NULL
 * or out of range, and where SQL declares the functions of another version; the rest
 * is recipe_make's to check.
 */
extern Job *arguments_read_job(FunctionCallInfo fcinfo);

/* The argument that follows those, if_not_exists. */
extern bool arguments_if_not_exists(FunctionCallInfo fcinfo);

#endif							/* PG_ENRICH_ARGUMENTS_H */
