/*-------------------------------------------------------------------------
 *
 * field.c
 *	  Fields of a C struct as columns in SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "common/field.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

static const Oid types[] = {
	[FIELD_BOOL] = BOOLOID,
	[FIELD_INT4] = INT4OID,
	[FIELD_INT4_OR_0] = INT4OID,
	[FIELD_INT4_OR_MINUS] = INT4OID,
	[FIELD_INT8] = INT8OID,
	[FIELD_INT8_OR_MINUS] = INT8OID,
	[FIELD_FLOAT8] = FLOAT8OID,
	[FIELD_OID] = OIDOID,
	[FIELD_TEXT] = TEXTOID,
	[FIELD_NAME] = NAMEOID,
	[FIELD_WORD] = TEXTOID,
	[FIELD_TEXTS] = TEXTARRAYOID,
	[FIELD_INT4S] = INT4ARRAYOID,
	[FIELD_BYTEA] = BYTEAOID,
	[FIELD_JSONB] = JSONBOID,
	[FIELD_TIME] = TIMESTAMPTZOID,
	[FIELD_INTERVAL] = INTERVALOID
};

Oid
field_type(const Field *field)
{
	return types[field->type];
}

Datum
text_array_of(List *strings)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(strings) + 1));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, strings)
	{
		values[count++] = CStringGetTextDatum((char *) lfirst(cell));
	}
	return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

List *
strings_of_array(Datum array)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
	List	   *strings = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			strings = lappend(strings, TextDatumGetCString(values[i]));
	return strings;
}

static Datum
int4_array_of(List *numbers)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(numbers) + 1));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, numbers)
	{
		values[count++] = Int32GetDatum(lfirst_int(cell));
	}
	return PointerGetDatum(construct_array(values, count, INT4OID, 4, true, TYPALIGN_INT));
}

static Datum
interval_of(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

int
field_find_word(const char *const *words, const char *word)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

static int
require_word(const Field *field, const char *word)
{
	int			found = field_find_word(field->words, word);

	if (found < 0)
		elog(ERROR, "unknown %s \"%s\"", field->name, word);
	return found;
}

static bool
is_null_value(FieldType type, const void *value)
{
	switch (type)
	{
		case FIELD_INT4_OR_0:
			return *(const int *) value == 0;
		case FIELD_INT4_OR_MINUS:
			return *(const int *) value < 0;
		case FIELD_INT8_OR_MINUS:
		case FIELD_INTERVAL:
			return *(const int64 *) value < 0;
		case FIELD_TEXT:
			return *(char *const *) value == NULL;
		case FIELD_BYTEA:
			return *(bytea *const *) value == NULL;
		case FIELD_TIME:
			return *(const TimestampTz *) value == 0;
		default:
			return false;
	}
}

Datum
field_get(const Field *field, const void *record, bool *is_null)
{
	const void *value = (const char *) record + field->offset;

	*is_null = is_null_value(field->type, value);
	if (*is_null)
		return (Datum) 0;
	switch (field->type)
	{
		case FIELD_BOOL:
			return BoolGetDatum(*(const bool *) value);
		case FIELD_INT4:
		case FIELD_INT4_OR_0:
		case FIELD_INT4_OR_MINUS:
			return Int32GetDatum(*(const int *) value);
		case FIELD_INT8:
		case FIELD_INT8_OR_MINUS:
			return Int64GetDatum(*(const int64 *) value);
		case FIELD_FLOAT8:
			return Float8GetDatum(*(const double *) value);
		case FIELD_OID:
			return ObjectIdGetDatum(*(const Oid *) value);
		case FIELD_TEXT:
			return CStringGetTextDatum(*(char *const *) value);
		case FIELD_NAME:
			return DirectFunctionCall1(namein, CStringGetDatum(*(char *const *) value));
		case FIELD_WORD:
			return CStringGetTextDatum(field->words[*(const int *) value]);
		case FIELD_TEXTS:
			return text_array_of(*(List *const *) value);
		case FIELD_INT4S:
			return int4_array_of(*(List *const *) value);
		case FIELD_BYTEA:
			return PointerGetDatum(*(bytea *const *) value);
		case FIELD_JSONB:
			return *(const Datum *) value;
		case FIELD_TIME:
			return TimestampTzGetDatum(*(const TimestampTz *) value);
		case FIELD_INTERVAL:
			return interval_of(*(const int64 *) value);
	}
	elog(ERROR, "unknown type of field \"%s\"", field->name);
}

void
field_set(const Field *field, void *record, Datum value, bool is_null)
{
	void	   *place = (char *) record + field->offset;

	switch (field->type)
	{
		case FIELD_BOOL:
			*(bool *) place = !is_null && DatumGetBool(value);
			return;
		case FIELD_INT4:
		case FIELD_INT4_OR_0:
			*(int *) place = is_null ? 0 : DatumGetInt32(value);
			return;
		case FIELD_INT8:
			*(int64 *) place = is_null ? 0 : DatumGetInt64(value);
			return;
		case FIELD_INT8_OR_MINUS:
			*(int64 *) place = is_null ? -1 : DatumGetInt64(value);
			return;
		case FIELD_OID:
			*(Oid *) place = is_null ? InvalidOid : DatumGetObjectId(value);
			return;
		case FIELD_TEXT:
			*(char **) place = is_null ? NULL : TextDatumGetCString(value);
			return;
		case FIELD_NAME:
			*(char **) place = is_null ? NULL : pstrdup(NameStr(*DatumGetName(value)));
			return;
		case FIELD_WORD:
			*(int *) place = is_null ? 0 : require_word(field, TextDatumGetCString(value));
			return;
		case FIELD_TEXTS:
			*(List **) place = is_null ? NIL : strings_of_array(value);
			return;
		default:
			elog(ERROR, "field \"%s\" is never read", field->name);
	}
}

static const Field *
field_named(const Field *fields, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

void
field_form(const Field *fields, int count, const void *record, TupleDesc descriptor,
		   Datum *values, bool *nulls)
{
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		const Field *field = field_named(fields, count, NameStr(attribute->attname));

		nulls[i] = field == NULL || types[field->type] != attribute->atttypid;
		values[i] = nulls[i] ? (Datum) 0 : field_get(field, record, &nulls[i]);
	}
}

void
field_put_row(ReturnSetInfo *result, const Field *fields, int count, const void *record)
{
	Datum	   *values = palloc(sizeof(Datum) * result->setDesc->natts);
	bool	   *nulls = palloc(sizeof(bool) * result->setDesc->natts);

	field_form(fields, count, record, result->setDesc, values, nulls);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}
