/*-------------------------------------------------------------------------
 *
 * body_fuzz.c
 *	  Fuzzing body templates: template.c, template_body.c, template_fill.c, placeholder.c.
 *
 * The input: names of columns, rows (see fuzz.h), an empty line, the template.
 *
 * The model takes jansson's tree of the template and writes the body from it
 * with every placeholder replaced, by what docs/jobs.md says of each.  A template
 * is refused just where the model refuses it, and the bodies are the same JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "oracle.h"

#define JOB INT64_C(-9223372036854775807)
#define BUCKET 42

typedef struct Model
{
	const Columns *columns;
	const Rows *rows;
	int			row;			/* which single-row placeholders mean; -1: there is none */
	bool		in_each;
	ByteBuffer	out;
	bool		refused;
	bool		carries_rows;
	bool		needs_fields;
	char		single_row[200];	/* the first single-row placeholder outside an each */
} Model;

static void model_value(Model *model, OracleNode *node);

/* A field as JSON, without white space around it. */
static JsonSlice
field_of(const Model *model, int row, int column)
{
	JsonSlice	slice = {"null", 4};
	JsonFault	fault;
	const char *text = row >= 0 ? model->rows->fields[row][column] : NULL;

	if (text != NULL)
		must(json_parse(text, strlen(text), &slice, &fault));
	return slice;
}

static void
write_inputs(const Model *model, ByteBuffer *out)
{
	buffer_append_char(out, '[');
	for (int i = 0; i < model->rows->count; i++)
	{
		if (i > 0)
			buffer_append_char(out, ',');
		json_append_quoted(out, model->rows->rows[i].input, model->rows->rows[i].input_length);
	}
	buffer_append_char(out, ']');
}

static void
write_rows(const Model *model, ByteBuffer *out)
{
	buffer_append_char(out, '[');
	for (int i = 0; i < model->rows->count; i++)
	{
		buffer_append_string(out, i > 0 ? ",{" : "{");
		for (int column = 0; column < model->columns->count; column++)
		{
			JsonSlice	field = field_of(model, i, column);
			const char *name = model->columns->names[column];

			if (column > 0)
				buffer_append_char(out, ',');
			json_append_quoted(out, name, strlen(name));
			buffer_append_char(out, ':');
			buffer_append(out, field.start, field.length);
		}
		buffer_append_char(out, '}');
	}
	buffer_append_char(out, ']');
}

/* The value of a column: as JSON, or as text. */
static void
write_column(Model *model, int column, bool as_text, ByteBuffer *out)
{
	JsonSlice	field = field_of(model, model->row, column);
	const char *why;

	if (as_text && json_kind(field) == JSON_STRING)
		must(json_decode_string(field, out, &why));
	else if (!as_text || json_kind(field) != JSON_NULL)
		buffer_append(out, field.start, field.length);
}

static void
write_input(const Model *model, bool as_text, ByteBuffer *out)
{
	const char *input = model->row >= 0 ? model->rows->rows[model->row].input : "";

	if (as_text)
		buffer_append_string(out, input);
	else
		json_append_quoted(out, input, strlen(input));
}

static void
note_row(Model *model, const char *name)
{
	model->carries_rows = true;
	if (!model->in_each && model->single_row[0] == '\0')
		snprintf(model->single_row, sizeof(model->single_row), "%s", name);
}

/* What a placeholder stands for: as JSON, or as text that is still to be escaped. */
static void
write_placeholder(Model *model, const char *bytes, size_t length, bool as_text, ByteBuffer *out)
{
	char	   *name = copy_string(bytes, length);
	int			column = find_column(model->columns, name);

	if (strlen(name) != length)
		model->refused = true;
	else if (strcmp(name, "inputs") == 0 || strcmp(name, "rows") == 0)
	{
		model->carries_rows = true;
		model->needs_fields |= name[0] == 'r';
		(name[0] == 'i' ? write_inputs : write_rows) (model, out);
	}
	else if (strcmp(name, "job") == 0 || strcmp(name, "bucket") == 0)
		buffer_append_integer(out, name[0] == 'j' ? JOB : BUCKET);
	else if (strcmp(name, "input") == 0)
	{
		note_row(model, name);
		write_input(model, as_text, out);
	}
	else if (column >= 0 && strcmp(name, "each") != 0)
	{
		note_row(model, name);
		model->needs_fields = true;
		write_column(model, column, as_text, out);
	}
	else
		model->refused = true;
	free(name);
}

