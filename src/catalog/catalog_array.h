/*-------------------------------------------------------------------------
 *
 * catalog_array.h
 *	  Arguments that are arrays: whatever is written for many rows is one statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_ARRAY_H
#define PG_ENRICH_CATALOG_ARRAY_H

#include "postgres.h"

#include "catalog/catalog_statement.h"
#include "common/field.h"

/*
 * An array for each of the fields, of its values in all the records: together they are
 * what unnest makes the records' rows of.
 */
extern void argument_add_fields(Arguments *arguments, const Field *fields, int field_count,
								const void *const *records, int count);

#endif							/* PG_ENRICH_CATALOG_ARRAY_H */
