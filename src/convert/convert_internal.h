/*-------------------------------------------------------------------------
 *
 * convert_internal.h
 *	  What the files that convert share: convert_type.c, what is known of a type;
 *	  above it convert_number.c, numbers; above both convert.c.  Not for anyone else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CONVERT_INTERNAL_H
#define PG_ENRICH_CONVERT_INTERNAL_H

#include "convert/convert.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "utils/array.h"

typedef enum ConverterKind
{
	CONVERT_PLAIN,				/* scalars, and a JSON array as its text */
	CONVERT_SCALAR,				/* scalars only */
	CONVERT_TEXT,				/* arrays and objects as JSON text */
	CONVERT_JSON,				/* everything as JSON text, strings too */
	CONVERT_VECTOR,				/* an extension's type with a cast from real[] */
	CONVERT_ARRAY,
	CONVERT_COMPOSITE,
	CONVERT_DOMAIN
} ConverterKind;

typedef struct Field
{
	Converter  *converter;		/* NULL: a dropped attribute */
	char	   *name;			/* UTF-8 */
	size_t		name_length;
} Field;

struct Converter
{
	ConverterKind kind;
	const char *subject;		/* what messages call it: column "x", field
								 * "y" */
	Oid			type;
	int32		typmod;
	MemoryContext context;		/* where this and what is looked up later
								 * lives */

	FmgrInfo	input;			/* the type's input function and its argument;
								 * none for domains */
	Oid			input_param;

	Converter  *item;			/* array: its elements; vector: real; domain:
								 * its base type */
	size_t		usual_length;	/* elements: how many the last array had, if
								 * they are numbers */
	FmgrInfo	cast;			/* vector: from real[] */
	TupleDesc	descriptor;		/* composite: NULL until needed */
	Field	   *fields;			/* one for each attribute */
	void	   *constraints;	/* domain: domain_check's cache */
};

/* In convert_type.c */

/* Looks up a composite type's fields. */
extern void converter_look_up_fields(Converter *converter);

/* Runs the input function over UTF-8 text. */
extern Datum converter_input(Converter *converter, const char *utf8, size_t length);

/* Raises "does not fit", so never returns; detail may be NULL. */
extern void converter_refuse(Converter *converter, JsonSlice value, const char *detail);

/* In convert_number.c */

/*
 * A JSON array of nothing but numbers, by the converter of its elements; NULL if it is
 * not, or the type is not for this.
 */
extern ArrayType *converter_numbers(Converter *item, JsonSlice value);

/* The same as an extension's vector.  False: it is something else. */
extern bool converter_vector(Converter *converter, JsonSlice value, Datum *result);

/* Numbers that were read already, for an array of float4 or a vector. */
extern Datum converter_from_floats(Converter *converter, const float *floats, size_t count);

/*
 * May a decoded string for this type be base64, and if it is, its numbers.
 * Literals of arrays and vectors begin with a bracket.
 */
extern bool converter_may_be_base64(Converter *converter, JsonSlice text);
extern Datum converter_from_base64(Converter *converter, JsonSlice text);

#endif							/* PG_ENRICH_CONVERT_INTERNAL_H */
