/*-------------------------------------------------------------------------
 *
 * template_fill.c
 *	  Filling a compiled template with the rows of a request.
 *
 * Owns no memory but the scratch of one placeholder at a time: the text goes
 * to the caller's ByteBuffer.  A URL is watched while it grows, since a value that
 * is empty, "." or ".." would make another path of it, and so would one with "/../"
 * in it where a server decodes slashes early: the fill then fails and the buffer
 * is as it was.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "template/template_internal.h"

/* Watches the segments of a URL's path. */
typedef struct PathGuard
{
	bool		in_path;
	bool		has_value;		/* a placeholder stands in the segment */
	size_t		segment;		/* where the segment begins, in the output */
} PathGuard;

typedef struct Fill
{
	const Template *tpl;
	const RequestScope *scope;
	ByteBuffer *out;
	const char *why;
	PathGuard	guard;
} Fill;

/* The row's field of a column, without white space around it; start NULL for null. */
static JsonSlice
row_field(const RequestRow *row, int column)
{
	JsonSlice	field = {NULL, 0};
	const char *text = row != NULL && row->fields != NULL ? row->fields[column] : NULL;

	if (text == NULL)
		return field;
	text += strspn(text, " \t\r\n");
	if (strncmp(text, "null", 4) == 0)
		return field;
	field.start = text;
	field.length = strlen(text);
	while (field.length > 0 && strchr(" \t\r\n", text[field.length - 1]) != NULL)
		field.length--;
	return field;
}

static void
append_inputs(const RequestScope *scope, ByteBuffer *out)
{
	buffer_append_char(out, '[');
	for (int i = 0; i < scope->row_count; i++)
	{
		if (i > 0)
			buffer_append_char(out, ',');
		json_append_quoted(out, scope->rows[i].input, scope->rows[i].input_length);
	}
	buffer_append_char(out, ']');
}

static void
append_json_field(JsonSlice field, ByteBuffer *out)
{
	if (field.start == NULL)
		buffer_append(out, "null", 4);
	else
		buffer_append(out, field.start, field.length);
}

static void
append_rows(const Template *tpl, const RequestScope *scope, ByteBuffer *out)
{
	buffer_append_char(out, '[');
	for (int i = 0; i < scope->row_count; i++)
	{
		buffer_append(out, i > 0 ? ",{" : "{", i > 0 ? 2 : 1);
		for (int column = 0; column < tpl->column_count; column++)
		{
			if (column > 0)
				buffer_append_char(out, ',');
			buffer_append_string(out, tpl->names[column]);
			append_json_field(row_field(&scope->rows[i], column), out);
		}
		buffer_append_char(out, '}');
	}
	buffer_append_char(out, ']');
}

/* Plain text, inside a JSON string or a URL. */
static void
append_text(PieceForm form, const char *bytes, size_t length, ByteBuffer *out)
{
	if (form == FORM_URL)
		url_append_encoded(out, bytes, length);
	else
		json_append_escaped(out, bytes, length);
}

/* {{inputs}} or {{rows}}: their JSON, which in a string or URL is text. */
static void
fill_request(Fill *fill, const Piece *piece)
{
	ByteBuffer	scratch = {0};
	ByteBuffer *json = piece->form == FORM_JSON ? fill->out : &scratch;

	if (piece->kind == PIECE_INPUTS)
		append_inputs(fill->scope, json);
	else
		append_rows(fill->tpl, fill->scope, json);
	if (piece->form == FORM_JSON)
		return;
	if (scratch.failed)
		fill->out->failed = true;
	else
		append_text(piece->form, scratch.data, scratch.length, fill->out);
	buffer_free(&scratch);
}

static void
fill_input(Fill *fill, const Piece *piece, const RequestRow *row)
{
	const char *input = row != NULL && row->input != NULL ? row->input : "";
	size_t		length = row != NULL && row->input != NULL ? row->input_length : 0;

	if (piece->form == FORM_JSON)
		json_append_quoted(fill->out, input, length);
	else
		append_text(piece->form, input, length, fill->out);
}

/* {{column}}: as text, a string is what it says, null is empty, the rest is its JSON. */
static bool
fill_column(Fill *fill, const Piece *piece, const RequestRow *row)
{
	JsonSlice	field = row_field(row, piece->column);
	ByteBuffer	decoded = {0};
	bool		good = true;

	if (piece->form == FORM_JSON)
		append_json_field(field, fill->out);
	else if (field.start == NULL)
		return true;
	else if (json_kind(field) != JSON_STRING)
		append_text(piece->form, field.start, field.length, fill->out);
	else if (piece->form == FORM_TEXT)
		buffer_append(fill->out, field.start + 1, field.length - 2);	/* escaped already */
	else
	{
		good = json_decode_string(field, &decoded, &fill->why);
		if (decoded.failed)
			fill->out->failed = true;
		else if (good)
			append_text(piece->form, decoded.data, decoded.length, fill->out);
		buffer_free(&decoded);
	}
	return good;
}

