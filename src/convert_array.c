/*-------------------------------------------------------------------------
 *
 * convert_array.c
 *	  JSON arrays, and base64 of numbers, to arrays and vectors.
 *
 * One-dimensional arrays of numbers are written straight into the array's
 * data; everything else goes element by element through its converter.  Owns
 * nothing but what it returns, allocated in the current context.  What does
 * not fit raises an error of class 22.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "convert_internal.h"
#include "number.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include <ctype.h>
#include <math.h>

/* Collects the elements of an array of known depth. */
typedef struct ArrayMaker
{
	Converter  *converter;
	ArrayBuildState *state;
	int			depth;
	int			sizes[MAXDIM];	/* -1: not yet seen */
} ArrayMaker;

/* The size of the numbers that are read here without their input function; 0: not these. */
static size_t
number_size(Converter *item)
{
	switch (item->type)
	{
		case INT4OID:
		case FLOAT4OID:
			return 4;
		case INT8OID:
		case FLOAT8OID:
			return 8;
		default:
			return 0;
	}
}

/* Writes a number into an array's data. */
static void
put_number(Converter *item, const Number *number, char *out)
{
	int64_t		integer;
	int32		integer4;
	float4		real4;
	float8		real8;
	Datum		slow;

	if (item->type == FLOAT4OID && number_to_float4(number, &real4))
		memcpy(out, &real4, sizeof(real4));
	else if (item->type == FLOAT8OID && number_to_float8(number, &real8))
		memcpy(out, &real8, sizeof(real8));
	else if (item->type == INT8OID &&
			 number_to_integer(number, PG_INT64_MIN, PG_INT64_MAX, &integer))
		memcpy(out, &integer, sizeof(integer));
	else if (item->type == INT4OID &&
			 number_to_integer(number, PG_INT32_MIN, PG_INT32_MAX, &integer))
	{
		integer4 = (int32) integer;
		memcpy(out, &integer4, sizeof(integer4));
	}
	else
	{
		slow = converter_input(item, number->start, number->end - number->start);
		store_att_byval(out, slow, (int) number_size(item));
	}
}

/* A one-dimensional array of so many numbers, yet to be filled in. */
static ArrayType *
allocate_numbers(Converter *item, size_t count)
{
	size_t		size = ARR_OVERHEAD_NONULLS(1) + count * number_size(item);
	ArrayType  *array;

	if (size > MaxAllocSize || count > MaxArraySize)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array of %zu numbers is too long for %s", count, item->subject)));
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = item->type;
	ARR_DIMS(array)[0] = (int) count;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
		p++;
	return p;
}

/*
 * A JSON array of nothing but numbers; NULL if it is not, or the type is not
 * for here.
 */
static ArrayType *
numbers(Converter *item, JsonSlice value)
{
	size_t		size = number_size(item);
	const char *p = skip_space(value.start + 1);
	size_t		count = 1;
	ArrayType  *array;

	if (size == 0 || (*p != '-' && (*p < '0' || *p > '9')))
		return NULL;
	for (size_t i = 0; i < value.length; i++)
		count += value.start[i] == ',';
	array = allocate_numbers(item, count);
	for (size_t i = 0; i < count; i++)
	{
		Number		number;

		p = skip_space(p);
		if (!number_scan(p, &number))
		{
			pfree(array);
			return NULL;
		}
		put_number(item, &number, ARR_DATA_PTR(array) + i * size);
		p = skip_space(number.end) + 1; /* over the comma */
	}
	return array;
}

/* The array, cast to the extension's type. */
static Datum
cast_vector(Converter *converter, ArrayType *array)
{
	Datum		result = FunctionCall3(&converter->cast, PointerGetDatum(array),
									   Int32GetDatum(converter->typmod), BoolGetDatum(false));

	pfree(array);
	return result;
}

bool
converter_vector(Converter *converter, JsonSlice value, Datum *result)
{
	ArrayType  *array = numbers(converter->item, value);

	if (array == NULL)
		return false;
	*result = cast_vector(converter, array);
	return true;
}

/* A float4 in a notation that the type reads as the same number, if it can hold it. */
static void
append_float(StringInfo literal, Oid type, float4 number)
{
	char		shortest[FLOAT_SHORTEST_DECIMAL_LEN];

	if (type == FLOAT8OID)
		appendStringInfo(literal, "%.17g", (double) number);
	else if (type != FLOAT4OID && fabsf(number) < 1e18f && number == rintf(number))
		appendStringInfo(literal, "%.0f", (double) number); /* 1e+06 is no integer's literal */
	else
	{
		float_to_shortest_decimal_buf(number, shortest);
		appendStringInfoString(literal, shortest);
	}
}

