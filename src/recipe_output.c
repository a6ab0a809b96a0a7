/*-------------------------------------------------------------------------
 *
 * recipe_output.c
 *	  Reading the parameter output: columns, their types, paths or placeholders;
 *	  and what a row's fingerprint begins with.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/parse_type.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "compat.h"

#define OUTPUT_HINT "Write each key as 'column' or 'column type', such as \"embedding real[]\"."

/*
 * Take an SQL identifier off the front of text: quoted, or folded to lower
 * case.  *rest is what follows, without leading white space.
 */
static char *
read_identifier(const char *text, const char **rest)
{
	StringInfoData name;

	initStringInfo(&name);
	while (scanner_isspace(*text))
		text++;
	if (*text == '"')
	{
		for (text++; *text != '\0' && (*text != '"' || text[1] == '"'); text++)
		{
			appendStringInfoChar(&name, *text);
			if (*text == '"')
				text++;
		}
		if (*text == '"')
			text++;
		else
			name.len = 0;
	}
	else
	{
		while (*text != '\0' && !scanner_isspace(*text))
			appendStringInfoChar(&name, *text++);
		if (name.len > 0)
		{
			char	   *folded = downcase_truncate_identifier(name.data, name.len, false);

			resetStringInfo(&name);
			appendStringInfoString(&name, folded);
		}
	}
	if (name.len == 0)
		ereport(ERROR,
				errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("output has a key that is no column"),
				errhint(OUTPUT_HINT));
	truncate_identifier(name.data, name.len, true);
	while (scanner_isspace(*text))
		text++;
	*rest = text;
	return name.data;
}

static char *
decode_utf8_string(JsonSlice string, const char *where)
{
	ByteBuffer	decoded = {0};
	const char *why;
	char	   *result;

	if (!json_decode_string(string, &decoded, &why))
	{
		buffer_free(&decoded);
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid string in %s: %s", where, why));
	}
	result = pstrdup(decoded.data ? decoded.data : "");
	buffer_free(&decoded);
	return pg_any_to_server(result, strlen(result), PG_UTF8);
}

/* Positions in a type's name mean nothing in the user's statement. */
static void
name_output_column(void *name)
{
	errposition(0);
	errhint(OUTPUT_HINT);
	errcontext("output column \"%s\"", (const char *) name);
}

static void
read_type(OutputColumn *output, const char *type)
{
	ErrorContextCallback callback = {error_context_stack, name_output_column, output->name};

	error_context_stack = &callback;
	compat_parse_type(type, &output->type, &output->typmod);
	error_context_stack = callback.previous;
	output->type_given = true;
}

static void
read_output(OutputColumn *output, JsonSlice name, JsonSlice value)
{
	char	   *declaration = decode_utf8_string(name, "output");
	const char *type;

	output->name = read_identifier(declaration, &type);
	output->typmod = -1;
	if (*type != '\0')
		read_type(output, type);
	if (json_kind(value) != JSON_STRING)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output column \"%s\" has no path", output->name),
				errdetail("Its value is a JSON %s.", json_kind_name(json_kind(value))),
				errhint("Give a jsonpath in a string, such as \"$.embedding\"."));
	output->path = decode_utf8_string(value, "output");
}

static int
find_field(const Recipe *recipe, const char *name)
{
	for (int i = 0; i < recipe->field_count; i++)
		if (strcmp(recipe->fields[i], name) == 0)
			return i;
	return -1;
}

pg_noreturn static void
refuse_placeholder(const Recipe *recipe, const OutputColumn *output)
{
	StringInfoData hint;

	initStringInfo(&hint);
	for (int i = 0; i < recipe->field_count; i++)
		appendStringInfo(&hint, ", {{%s}}", recipe->fields[i]);
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_COLUMN),
			errmsg("unknown placeholder %s of output column \"%s\"", output->path, output->name),
			errhint("An output is a jsonpath, or one of {{job}}, {{now}}, {{fingerprint}}%s.",
					hint.data));
}

/* Is an output a placeholder instead of a path: which? */
static void
read_placeholder(const Recipe *recipe, OutputColumn *output)
{
	char	   *name;
	char	   *end;

	if (strncmp(output->path, "{{", 2) != 0)
		return;
	name = pstrdup(output->path + 2);
	end = strstr(name, "}}");
	if (end == NULL || end[2] != '\0')
		refuse_placeholder(recipe, output);
	*end = '\0';
	while (scanner_isspace(*name))
		name++;
	while (end > name && scanner_isspace(end[-1]))
		*--end = '\0';
	if (strcmp(name, "job") == 0)
		output->kind = OUTPUT_JOB;
	else if (strcmp(name, "now") == 0)
		output->kind = OUTPUT_NOW;
	else if (strcmp(name, "fingerprint") == 0)
		output->kind = OUTPUT_FINGERPRINT;
	else
	{
		output->kind = OUTPUT_FIELD;
		output->index = find_field(recipe, name);
		if (output->index < 0)
			refuse_placeholder(recipe, output);
	}
}

