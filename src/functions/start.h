/*-------------------------------------------------------------------------
 *
 * start.h
 *	  The parameters of enrich.start and enrich.preview.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_START_H
#define PG_ENRICH_START_H

#include "postgres.h"

#include "fmgr.h"

#include "catalog/job.h"

/*
 * The job that the arguments of start or preview describe, owned by the
 * current user, in the current context.  Raises errors for values that are NULL
 * or out of range; the rest is recipe_make's to check.
 */
extern Job *start_read_arguments(FunctionCallInfo fcinfo);

#endif							/* PG_ENRICH_START_H */
