/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  From a JSON value in an answer to a value of a column's type.
 *
 * A converter is a tree: a domain has its base type under it, an array its
 * elements, a composite type its fields (looked up when the first object
 * comes).  The tree lives in the memory context that was current when it was
 * made and keeps the looked-up input functions; values are allocated in the
 * context current at their conversion, with some garbage beside them: reset it
 * now and then.
 *
 * Whatever does not fit raises an error, so this runs in a transaction, in a
 * subtransaction where the caller wants to go on.  JSON is UTF-8: everything
 * that reaches an input function is converted to the database's encoding.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_compat.h"
#include "convert/convert_internal.h"
#include "json/float_pool.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* A scratch buffer beyond this is not kept. */
#define SCRATCH_KEPT (1024 * 1024)

static Converter *make(const char *subject, Oid type, int32 typmod);

static ConverterKind
kind_of_base_type(Oid type, Oid *cast)
{
	char		category;
	bool		preferred;

	if (type == JSONOID || type == JSONBOID)
		return CONVERT_JSON;

	/* These would take the text of any array for a value. */
	if (type == BYTEAOID || type == CHAROID || type == XMLOID || type == TSVECTOROID)
		return CONVERT_SCALAR;

	get_type_category_preferred(type, &category, &preferred);
	if (category == TYPCATEGORY_STRING)
		return CONVERT_TEXT;

	/* Such as pgvector's: the cast takes the array, the type's modifier and "explicit". */
	if (category == TYPCATEGORY_USER && type >= FirstNormalObjectId &&
		find_coercion_pathway(type, FLOAT4ARRAYOID, COERCION_ASSIGNMENT,
							  cast) == COERCION_PATH_FUNC &&
		get_func_nargs(*cast) == 3)
		return CONVERT_VECTOR;
	return CONVERT_PLAIN;
}

/* Everything but an input function: the kind, and what is under it. */
static void
classify(Converter *converter)
{
	Oid			type = converter->type;
	Oid			element = get_element_type(type);
	Oid			cast;

	/* int2vector and oidvector have elements too, but no array's literal. */
	if (OidIsValid(element) && get_array_type(element) == type)
	{
		converter->kind = CONVERT_ARRAY;
		converter->item = make(converter->subject, element, converter->typmod);
		return;
	}
	if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		converter->kind = CONVERT_COMPOSITE;
		return;
	}
	converter->kind = kind_of_base_type(type, &cast);
	if (converter->kind == CONVERT_VECTOR)
	{
		fmgr_info(cast, &converter->cast);
		converter->item = make(converter->subject, FLOAT4OID, -1);
	}
}

/* Makes a converter in the current context. */
static Converter *
make(const char *subject, Oid type, int32 typmod)
{
	Converter  *converter = palloc0(sizeof(Converter));
	Oid			input;

	converter->subject = subject;
	converter->type = type;
	converter->typmod = typmod;
	converter->context = CurrentMemoryContext;

	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s has the pseudo-type %s", subject, format_type_be(type)),
				 errhint("Give it a type that values can be stored in.")));
	if (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		Oid			base = getBaseTypeAndTypmod(type, &typmod);

		converter->kind = CONVERT_DOMAIN;
		converter->item = make(subject, base, typmod);
		return converter;
	}
	getTypeInputInfo(type, &input, &converter->input_param);
	fmgr_info(input, &converter->input);
	classify(converter);
	return converter;
}

bool
converter_takes_floats(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			cast;

	return base == FLOAT4ARRAYOID ||
		(get_typtype(base) == TYPTYPE_BASE && kind_of_base_type(base, &cast) == CONVERT_VECTOR);
}

Converter *
converter_create(const char *column, Oid type, int32 typmod)
{
	return make(psprintf("column \"%s\"", column), type, typmod);
}

/* Looks up a composite type's fields. */
static void
look_up_fields(Converter *converter)
{
	MemoryContext caller = MemoryContextSwitchTo(converter->context);
	TupleDesc	descriptor = lookup_rowtype_tupdesc_copy(converter->type, -1);
	Field	   *fields = palloc0(descriptor->natts * sizeof(Field));

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		char	   *name = pstrdup(NameStr(attribute->attname));

		if (attribute->attisdropped)
			continue;
		fields[i].name = pg_server_to_any(name, strlen(name), PG_UTF8);
		fields[i].name_length = strlen(fields[i].name);
		fields[i].converter = make(psprintf("field \"%s\"", name),
								   attribute->atttypid, attribute->atttypmod);
	}
	converter->fields = fields;
	converter->descriptor = descriptor;
	MemoryContextSwitchTo(caller);
}

void
converter_refuse(Converter *converter, JsonSlice value, const char *detail)
{
	JsonKind	kind = json_kind(value);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("a JSON %s does not fit %s of type %s", json_kind_name(kind),
					converter->subject, format_type_be(converter->type)),
			 detail != NULL ? errdetail("%s", detail) : 0));
}

Datum
converter_input(Converter *converter, const char *utf8, size_t length)
{
	char	   *copy;
	char	   *text;
	Datum		result;

	if (length >= MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("a value of %zu bytes is too long for %s", length, converter->subject)));
	copy = palloc(length + 1);
	memcpy(copy, utf8, length);
	copy[length] = '\0';
	text = pg_any_to_server(copy, (int) length, PG_UTF8);
	result = InputFunctionCall(&converter->input, text, converter->input_param,
							   converter->typmod);
	if (text != copy)
		pfree(text);
	pfree(copy);
	return result;
}

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
	result = converter_value(converter, value, is_null);
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
		look_up_fields(converter);
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
			return converter_array(converter, value);
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
		return converter_value(converter, converter_floats_as_json(value, MaxAllocSize), is_null);
	return converter_from_floats(converter, floats, count);
}

Datum
converter_value(Converter *converter, JsonSlice value, bool *is_null)
{
	Datum		result;

	check_stack_depth();
	if (converter->kind == CONVERT_DOMAIN)
	{
		result = converter_value(converter->item, value, is_null);
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
