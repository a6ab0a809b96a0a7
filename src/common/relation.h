/*-------------------------------------------------------------------------
 *
 * relation.h
 *	  Questions about tables and views: their columns, keys and rights.
 *
 * All of it in a transaction.  Lists of columns hold names, char *.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_RELATION_H
#define PG_ENRICH_RELATION_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

/* A qualified and quoted name. */
extern char *relation_quoted_name(Oid relation);

/* The names of its columns, in order. */
extern List *relation_columns(Oid relation);

/* The column whose name is nearest to one that is none; NULL where none is near. */
extern const char *relation_nearest_column(Oid relation, const char *name);

/* The columns of its primary key, in the index's order; NIL: it has none. */
extern List *relation_primary_key(Oid relation);

/* Does a unique index that holds at once, on all rows, cover exactly these columns? */
extern bool relation_has_unique_key(Oid relation, List *columns);

/* Do foreign keys refer to a table?  Deleting its rows would cascade. */
extern bool relation_is_referenced(Oid relation);

/*
 * Raises insufficient_privilege unless the current user has this privilege (SELECT, INSERT or
 * UPDATE) on all of these columns: on the table as a whole, or one by one.
 */
extern void relation_require_privilege(Oid relation, AclMode mode, List *columns);

#endif							/* PG_ENRICH_RELATION_H */
