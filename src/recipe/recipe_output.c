/*-------------------------------------------------------------------------
 *
 * recipe_output.c
 *	  Reading the parameter output: columns, their types, paths or placeholders.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/parse_type.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/similar.h"
#include "common/pg_compat.h"
#include "convert/convert.h"
#include "server/mask.h"

/* What may be a part of an output's name without quotes. */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789$"

/* Bytes of a value that a message repeats. */
#define VALUE_SHOWN 60

/* Bytes of PostgreSQL's reason for not taking it. */
#define REASON_SHOWN 240

#define TYPE_HINT "Use a type that exists, such as text, integer, double precision, boolean, " \
	"jsonb or real[]."
#define OUTPUT_HINT "Write each key as 'column' or 'column type', such as \"embedding real[]\"."

pg_noreturn static void
refuse_key(const char *key, const char *problem, const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_SYNTAX_ERROR),
			errmsg("output has a key that is no column: \"%s\"", key),
			problem != NULL ? errdetail("%s", problem) : 0,
			errhint("%s", hint));
}

/* The inside of a quoted identifier; text is moved behind it. */
static char *
read_quoted_name(const char *key, const char **text)
{
	const char *p = *text;
	StringInfoData name;

	initStringInfo(&name);
	for (p++; *p != '\0' && (*p != '"' || p[1] == '"'); p++)
	{
		appendStringInfoChar(&name, *p);
		if (*p == '"')
			p++;
	}
	if (*p != '"')
		refuse_key(key, "Its quotes are not closed.",
				   "Within JSON quotes are written so: \"\\\"Some Name\\\" text\".");
	*text = p + 1;
	return name.data;
}

/* What should stand in place of a key that begins with what is no name; end is behind that. */
static char *
plain_name_hint(const char *name, const char *end)
{
	const char *first = name;
	const char *last = end;

	while (first < last && strchr(NAME_CHARACTERS, *first) == NULL)
		first++;
	while (last > first && strchr(NAME_CHARACTERS, last[-1]) == NULL)
		last--;
	if (first < last && (first > name || last < end) && !isdigit((unsigned char) *first) &&
		strspn(first, NAME_CHARACTERS) >= (size_t) (last - first))
		return psprintf("Perhaps you meant \"%.*s%s\".", (int) (last - first), first, end);
	return psprintf("Write a name that is no plain word in quotes: \"\\\"%.*s\\\"%s\".",
					(int) (end - name), name, end);
}

/* A name without quotes, folded to lower case; text is moved behind it. */
static char *
read_plain_name(const char *key, const char **text)
{
	const char *name = *text;
	const char *end = name;
	bool		plain = !isdigit((unsigned char) *name) && *name != '$';

	for (; *end != '\0' && !scanner_isspace(*end); end++)
		plain &= IS_HIGHBIT_SET(*end) || strchr(NAME_CHARACTERS, *end) != NULL;
	if (!plain)
		refuse_key(key, psprintf("%.*s is no name that can stand without quotes.",
								 (int) (end - name), name),
				   end > name ? plain_name_hint(name, end) : OUTPUT_HINT);
	*text = end;
	return downcase_truncate_identifier(name, (int) (end - name), false);
}

/*
 * Take an SQL identifier off the front of a key: quoted, or folded to lower
 * case.  *rest is what follows, without leading white space.
 */
