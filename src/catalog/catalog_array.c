/*-------------------------------------------------------------------------
 *
 * catalog_array.c
 *	  Arguments that are arrays: whatever is written for many rows is one
 *	  statement over them.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_array.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

const ArrayColumn int8_column = {INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, NULL, NULL};
const ArrayColumn int4_column = {INT4OID, 4, true, TYPALIGN_INT, NULL, NULL};
const ArrayColumn bool_column = {BOOLOID, 1, true, TYPALIGN_CHAR, NULL, NULL};
const ArrayColumn text_column = {TEXTOID, -1, false, TYPALIGN_INT, NULL, NULL};
const ArrayColumn bytea_column = {BYTEAOID, -1, false, TYPALIGN_INT, NULL, NULL};
const ArrayColumn jsonb_column = {JSONBOID, -1, false, TYPALIGN_INT, NULL, NULL};
const ArrayColumn time_column = {TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, NULL, NULL};

ArrayColumn
column_make(const ArrayColumn *kind, int count)
{
	ArrayColumn column = *kind;

	column.values = palloc0(sizeof(Datum) * count);
	column.nulls = palloc0(sizeof(bool) * count);
	return column;
}

void
column_set(ArrayColumn *column, int i, Datum value, bool is_null)
{
	column->values[i] = value;
	column->nulls[i] = is_null;
}

void
argument_add_column(Arguments *arguments, ArrayColumn *column, int count)
{
	int			dimensions[1] = {count};
	int			lower_bounds[1] = {1};

	argument_add(arguments,
				 PointerGetDatum(construct_md_array(column->values, column->nulls, 1,
													dimensions, lower_bounds, column->type,
													column->length, column->by_value,
													column->alignment)));
}
