/*-------------------------------------------------------------------------
 *
 * match.h
 *	  Items of an answer to the rows they belong to, by their keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_MATCH_H
#define PG_ENRICH_MATCH_H

#include "postgres.h"

#include "response/response.h"

struct KeyColumn;

typedef struct Matcher Matcher;

/* In the current memory context; keys are kept by reference. */
extern Matcher *matcher_create(int key_count, const struct KeyColumn *keys);

/*
 * Tells the items of an answer apart by their keys, which are converted to the
 * key columns' types and compared as these compare: 1.0 is the row whose key
 * is the numeric 1.  row_keys has the keys of each row of the request.  Afterwards
 * the response is assigned, or rejected with a reason: a key that is no row's,
 * that does not fit its type, or, unless many items may belong to a row, that is
 * there twice.  Needs a transaction.
 */
extern void matcher_assign(Matcher *matcher, Datum *const *row_keys, bool many,
						   Response *response);

#endif							/* PG_ENRICH_MATCH_H */
