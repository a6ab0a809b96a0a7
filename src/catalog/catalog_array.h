/*-------------------------------------------------------------------------
 *
 * catalog_array.h
 *	  Arguments that are arrays: columns of what a statement writes for many rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_ARRAY_H
#define PG_ENRICH_CATALOG_ARRAY_H

#include "postgres.h"

#include "catalog/catalog_statement.h"

/* A column of a statement over arrays, collected value by value. */
typedef struct ArrayColumn
{
	Oid			type;
	int16		length;
	bool		by_value;
	char		alignment;
	Datum	   *values;
	bool	   *nulls;
} ArrayColumn;

extern const ArrayColumn int8_column;
extern const ArrayColumn int4_column;
extern const ArrayColumn bool_column;
extern const ArrayColumn text_column;
extern const ArrayColumn bytea_column;
extern const ArrayColumn jsonb_column;
extern const ArrayColumn time_column;

extern ArrayColumn column_make(const ArrayColumn *kind, int count);
extern void column_set(ArrayColumn *column, int i, Datum value, bool is_null);
extern void argument_add_column(Arguments *arguments, ArrayColumn *column, int count);

#endif							/* PG_ENRICH_CATALOG_ARRAY_H */
