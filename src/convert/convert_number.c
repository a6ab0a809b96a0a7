/*-------------------------------------------------------------------------
 *
 * convert_number.c
 *	  JSON arrays of numbers, and base64 of them, to arrays and vectors.
 *
 * They are written straight into the array's data.  Owns nothing but what it
 * returns, allocated in the current context.  What does not fit raises an error
 * of class 22.
 *
 *-------------------------------------------------------------------------
 */
#include "convert/convert_internal.h"

#include <ctype.h>
#include <math.h>

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "json/float_pool.h"
#include "json/number.h"

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

/* The most numbers that an array can hold. */
static size_t
most_numbers(Converter *item)
{
	return Min(MaxArraySize, (MaxAllocSize - ARR_OVERHEAD_NONULLS(1)) / number_size(item));
}

/* A one-dimensional array with room for so many numbers; an earlier one with its data, or NULL. */
static ArrayType *
make_room(Converter *item, ArrayType *array, size_t room)
{
	size_t		size = ARR_OVERHEAD_NONULLS(1) + room * number_size(item);

	array = array == NULL ? palloc(size) : repalloc(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = item->type;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

static ArrayType *
set_length(Converter *item, ArrayType *array, size_t count)
{
	SET_VARSIZE(array, ARR_OVERHEAD_NONULLS(1) + count * number_size(item));
	ARR_DIMS(array)[0] = (int) count;
	return array;
}

static void
refuse_length(Converter *item)
{
	ereport(ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("an array of more than %zu numbers is too long for %s", most_numbers(item),
					item->subject)));
}

/* Reads what it can at *position into the array's data; returns how many numbers. */
static size_t
read_numbers(Converter *item, const char **position, const char *end, char *data, size_t room)
{
	size_t		count = 0;
	Number		number;

	if (item->type == FLOAT4OID)
		count = number_read_float4s(position, end, (float *) data, room);
	if (count > 0 || !number_scan(*position, end, &number))
		return count;
	put_number(item, &number, data);
	*position = number_next(number.end, end);
	return 1;
}

/*
 * How many they are is not counted beforehand: as many as in the array before, as a
 * rule, and at most one in two bytes.
 */
ArrayType *
converter_numbers(Converter *item, JsonSlice value)
{
	size_t		size = number_size(item);
	const char *end = value.start + value.length - 1;
	const char *p = number_next(value.start + 1, end);
	size_t		most = value.length / 2;
	size_t		room = Min(Max(item->usual_length, 16), most);
	size_t		count = 0;
	ArrayType  *array;

	if (size == 0 || p == end || (*p != '-' && (*p < '0' || *p > '9')))
		return NULL;
	array = make_room(item, NULL, room);
	while (p < end)
	{
		size_t		read;

		if (count == room)
		{
			room = Min(Min(room * 2, most), most_numbers(item));
			if (count == room)
				refuse_length(item);
			array = make_room(item, array, room);
		}
		read = read_numbers(item, &p, end, ARR_DATA_PTR(array) + count * size, room - count);
		if (read == 0)
		{
			pfree(array);
			return NULL;
		}
		count += read;
	}
	item->usual_length = count;
	return set_length(item, array, count);
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
	ArrayType  *array = converter_numbers(converter->item, value);

	if (array == NULL)
		return false;
	*result = cast_vector(converter, array);
	return true;
}

/* -2^63 is the lowest bigint; of 2^63 its input says that it is out of range. */
#define BIGINT_BOUND 9223372036854775808.0f

/* A float4 in a notation that the type reads as the same number, if it can hold it. */
static void
append_float(StringInfo literal, Oid type, float4 number)
{
	char		shortest[FLOAT_SHORTEST_DECIMAL_LEN];

	if (type == FLOAT8OID)
		appendStringInfo(literal, "%.17g", (double) number);
	else if (type != FLOAT4OID && fabsf(number) <= BIGINT_BOUND && number == rintf(number))
		appendStringInfo(literal, "%.0f", (double) number); /* 1e+06 is no integer's
															 * literal */
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

JsonSlice
converter_floats_as_json(JsonSlice value, Size most)
{
	char		shortest[FLOAT_SHORTEST_DECIMAL_LEN];
	size_t		count;
	const float *floats = floats_of(value, &count);
	StringInfoData json;

	initStringInfo(&json);
	for (size_t i = 0; i < count && (Size) json.len <= most; i++)
	{
		float_to_shortest_decimal_buf(floats[i], shortest);
		appendStringInfo(&json, "%c%s", i == 0 ? '[' : ',', shortest);
	}
	appendStringInfoChar(&json, ']');
	return json_slice(json.data, json.len);
}

Datum
converter_from_floats(Converter *converter, const float *floats, size_t count)
{
	ArrayType  *array;

	if (count > most_numbers(converter->item))
		refuse_length(converter->item);
	array = make_room(converter->item, NULL, count);
	memcpy(ARR_DATA_PTR(array), floats, count * sizeof(float));
	set_length(converter->item, array, count);
	return converter->kind == CONVERT_VECTOR ? cast_vector(converter, array)
		: PointerGetDatum(array);
}

Datum
converter_from_base64(Converter *converter, JsonSlice text)
{
	float	   *floats = MemoryContextAllocHuge(CurrentMemoryContext, text.length + sizeof(float));
	size_t		count;
	Datum		result;

	if (!number_decode_base64(text.start, text.length, floats, &count))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("a JSON string does not fit %s of type %s", converter->subject,
						format_type_be(converter->type)),
				 errdetail("It is neither a literal of that type nor base64 of float4 numbers.")));
	result = converter->item->type == FLOAT4OID ? converter_from_floats(converter, floats, count)
		: array_from_literal(converter, floats, count);
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