static char *
read_identifier(const char *key, const char **rest)
{
	const char *text = key;
	char	   *name;

	while (scanner_isspace(*text))
		text++;
	name = *text == '"' ? read_quoted_name(key, &text) : read_plain_name(key, &text);
	if (name[0] == '\0')
		refuse_key(key, NULL, OUTPUT_HINT);
	truncate_identifier(name, (int) strlen(name), true);
	while (scanner_isspace(*text))
		text++;
	*rest = text;
	return name;
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

/* A column and what is given as its type, for an error context. */
typedef struct TypeSubject
{
	const char *column;
	const char *type;
} TypeSubject;

/* Positions in a type's name mean nothing in the user's statement. */
static void
name_output_column(void *arg)
{
	const TypeSubject *subject = arg;
	bool		is_vector = strncmp(subject->type, "vector", 6) == 0 ||
		strncmp(subject->type, "halfvec", 7) == 0 || strncmp(subject->type, "sparsevec", 9) == 0;

	errposition(0);
	if (geterrcode() == ERRCODE_UNDEFINED_OBJECT && is_vector)
		errhint("It comes with an extension: CREATE EXTENSION vector;");
	else if (geterrcode() == ERRCODE_UNDEFINED_OBJECT ||
			 geterrcode() == ERRCODE_UNDEFINED_SCHEMA)
		errhint(TYPE_HINT);
	else if (geterrcode() == ERRCODE_SYNTAX_ERROR)
		errhint(OUTPUT_HINT " Defaults and constraints have no place there.");
	errcontext("type \"%s\" of output column \"%s\"", subject->type, subject->column);
}

static void
read_type(OutputColumn *output, const char *type)
{
	TypeSubject subject = {output->name, type};
	ErrorContextCallback callback = {error_context_stack, name_output_column, &subject};

	error_context_stack = &callback;
	compat_parse_type(type, &output->type, &output->typmod);
	error_context_stack = callback.previous;
	output->type_given = true;
}

/* "First Line" would be read as column first of type line. */
static void
refuse_name_in_two(const Recipe *recipe, const char *key)
{
	if (recipe->job->target != NULL || get_attnum(recipe->job->source, key) <= 0)
		return;
	refuse_key(key, psprintf("\"%s\" has a column of that name, which is no plain word.",
							 get_rel_name(recipe->job->source)),
			   psprintf("Write it in quotes: \"\\\"%s\\\"\".", key));
}

static void
read_output(const Recipe *recipe, OutputColumn *output, JsonSlice name, JsonSlice value)
{
	char	   *declaration = decode_utf8_string(name, "output");
	const char *type;

	output->name = read_identifier(declaration, &type);
	output->typmod = -1;
	if (*type != '\0')
	{
		refuse_name_in_two(recipe, declaration);
		read_type(output, type);
	}
	if (json_kind(value) != JSON_STRING)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output column \"%s\" has no path", output->name),
				errdetail("Its value is a JSON %s.", json_kind_name(json_kind(value))),
				errhint("Give a jsonpath in a string, such as \"$.embedding\", or a placeholder "
						"such as \"{{job}}\"."));
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

/* What a placeholder that is none should perhaps have been, and what can be one. */
static char *
placeholder_hint(const Recipe *recipe, const char *name)
{
	static const char *const others[] = {"job", "now", "fingerprint"};
	Similar		similar = similar_to(name);
	StringInfoData hint;

	initStringInfo(&hint);
	for (int i = 0; i < recipe->field_count; i++)
		similar_consider(&similar, recipe->fields[i]);
	for (int i = 0; i < (int) lengthof(others); i++)
		similar_consider(&similar, others[i]);
	if (get_attnum(recipe->job->source, name) > 0)
		return psprintf("Column \"%s\" of \"%s\" is neither in key nor in input: add it to input.",
						name, get_rel_name(recipe->job->source));
	if (similar.best != NULL)
		appendStringInfo(&hint, "Perhaps you meant {{%s}}. ", similar.best);
	appendStringInfoString(&hint,
						   "An output is a jsonpath, or one of {{job}}, {{now}}, {{fingerprint}}");
	for (int i = 0; i < recipe->field_count; i++)
		appendStringInfo(&hint, ", {{%s}}", recipe->fields[i]);
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

pg_noreturn static void
refuse_placeholder(const Recipe *recipe, const OutputColumn *output, const char *name)
{
	static const char *const sent[] = {"inputs", "rows", "input", "bucket", "each"};
	bool		is_sent = false;

	for (int i = 0; i < (int) lengthof(sent); i++)
		is_sent |= strcmp(name, sent[i]) == 0;
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_COLUMN),
			is_sent
			? errmsg("placeholder \"{{%s}}\" of output column \"%s\" cannot be stored", name,
					 output->name)
			: errmsg("unknown placeholder \"{{%s}}\" of output column \"%s\"", name,
					 output->name),
			is_sent ? errdetail("It stands in requests only.") : 0,
			errhint("%s", placeholder_hint(recipe, name)));
}