static void
check_output_name(const Recipe *recipe, int number)
{
	const char *name = recipe->outputs[number].name;

	for (int i = 0; i < number; i++)
		if (strcmp(recipe->outputs[i].name, name) == 0)
			ereport(ERROR,
					errcode(ERRCODE_DUPLICATE_COLUMN),
					errmsg("output names column \"%s\" twice", name),
					errhint("Name each output column once."));
	for (int i = 0; i < recipe->key_count; i++)
		if (strcmp(recipe->keys[i].name, name) == 0)
			ereport(ERROR,
					errcode(ERRCODE_DUPLICATE_COLUMN),
					errmsg("output column \"%s\" is a key column", name),
					errhint("Results are found by their key: it cannot be one of them."));
	if (recipe->many && strcmp(name, ITEM_COLUMN) == 0)
		ereport(ERROR,
				errcode(ERRCODE_DUPLICATE_COLUMN),
				errmsg("output column \"%s\" is the number of the item", name),
				errhint("With result_rows => 'many' the target has a column of that name: choose "
						"another one."));
}

void
recipe_read_outputs(Recipe *recipe)
{
	char	   *utf8 = text_to_utf8(recipe->job->output);
	JsonSlice	object;
	JsonSlice	name;
	JsonSlice	value;
	JsonFault	fault;
	JsonCursor	cursor;
	int			count = 0;

	if (!json_parse(utf8, strlen(utf8), &object, &fault) || json_kind(object) != JSON_OBJECT)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output is not a JSON object"),
				errhint("Write target columns and the paths of their values: "
						"{\"embedding real[]\": \"$.embedding\"}."));
	cursor = json_members(object);
	while (json_next_member(&cursor, &name, &value))
		count++;
	if (count == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output names no column"),
				errhint("Write target columns and the paths of their values: "
						"{\"embedding real[]\": \"$.embedding\"}."));
	recipe->outputs = palloc0(sizeof(OutputColumn) * count);
	cursor = json_members(object);
	while (json_next_member(&cursor, &name, &value))
	{
		read_output(&recipe->outputs[recipe->output_count], name, value);
		read_placeholder(recipe, &recipe->outputs[recipe->output_count]);
		check_output_name(recipe, recipe->output_count++);
	}
}

/* The output that stores the fingerprint; -1: none. */
static int
fingerprint_output(const Recipe *recipe)
{
	for (int i = 0; i < recipe->output_count; i++)
		if (recipe->outputs[i].kind == OUTPUT_FINGERPRINT)
			return i;
	return -1;
}

/*
 * The part of a row's fingerprint that is the same for all rows: md5 of what is
 * sent besides the row, and of what is made of the answer.
 */
void
recipe_make_fingerprint_seed(Recipe *recipe)
{
	const Job  *job = recipe->job;
	const Server *server = recipe->server;
	int			output = fingerprint_output(recipe);
	StringInfoData parts;
	bool		is_preferred;
	char		category;

	if (output < 0 && job->rows != ROWS_CHANGED)
		return;
	if (output < 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("rows => 'changed' needs an output column for the fingerprint"),
				errhint("Add one to output: {\"fingerprint text\": \"{{fingerprint}}\"}."));
	get_type_category_preferred(recipe->outputs[output].type, &category, &is_preferred);
	if (category != TYPCATEGORY_STRING)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("fingerprint column \"%s\" is of type %s", recipe->outputs[output].name,
					   format_type_be(recipe->outputs[output].type)),
				errhint("Use text."));
	initStringInfo(&parts);
	appendStringInfo(&parts, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n", server->url,
					 job->path ? job->path : "",
					 job->request ? job->request : server->request ? server->request : "",
					 job->content ? job->content : server->content ? server->content : "",
					 job->results ? job->results : server->results ? server->results : "",
					 job->result_index
					 ? job->result_index
					 : server->result_index ? server->result_index : "",
					 job->result_key ? job->result_key : "");
	if (recipe->many)
		appendStringInfoString(&parts, "many\n");
	for (int i = 0; i < recipe->output_count; i++)
		appendStringInfo(&parts, "%s\n%s\n", recipe->outputs[i].name, recipe->outputs[i].path);
	recipe->fingerprint_seed =
		TextDatumGetCString(DirectFunctionCall1(md5_text, CStringGetTextDatum(parts.data)));
}