static bool
fill_piece(Fill *fill, const Piece *piece, const RequestRow *row)
{
	switch (piece->kind)
	{
		case PIECE_LITERAL:
			buffer_append(fill->out, fill->tpl->literals.data + piece->offset, piece->length);
			break;
		case PIECE_INPUTS:
		case PIECE_ROWS:
			fill_request(fill, piece);
			break;
		case PIECE_JOB:
			buffer_append_integer(fill->out, fill->scope->job);
			break;
		case PIECE_BUCKET:
			buffer_append_integer(fill->out, fill->scope->bucket);
			break;
		case PIECE_INPUT:
			fill_input(fill, piece, row);
			break;
		case PIECE_COLUMN:
			return fill_column(fill, piece, row);
		case PIECE_EACH:
			break;				/* its own walk: fill_each */
	}
	return true;
}

/* The pieces of an each, once for each row. */
static bool
fill_each(Fill *fill, int each)
{
	int			end = template_piece(fill->tpl, each)->end;

	for (int row = 0; row < fill->scope->row_count; row++)
	{
		if (row > 0)
			buffer_append_char(fill->out, ',');
		for (int i = each + 1; i < end; i++)
		{
			if (!fill_piece(fill, template_piece(fill->tpl, i), &fill->scope->rows[row]))
				return false;
		}
	}
	return true;
}

/* Is a segment empty or ".", which may be percent-encoded? */
static bool
segment_vanishes(const char *p, size_t length)
{
	return length == 0 || (length == 1 && *p == '.') ||
		(length == 3 && p[0] == '%' && p[1] == '2' && (p[2] == 'e' || p[2] == 'E'));
}

/* A segment is complete: a value must not have made another path of it. */
static bool
check_segment(Fill *fill, size_t end)
{
	PathGuard  *guard = &fill->guard;
	const char *p = fill->out->data;

	if (guard->in_path && guard->has_value &&
		(segment_vanishes(p + guard->segment, end - guard->segment) ||
		 url_segment_goes_up(p + guard->segment, p + end)))
	{
		fill->why = "a value in the url's path is empty, \".\", or has a segment \"..\", "
			"which would make it another path";
		return false;
	}
	guard->segment = end + 1;
	guard->has_value = false;
	return true;
}

/* The text of a URL's literal piece has been appended from there on. */
static bool
guard_literal(Fill *fill, const Piece *piece, size_t from)
{
	PathGuard  *guard = &fill->guard;

	for (size_t i = 0; i < piece->length; i++)
	{
		char		c = fill->out->data[from + i];

		if (piece->offset + i == fill->tpl->path_offset)
		{
			guard->in_path = true;
			guard->segment = from + i + 1;
		}
		else if (guard->in_path && (c == '/' || c == '?' || c == '#'))
		{
			if (!check_segment(fill, from + i))
				return false;
			guard->in_path = c == '/';
		}
	}
	return true;
}

static bool
fill_pieces(Fill *fill)
{
	int			count = template_piece_count(fill->tpl);
	const RequestRow *row = fill->scope->row_count > 0 ? fill->scope->rows : NULL;

	for (int i = 0; i < count; i++)
	{
		const Piece *piece = template_piece(fill->tpl, i);
		size_t		from = fill->out->length;

		if (!fill_piece(fill, piece, row))
			return false;
		if (piece->kind == PIECE_EACH)
		{
			if (!fill_each(fill, i))
				return false;
			i = piece->end - 1;
		}
		if (fill->out->failed)
			return false;
		if (piece->kind != PIECE_LITERAL)
			fill->guard.has_value = true;
		else if (fill->tpl->is_url && !guard_literal(fill, piece, from))
			return false;
	}
	return !fill->tpl->is_url || check_segment(fill, fill->out->length);
}

bool
template_fill(const Template *tpl, const RequestScope *scope, ByteBuffer *out, const char **why)
{
	Fill		fill = {tpl, scope, out, NULL, {false, false, 0}};
	size_t		before = out->length;

	if (fill_pieces(&fill))
		return true;
	*why = out->failed || fill.why == NULL ? "out of memory" : fill.why;
	out->length = before;
	if (out->data != NULL)
		out->data[before] = '\0';
	return false;
}

const char *
template_single_row_placeholder(const Template *tpl)
{
	return tpl->single_row;
}

bool
template_needs_fields(const Template *tpl)
{
	return tpl->needs_fields;
}

const char *
template_repeated_placeholder(const Template *tpl)
{
	return tpl->repeated;
}

bool
template_carries_rows(const Template *tpl)
{
	return tpl->carries_rows;
}
