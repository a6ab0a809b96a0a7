/*-------------------------------------------------------------------------
 *
 * similar.h
 *	  Of the names that are known, the one that a mistyped name was meant to be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SIMILAR_H
#define PG_ENRICH_SIMILAR_H

/* A search; begin with similar_to, consider all that is known, and look at best. */
typedef struct Similar
{
	const char *name;			/* as it was typed */
	const char *best;			/* the nearest of those considered, or NULL:
								 * none is near */
	int			distance;		/* edits between the two */
} Similar;

extern Similar similar_to(const char *name);

/* Is this one nearer than the best so far?  It must outlive the search. */
extern void similar_consider(Similar *similar, const char *candidate);

#endif							/* PG_ENRICH_SIMILAR_H */