/* Behind the braces and the name there is nothing else. */
static void
check_placeholder_end(const OutputColumn *output, const char *end)
{
	if (end == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unterminated \"%s\" of output column \"%s\"", output->path, output->name),
				errhint("Close it with \"}}\", as in \"{{job}}\"."));
	if (end[2] != '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output column \"%s\" has more than a placeholder", output->name),
				errdetail("Its value is \"%s\".", output->path),
				errhint("An output is one placeholder or one jsonpath; put values together in a "
						"generated column or a view."));
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
	check_placeholder_end(output, end);
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
			refuse_placeholder(recipe, output, name);
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
					errhint("Name each output column once. Without quotes, upper and lower case "
							"are the same."));
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

	if (!json_parse(utf8, strlen(utf8), &object, &fault))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output cannot be read: %s", fault.message),
				internalerrposition(utf8_character(utf8, fault.offset)),
				internalerrquery(recipe->job->output),
				errcontext("output"));
	if (json_kind(object) != JSON_OBJECT)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("output is not a JSON object"),
				errdetail("It is a JSON %s.", json_kind_name(json_kind(object))),
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
		read_output(recipe, &recipe->outputs[recipe->output_count], name, value);
		read_placeholder(recipe, &recipe->outputs[recipe->output_count]);
		check_output_name(recipe, recipe->output_count);
		recipe->stores_fields |= recipe->outputs[recipe->output_count++].kind == OUTPUT_FIELD;
	}
}

/* Does the column's type take such a value?  A domain's constraints are left to the real one. */
static void
check_takes(const OutputColumn *output, const char *json)
{
	MemoryContext context = CurrentMemoryContext;
	int32		typmod = output->typmod;
	Oid			type = getBaseTypeAndTypmod(output->type, &typmod);
	bool		is_null;

	PG_TRY();
	{
		(void) converter_apply(converter_create(output->name, type, typmod),
							   json_slice(json, strlen(json)), &is_null);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("\"%s\" does not fit output column \"%s\" of type %s", output->path,
					   output->name, format_type_with_typemod(output->type, output->typmod)),
				errhint("Use a column of type %s.",
						output->kind == OUTPUT_NOW ? "timestamptz" : "bigint"));
	}
	PG_END_TRY();
}

/* The number of the job and the time are of a type that is known. */
void
recipe_check_placeholders(const Recipe *recipe)
{
	for (int i = 0; i < recipe->output_count; i++)
	{
		const OutputColumn *output = &recipe->outputs[i];

		if (output->kind == OUTPUT_NOW)
			check_takes(output, psprintf("\"%s\"", timestamptz_to_str(GetCurrentTimestamp())));
		else if (output->kind == OUTPUT_JOB)
			check_takes(output, "1");
	}
}

char *
recipe_list_paths(const Recipe *recipe)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < recipe->output_count; i++)
		if (recipe->outputs[i].kind == OUTPUT_PATH)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", recipe->outputs[i].path);
	return list.data;
}

char *
recipe_describe_misfit(const OutputColumn *output, JsonSlice value, const char *reason,
					   const Credentials *credentials)
{
	char	   *shown = "null";
	bool		cut = false;

	/* masked before it is cut, lest half a secret be left */
	if (value.start != NULL && json_kind(value) == JSON_FLOATS)
		value = converter_floats_as_json(value, VALUE_SHOWN);
	if (value.start != NULL)
	{
		char	   *masked = mask_beginning(value.start, value.length, VALUE_SHOWN + 1,
											credentials);

		cut = strlen(masked) > VALUE_SHOWN;
		if (cut)
			masked[utf8_valid_prefix(masked, VALUE_SHOWN)] = '\0';
		shown = message_from_utf8(masked);
	}
	reason = mask_message(reason, credentials);
	/* a type's input function may quote all of a huge value */
	if (strlen(reason) > REASON_SHOWN)
	{
		int			kept = pg_mbcliplen(reason, (int) strlen(reason), REASON_SHOWN);

		reason = psprintf("%.*s...", kept, reason);
	}
	return psprintf("column \"%s\" cannot take %s%s from %s: %s", output->name, shown,
					cut ? "..." : "", output->path, reason);
}
