/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  From a JSON value in an answer to a value of a column's type.
 *
 * Goes down the tree of converters (convert_type.c) with the value.  Values are
 * allocated in the context current at their conversion, with some garbage beside
 * them: reset it now and then.
 *
 * Whatever does not fit raises an error, so this runs in a transaction, in a
 * subtransaction where the caller wants to go on.
 *
 *-------------------------------------------------------------------------
 */
#include "convert/convert_internal.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "json/float_pool.h"

/* A scratch buffer beyond this is not kept. */
#define SCRATCH_KEPT (1024 * 1024)

static Datum convert_value(Converter *converter, JsonSlice value, bool *is_null);

/* Collects the elements of an array of known depth. */
typedef struct ArrayMaker
{
	Converter  *converter;
	ArrayBuildState *state;
	int			depth;
	int			sizes[MAXDIM];	/* -1: not yet seen */
} ArrayMaker;

/*
 * What a string token stands for.  It is in the token itself or in memory that
 * the next call uses again (kept over errors, so that none leaks).
 */
static JsonSlice
decode(Converter *converter, JsonSlice token)
{
	static ByteBuffer scratch;
	JsonSlice	decoded = {token.start + 1, token.length - 2};
	const char *why;

	if (memchr(decoded.start, '\\', decoded.length) == NULL)
		return decoded;
	if (scratch.capacity > SCRATCH_KEPT)
		buffer_free(&scratch);
	buffer_reset(&scratch);
	buffer_append(&scratch, "", 0);
	if (!json_decode_string(token, &scratch, &why))
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("a JSON string does not fit %s: %s", converter->subject, why)));
	if (scratch.failed)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	decoded.start = scratch.data;
	decoded.length = scratch.length;
	return decoded;
}

static void
name_subject(void *arg)
{
	errcontext("%s", (const char *) arg);
}

/* Converts a column or a field; errors name it. */
static Datum
convert_named(Converter *converter, JsonSlice value, bool *is_null)
{
	ErrorContextCallback callback;
	Datum		result;

	callback.callback = name_subject;
	callback.arg = unconstify(char *, converter->subject);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	result = convert_value(converter, value, is_null);
	error_context_stack = callback.previous;
	return result;
}

/* The field of that name takes the value; of repeated names the last counts. */
static void
assign_member(Converter *converter, JsonSlice name, JsonSlice value, JsonSlice *members)
{
	for (int i = 0; i < converter->descriptor->natts; i++)
	{
		Field	   *field = &converter->fields[i];

		if (field->converter != NULL &&
			json_string_equals(name, field->name, field->name_length))
			members[i] = value;
	}
}

static Datum
to_composite(Converter *converter, JsonSlice object)
{
	JsonCursor	cursor = json_members(object);
	JsonSlice	name;
	JsonSlice	value;
	JsonSlice  *members;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (converter->descriptor == NULL)
		converter_look_up_fields(converter);
	count = converter->descriptor->natts;
	members = palloc0(count * sizeof(JsonSlice));
	values = palloc0(count * sizeof(Datum));
	nulls = palloc0(count * sizeof(bool));

	while (json_next_member(&cursor, &name, &value))
		assign_member(converter, name, value, members);
	for (int i = 0; i < count; i++)
	{
		if (converter->fields[i].converter == NULL)
			nulls[i] = true;
		else
			values[i] = convert_named(converter->fields[i].converter, members[i], &nulls[i]);
	}
	return HeapTupleGetDatum(heap_form_tuple(converter->descriptor, values, nulls));
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
		datum = convert_value(item, element, &is_null);
		maker->state = accumArrayResult(maker->state, datum, is_null, item->type,
										CurrentMemoryContext);
	}
	if (maker->sizes[level] >= 0 && maker->sizes[level] != size)
		converter_refuse(maker->converter, array, "Its nested arrays have different lengths.");
	maker->sizes[level] = size;
}

static Datum
to_array(Converter *converter, JsonSlice value)
{
	ArrayType  *fast = converter_numbers(converter->item, value);
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

static Datum
from_string(Converter *converter, JsonSlice token)
{
	JsonSlice	text;

	if (converter->kind == CONVERT_JSON)
		return converter_input(converter, token.start, token.length);
	text = decode(converter, token);
	if (converter_may_be_base64(converter, text))
		return converter_from_base64(converter, text);
	return converter_input(converter, text.start, text.length);
}

static Datum
from_array(Converter *converter, JsonSlice value)
{
	Datum		vector;

	switch (converter->kind)
	{
		case CONVERT_ARRAY:
			return to_array(converter, value);
		case CONVERT_VECTOR:
			if (converter_vector(converter, value, &vector))
				return vector;
			break;
		case CONVERT_SCALAR:
		case CONVERT_COMPOSITE:
			converter_refuse(converter, value, NULL);
			break;
		default:
			break;
	}
	return converter_input(converter, value.start, value.length);
}

static Datum
from_object(Converter *converter, JsonSlice value)
{
	if (converter->kind == CONVERT_COMPOSITE)
		return to_composite(converter, value);
	if (converter->kind != CONVERT_JSON && converter->kind != CONVERT_TEXT)
		converter_refuse(converter, value, NULL);
	return converter_input(converter, value.start, value.length);
}

/*
 * The column may be of another type by now than when the numbers were read: then
 * they are text again.
 */
static Datum
from_floats(Converter *converter, JsonSlice value, bool *is_null)
{
	size_t		count;
	const float *floats = floats_of(value, &count);

	if ((converter->kind != CONVERT_ARRAY && converter->kind != CONVERT_VECTOR) ||
		converter->item->type != FLOAT4OID)
		return convert_value(converter, converter_floats_as_json(value, MaxAllocSize), is_null);
	return converter_from_floats(converter, floats, count);
}

static Datum
convert_value(Converter *converter, JsonSlice value, bool *is_null)
{
	Datum		result;

	check_stack_depth();
	if (converter->kind == CONVERT_DOMAIN)
	{
		result = convert_value(converter->item, value, is_null);
		domain_check(result, *is_null, converter->type, &converter->constraints,
					 converter->context);
		return result;
	}
	*is_null = value.start == NULL || json_kind(value) == JSON_NULL;
	if (*is_null)
		return (Datum) 0;
	switch (json_kind(value))
	{
		case JSON_STRING:
			return from_string(converter, value);
		case JSON_ARRAY:
			return from_array(converter, value);
		case JSON_OBJECT:
			return from_object(converter, value);
		case JSON_FLOATS:
			return from_floats(converter, value, is_null);
		default:
			/* true, false and numbers are text in the types' own notation */
			return converter_input(converter, value.start, value.length);
	}
}

Datum
converter_apply(Converter *converter, JsonSlice value, bool *is_null)
{
	return convert_named(converter, value, is_null);
}