static void
model_string(Model *model, const char *text, size_t length, bool is_key)
{
	size_t		from;
	size_t		to;
	const char *name;
	size_t		name_length;
	int			mark = model_mark(text, length, &from, &to, &name, &name_length);

	if (mark == 'x' && from == 0 && to == length && !is_key)
	{
		write_placeholder(model, name, name_length, false, &model->out);
		return;
	}
	buffer_append_char(&model->out, '"');
	for (; mark != 0; mark = model_mark(text, length, &from, &to, &name, &name_length))
	{
		ByteBuffer	value = {0};

		json_append_escaped(&model->out, text, from);
		if (mark == '!' || (mark == 'x' && is_key))
		{
			model->refused = true;
			return;
		}
		if (mark == '{')
			buffer_append_string(&value, "{{");
		else
			write_placeholder(model, name, name_length, true, &value);
		if (value.length > 0)
			json_append_escaped(&model->out, value.data, value.length);
		buffer_free(&value);
		text += to;
		length -= to;
	}
	json_append_escaped(&model->out, text, length);
	buffer_append_char(&model->out, '"');
}

/* Is it the string "{{each}}"? */
static bool
is_each(const OracleNode *node)
{
	size_t		length;
	const char *text;
	size_t		from;
	size_t		to;
	const char *name;
	size_t		name_length;

	if (oracle_kind(node) != ORACLE_STRING)
		return false;
	text = oracle_string(node, &length);
	return model_mark(text, length, &from, &to, &name, &name_length) == 'x' && from == 0 &&
		to == length && name_length == 4 && memcmp(name, "each", 4) == 0;
}

static void
model_array(Model *model, OracleNode *array)
{
	bool		each = oracle_size(array) > 0 && is_each(oracle_element(array, 0));
	int			row = model->row;
	size_t		count = each ? (size_t) model->rows->count : oracle_size(array);

	if (each && (model->in_each || oracle_size(array) != 2))
	{
		model->refused = true;
		return;
	}
	model->in_each |= each;
	buffer_append_char(&model->out, '[');

	/* without rows, what is repeated is compiled all the same */
	for (size_t i = 0; i < count || (each && i == 0); i++)
	{
		size_t		length = model->out.length;

		if (i > 0)
			buffer_append_char(&model->out, ',');
		model->row = !each ? row : i < count ? (int) i : -1;
		model_value(model, oracle_element(array, each ? 1 : i));
		if (i >= count)
			model->out.length = length;
	}
	model->row = row;
	if (each)
		model->in_each = false;
	buffer_append_char(&model->out, ']');
}

static void
model_member(const char *name, OracleNode *value, void *state)
{
	Model	   *model = state;

	if (model->out.data[model->out.length - 1] != '{')
		buffer_append_char(&model->out, ',');
	model_string(model, name, strlen(name), true);
	buffer_append_char(&model->out, ':');
	model_value(model, value);
}

static void
model_value(Model *model, OracleNode *node)
{
	const char *text;
	size_t		length;
	char		number[40];

	switch (oracle_kind(node))
	{
		case ORACLE_NULL:
			buffer_append_string(&model->out, "null");
			break;
		case ORACLE_BOOLEAN:
			buffer_append_string(&model->out, oracle_is_true(node) ? "true" : "false");
			break;
		case ORACLE_NUMBER:
			if (oracle_is_integer(node))
				snprintf(number, sizeof(number), "%lld", (long long) oracle_integer(node));
			else
				snprintf(number, sizeof(number), "%.17e", oracle_real(node));
			buffer_append_string(&model->out, number);
			break;
		case ORACLE_STRING:
			text = oracle_string(node, &length);
			model_string(model, text, length, false);
			break;
		case ORACLE_ARRAY:
			model_array(model, node);
			break;
		case ORACLE_OBJECT:
			buffer_append_char(&model->out, '{');
			oracle_members(node, model_member, model);
			buffer_append_char(&model->out, '}');
			break;
	}
}

