/*-------------------------------------------------------------------------
 *
 * convert_type.c
 *	  What is known of a column's type, and its input function.
 *
 * A converter is a tree: a domain has its base type under it, an array its
 * elements, a composite type its fields (looked up when the first object
 * comes).  The tree lives in the memory context that was current when it was
 * made and keeps the looked-up input functions.
 *
 * JSON is UTF-8: everything that reaches an input function is converted to the
 * database's encoding.
 *
 *-------------------------------------------------------------------------
 */
#include "convert/convert_internal.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

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

	/*
	 * Such as pgvector's: the cast takes the array, the type's modifier and
	 * "explicit".
	 */
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

void
converter_look_up_fields(Converter *converter)
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
