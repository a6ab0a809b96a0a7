/*-------------------------------------------------------------------------
 *
 * catalog_extension.h
 *	  The extension itself: whose its tables are, and whether it is here to stay.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_EXTENSION_H
#define PG_ENRICH_CATALOG_EXTENSION_H

#include "postgres.h"

/* The user our tables belong to: the extension's owner.  InvalidOid: not installed here. */
extern Oid	catalog_owner(void);

/* Our table of that name. */
extern Oid	catalog_relation(const char *name);

/* Take a share of the extension for this transaction.  False: it is not there, or being dropped. */
extern bool catalog_lock_extension(void);

/* Does somebody wait for what catalog_lock_extension took (DROP EXTENSION)? */
extern bool catalog_extension_is_wanted(void);

#endif							/* PG_ENRICH_CATALOG_EXTENSION_H */
