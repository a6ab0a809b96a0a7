/*-------------------------------------------------------------------------
 *
 * convert.h
 *	  From a JSON value in an answer to a value of a column's type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CONVERT_H
#define PG_ENRICH_CONVERT_H

#include "postgres.h"

#include "json/json.h"

/* What is known of a column's type, looked up once; lives in the context it was made in. */
typedef struct Converter Converter;

/*
 * A converter for a column.  Raises datatype_mismatch, with a hint, for a type
 * that no JSON value can be stored in (pseudo-types but no others).
 */
extern Converter *converter_create(const char *column, Oid type, int32 typmod);

/* Does a type hold what JSON_FLOATS has: an array of float4, or a vector made of one? */
extern bool converter_takes_floats(Oid type);

/*
 * What JSON_FLOATS has as a JSON array again, in the current context; no more numbers
 * than give a text of so many bytes.
 */
extern JsonSlice converter_floats_as_json(JsonSlice value, Size most);

/*
 * The value in the column's type, allocated in the current context.  A NULL
 * start and a JSON null give an SQL NULL (which a domain may refuse).  Raises
 * errors of SQLSTATE class 22 or 23 for a value that does not fit, or whatever
 * the type's input function raises; each carries the column in its context or message.
 */
extern Datum converter_apply(Converter *converter, JsonSlice value, bool *is_null);

#endif							/* PG_ENRICH_CONVERT_H */
