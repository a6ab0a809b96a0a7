/*-------------------------------------------------------------------------
 *
 * schema.c
 *	  Structured output: a JSON value that a JSON schema allows.
 *
 * Knows what the vendors' strict modes allow, as far as a value can be made
 * from it: type, properties, items, enum, minimum and maximum.
 *
 *-------------------------------------------------------------------------
 */
#include "schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"

static void write_value(Buffer *json, json_t *schema, Slice text);

/* The type; of several, such as ["string", "null"], the first. */
static const char *
type_of(json_t *schema)
{
	json_t	   *type = json_object_get(schema, "type");

	if (json_is_array(type))
		type = json_array_get(type, 0);
	if (json_is_string(type))
		return json_string_value(type);
	return json_object_get(schema, "properties") != NULL ? "object" : "string";
}

static double
bound(json_t *schema, const char *name, double otherwise)
{
	json_t	   *value = json_object_get(schema, name);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void
write_enum(Buffer *json, json_t *values, Slice text)
{
	json_t	   *chosen = json_array_get(values, (size_t) items_value(text) %
										json_array_size(values));
	char	   *dump = json_dumps(chosen, JSON_COMPACT | JSON_ENCODE_ANY);

	buffer_append_string(json, dump);
	free(dump);
}

static void
write_object(Buffer *json, json_t *schema, Slice text)
{
	const char *name;
	json_t	   *property;
	bool		first = true;

	buffer_append_char(json, '{');
	json_object_foreach(json_object_get(schema, "properties"), name, property)
	{
		if (!first)
			buffer_append_char(json, ',');
		first = false;
		buffer_append_json(json, name, strlen(name));
		buffer_append_char(json, ':');
		write_value(json, property, text);
	}
	buffer_append_char(json, '}');
}

/* An integer or number between the bounds: by default 0 to 99, and 0 to 1. */
static void
write_number(Buffer *json, json_t *schema, bool whole, Slice text)
{
	double		least = bound(schema, "minimum", 0);
	double		most = bound(schema, "maximum", least + (whole ? 99 : 1));
	int64_t		value = items_value(text);

	if (whole)
		buffer_append_integer(json, (int64_t) least + value % ((int64_t) (most - least) + 1));
	else
		buffer_append_format(json, "%.2f", least + (most - least) * (double) (value % 101) / 100);
}

/* A string is the text's first word. */
static void
write_word(Buffer *json, Slice text)
{
	size_t		length = 0;

	while (length < text.length && text.start[length] != ' ')
		length++;
	buffer_append_json(json, text.start, length);
}

static void
write_value(Buffer *json, json_t *schema, Slice text)
{
	const char *type = type_of(schema);
	json_t	   *values = json_object_get(schema, "enum");

	if (json_array_size(values) > 0)
		write_enum(json, values, text);
	else if (strcmp(type, "object") == 0)
		write_object(json, schema, text);
	else if (strcmp(type, "array") == 0)
	{
		buffer_append_char(json, '[');
		write_value(json, json_object_get(schema, "items"), text);
		buffer_append_char(json, ']');
	}
	else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
		write_number(json, schema, type[0] == 'i', text);
	else if (strcmp(type, "boolean") == 0)
		buffer_append_string(json, items_value(text) % 2 == 0 ? "false" : "true");
	else if (strcmp(type, "null") == 0)
		buffer_append_string(json, "null");
	else
		write_word(json, text);
}

void
schema_write(Buffer *json, Slice schema, Slice text)
{
	json_t	   *tree = json_loadb(schema.start, schema.length, 0, NULL);

	write_value(json, tree, text);
	json_decref(tree);
}