/* What a template says of itself. */
static void
check_template(const Template *tpl, const Model *model)
{
	const char *single_row = template_single_row_placeholder(tpl);

	must(template_carries_rows(tpl) == model->carries_rows);
	must(template_needs_fields(tpl) == model->needs_fields);
	must((single_row != NULL) == (model->single_row[0] != '\0'));
	must(single_row == NULL || strncmp(single_row, model->single_row,
									   sizeof(model->single_row) - 1) == 0);
}

static void
check_body(const ByteBuffer *body, const Model *model)
{
	OracleNode *got;
	OracleNode *expected;
	OracleVerdict verdict = oracle_parse(body->data, body->length, &got);

	oracle_parse(model->out.data, model->out.length, &expected);
	must(verdict == ORACLE_JSON || verdict == ORACLE_TOO_DEEP);
	if (verdict == ORACLE_JSON)
		must(expected != NULL && oracle_equal(got, expected));
	oracle_free(got);
	oracle_free(expected);
}

/* Without a tree only this can be said: what comes out is JSON, unless rows made it too deep. */
static void
check_json(const ByteBuffer *body)
{
	JsonSlice	value;
	JsonFault	fault;

	if (!json_parse(body->data, body->length, &value, &fault))
		must(strcmp(fault.message, "nested too deeply") == 0);
}

static void
fill(const Template *tpl, Rows *rows, ByteBuffer *body)
{
	RequestScope scope = {JOB, BUCKET, rows->rows, rows->count};
	const char *why = NULL;

	for (int i = 0; i < rows->count && !template_needs_fields(tpl); i++)
		rows->rows[i].fields = NULL;
	buffer_append_string(body, "before");
	must(template_fill(tpl, &scope, body, &why));
	must(memcmp(body->data, "before", 6) == 0);
	memmove(body->data, body->data + 6, body->length - 5);
	body->length -= 6;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {(const char *) data, (const char *) data + size};
	Columns		columns;
	Rows		rows;
	Model		model = {.columns = &columns, .rows = &rows};
	TemplateFault fault = {0};
	Template   *tpl;
	OracleNode *root;
	OracleVerdict verdict;
	ByteBuffer	body = {0};

	read_columns(&input, &columns);
	read_rows(&input, columns.count, &rows);
	model.row = rows.count > 0 ? 0 : -1;
	verdict = oracle_parse(input.at, input.end - input.at, &root);
	tpl = template_compile_body(input.at, input.end - input.at, columns.names, columns.count,
								&fault);
	if (verdict == ORACLE_JSON)
		model_value(&model, root);
	if (verdict == ORACLE_JSON)
		must((tpl == NULL) == model.refused);
	else if (verdict == ORACLE_REPEATED || verdict == ORACLE_REFUSED || verdict == ORACLE_TOO_DEEP)
		must(tpl == NULL);
	must(tpl == NULL || template_check_body(input.at, input.end - input.at, &fault));
	if (tpl == NULL)
		check_fault(&fault, input.end - input.at);
	else
		fill(tpl, &rows, &body);
	if (tpl != NULL && verdict == ORACLE_JSON)
	{
		check_template(tpl, &model);
		check_body(&body, &model);
	}
	else if (tpl != NULL)
		check_json(&body);
	template_free(tpl);
	buffer_free(&body);
	buffer_free(&model.out);
	oracle_free(root);
	free_rows(&rows);
	free(columns.line);
	return 0;
}
