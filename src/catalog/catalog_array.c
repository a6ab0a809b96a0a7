/*-------------------------------------------------------------------------
 *
 * catalog_array.c
 *	  Arguments that are arrays: whatever is written for many rows is one
 *	  statement over them.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_array.h"

#include "utils/array.h"
#include "utils/lsyscache.h"

static void
add_field(Arguments *arguments, const Field *field, const void *const *records, int count)
{
	Datum	   *values = palloc(sizeof(Datum) * count);
	bool	   *nulls = palloc(sizeof(bool) * count);
	int			lower_bound = 1;
	int16		length;
	bool		by_value;
	char		alignment;

	for (int i = 0; i < count; i++)
		values[i] = field_get(field, records[i], &nulls[i]);
	get_typlenbyvalalign(field_type(field), &length, &by_value, &alignment);
	argument_add(arguments,
				 PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower_bound,
													field_type(field), length, by_value,
													alignment)));
}

void
argument_add_fields(Arguments *arguments, const Field *fields, int field_count,
					const void *const *records, int count)
{
	for (int i = 0; i < field_count; i++)
		add_field(arguments, &fields[i], records, count);
}