/* An array of float4 numbers in another type, through its literal. */
static Datum
array_from_literal(Converter *converter, const float *floats, size_t count)
{
	Oid			type = getBaseType(converter->item->type);
	StringInfoData literal;
	Datum		result;

	initStringInfo(&literal);
	for (size_t i = 0; i < count; i++)
	{
		appendStringInfoChar(&literal, i == 0 ? '{' : ',');
		append_float(&literal, type, floats[i]);
	}
	appendStringInfoChar(&literal, '}');
	result = converter_input(converter, literal.data, literal.len);
	pfree(literal.data);
	return result;
}

Datum
converter_from_base64(Converter *converter, JsonSlice text)
{
	float	   *floats = MemoryContextAllocHuge(CurrentMemoryContext, text.length + sizeof(float));
	size_t		count;
	ArrayType  *array;
	Datum		result;

	if (!number_decode_base64(text.start, text.length, floats, &count))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("a JSON string does not fit %s of type %s", converter->subject,
						format_type_be(converter->type)),
				 errdetail("It is neither a literal of that type nor base64 of float4 numbers.")));
	if (converter->item->type == FLOAT4OID)
	{
		array = allocate_numbers(converter->item, count);
		memcpy(ARR_DATA_PTR(array), floats, count * sizeof(float));
		result = converter->kind == CONVERT_VECTOR ? cast_vector(converter, array)
			: PointerGetDatum(array);
	}
	else
		result = array_from_literal(converter, floats, count);
	pfree(floats);
	return result;
}

bool
converter_may_be_base64(Converter *converter, JsonSlice text)
{
	if (converter->kind == CONVERT_ARRAY)
	{
		switch (getBaseType(converter->item->type))
		{
			case INT2OID:
			case INT4OID:
			case INT8OID:
			case FLOAT4OID:
			case FLOAT8OID:
			case NUMERICOID:
				break;
			default:
				return false;
		}
	}
	else if (converter->kind != CONVERT_VECTOR)
		return false;
	while (text.length > 0 && isspace((unsigned char) *text.start))
	{
		text.start++;
		text.length--;
	}
	return text.length > 0 && *text.start != '{' && *text.start != '[';
}

/* Is a JSON array one value of this type, rather than one more dimension? */
static bool
takes_arrays(Converter *converter)
{
	if (converter->kind == CONVERT_DOMAIN)
		converter = converter->item;
	return converter->kind == CONVERT_JSON || converter->kind == CONVERT_VECTOR ||
		converter->kind == CONVERT_ARRAY;
}

/* How many dimensions a JSON array has, going by its first elements. */
static int
count_dimensions(Converter *converter, JsonSlice value)
{
	int			depth = 1;
	JsonCursor	cursor = json_elements(value);
	JsonSlice	first;

	while (!takes_arrays(converter->item) && json_next_element(&cursor, &first) &&
		   json_kind(first) == JSON_ARRAY)
	{
		if (++depth > MAXDIM)
			converter_refuse(converter, value, "It is nested too deep.");
		cursor = json_elements(first);
	}
	return depth;
}

/* Adds the elements of an array at a level (from 0). */
static void
collect(ArrayMaker *maker, JsonSlice array, int level)
{
	Converter  *item = maker->converter->item;
	JsonCursor	cursor = json_elements(array);
	JsonSlice	element;
	int			size = 0;

	for (; json_next_element(&cursor, &element); size++)
	{
		bool		is_array = json_kind(element) == JSON_ARRAY && !takes_arrays(item);
		bool		is_null;
		Datum		datum;

		if (is_array != (level + 1 < maker->depth))
			converter_refuse(maker->converter, array, "It mixes arrays and other values.");
		if (is_array)
		{
			collect(maker, element, level + 1);
			continue;
		}
		datum = converter_value(item, element, &is_null);
		maker->state = accumArrayResult(maker->state, datum, is_null, item->type,
										CurrentMemoryContext);
	}
	if (maker->sizes[level] >= 0 && maker->sizes[level] != size)
		converter_refuse(maker->converter, array, "Its nested arrays have different lengths.");
	maker->sizes[level] = size;
}

Datum
converter_array(Converter *converter, JsonSlice value)
{
	ArrayType  *fast = numbers(converter->item, value);
	ArrayMaker	maker = {.converter = converter};
	int			lower_bounds[MAXDIM];

	if (fast != NULL)
		return PointerGetDatum(fast);
	maker.depth = count_dimensions(converter, value);
	for (int i = 0; i < MAXDIM; i++)
	{
		maker.sizes[i] = -1;
		lower_bounds[i] = 1;
	}
	collect(&maker, value, 0);
	if (maker.state == NULL)
		return PointerGetDatum(construct_empty_array(converter->item->type));
	return makeMdArrayResult(maker.state, maker.depth, maker.sizes, lower_bounds,
							 CurrentMemoryContext, true);
}
