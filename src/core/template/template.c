/*-------------------------------------------------------------------------
 *
 * template.c
 *	  Compiling templates: pieces, placeholders, and URLs.
 *
 * Owns the Template until template_free.  What stands between placeholders
 * becomes literal pieces, as it was written.  Bodies are compiled in
 * template_body.c, with the functions of template_compiler.h.  Failure: a
 * TemplateFault, and nothing is left behind.
 *
 *-------------------------------------------------------------------------
 */
#include "template/template_compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/similar.h"

typedef struct Builtin
{
	const char *name;
	PieceKind	kind;
	bool		carries_rows;
} Builtin;

static const Builtin builtins[] = {
	{"inputs", PIECE_INPUTS, true},
	{"rows", PIECE_ROWS, true},
	{"job", PIECE_JOB, false},
	{"bucket", PIECE_BUCKET, false},
	{"input", PIECE_INPUT, true},
};

#define BUILTIN_COUNT ((int) (sizeof(builtins) / sizeof(builtins[0])))

bool
compiler_out_of_memory(TemplateFault *fault)
{
	template_fault(fault, NULL, NULL, "out of memory");
	return false;
}

Piece *
compiler_add_piece(Compiler *compiler, PieceKind kind, PieceForm form)
{
	ByteBuffer *pieces = &compiler->tpl->pieces;
	Piece		piece = {0};

	piece.kind = kind;
	piece.form = form;
	piece.offset = compiler->tpl->literals.length;
	buffer_append(pieces, (const char *) &piece, sizeof(piece));
	if (pieces->failed)
	{
		compiler_out_of_memory(compiler->fault);
		return NULL;
	}
	return (Piece *) (pieces->data + pieces->length) - 1;
}

/* Appends literal text, to the piece before where that is literal too. */
static bool
add_literal(Compiler *compiler, const char *text, size_t length)
{
	Template   *tpl = compiler->tpl;
	int			count = template_piece_count(tpl);
	Piece	   *piece = count > compiler->fixed ? template_piece(tpl, count - 1) : NULL;

	if (length == 0)
		return true;
	if (piece == NULL || piece->kind != PIECE_LITERAL)
		piece = compiler_add_piece(compiler, PIECE_LITERAL, FORM_JSON);
	if (piece == NULL)
		return false;
	piece->length += length;
	buffer_append(&tpl->literals, text, length);
	return tpl->literals.failed ? compiler_out_of_memory(compiler->fault) : true;
}

bool
compiler_flush(Compiler *compiler, const char *up_to)
{
	const char *from = compiler->pending;

	compiler->pending = up_to;
	return add_literal(compiler, from, up_to - from);
}

/* Appends to a hint as long as there is room for that and for an ellipsis. */
static void
hint_add(char *hint, size_t size, const char *separator, const char *name, bool *full)
{
	size_t		used = strlen(hint);

	if (*full)
		return;
	*full = used + strlen(name) + sizeof(", {{}}, ...") > size;
	if (*full)
		snprintf(hint + used, size - used, ", ...");
	else
		snprintf(hint + used, size - used, "%s{{%s}}", separator, name);
}

/* The placeholder that was perhaps meant; or NULL. */
static const char *
nearest_placeholder(const Compiler *compiler, const char *name)
{
	Similar		similar = similar_to(name);

	for (int i = 0; i < BUILTIN_COUNT; i++)
		similar_consider(&similar, builtins[i].name);
	for (int i = 0; i < compiler->tpl->column_count; i++)
		similar_consider(&similar, compiler->columns[i]);
	return similar.best;
}

static bool
unknown_placeholder(Compiler *compiler, const char *name)
{
	static const char suffix[] = " can stand here.";
	TemplateFault *fault = compiler->fault;
	const char *nearest = nearest_placeholder(compiler, name);
	char		hint[sizeof(fault->hint)];
	size_t		size = sizeof(hint) - sizeof(suffix);
	bool		full = false;

	hint[0] = '\0';
	if (nearest != NULL)
		snprintf(hint, size / 2, "Perhaps you meant {{%s}}. ", nearest);
	for (int i = 0; i < BUILTIN_COUNT; i++)
		hint_add(hint, size, i > 0 ? ", " : "", builtins[i].name, &full);
	for (int i = 0; i < compiler->tpl->column_count; i++)
		hint_add(hint, size, ", ", compiler->columns[i], &full);
	strcat(hint, suffix);
	if (strcmp(name, "now") == 0 || strcmp(name, "fingerprint") == 0)
		template_fault(fault, "It is made when a row is stored, so only \"output\" can hold it.",
					   hint, "placeholder \"{{%s}}\" cannot be sent", name);
	else if (strchr(name, '(') != NULL)
		template_fault(fault, NULL, "Make the expression an element of \"input\", in parentheses,"
					   " and write {{input}} here.",
					   "placeholder \"{{%s}}\" in the %s is an expression", name, compiler->what);
	else
	{
		template_fault(fault, NULL, hint, "unknown placeholder \"{{%s}}\" in the %s", name,
					   compiler->what);
		snprintf(fault->unknown, sizeof(fault->unknown), "%s", name);
		fault->unknown[utf8_valid_prefix(fault->unknown, strlen(fault->unknown))] = '\0';
	}
	return false;
}

bool
compiler_decode_name(Compiler *compiler, const Mark *mark, bool escapes)
{
	ByteBuffer	token = {0};
	ByteBuffer *name = &compiler->name;
	const char *why = NULL;
	bool		decoded = true;

	buffer_reset(name);
	if (escapes)
	{
		buffer_append_char(&token, '"');
		buffer_append(&token, mark->name, mark->name_length);
		buffer_append_char(&token, '"');
		if (!token.failed)
			decoded = json_decode_string(json_slice(token.data, token.length), name, &why);
		name->failed |= token.failed;
		buffer_free(&token);
	}
	else
		buffer_append(name, mark->name, mark->name_length);
	if (name->failed)
		return compiler_out_of_memory(compiler->fault);
	if (!decoded)
	{
		template_fault(compiler->fault, NULL, NULL, "malformed placeholder: %s", why);
		return false;
	}
	while (name->length > 0 && strchr(" \t\r\n", name->data[name->length - 1]) != NULL)
		name->data[--name->length] = '\0';
	name->length -= strspn(name->data, " \t\r\n");
	memmove(name->data, name->data + strspn(name->data, " \t\r\n"), name->length + 1);
	return true;
}

/* Notes that a placeholder means a single row. */
static bool
note_single_row(Compiler *compiler)
{
	Template   *tpl = compiler->tpl;

	if (compiler->each >= 0 || tpl->single_row != NULL)
		return true;
	tpl->single_row = strdup(compiler->name.data);
	return tpl->single_row != NULL ? true : compiler_out_of_memory(compiler->fault);
}

/* Which column is it?  -1: none. */
static int
find_column(const Compiler *compiler, const char *name)
{
	if (compiler->any_column)
		return 0;
	for (int i = 0; i < compiler->tpl->column_count; i++)
	{
		if (strcmp(name, compiler->columns[i]) == 0)
			return i;
	}
	return -1;
}

/* Adds the piece for the placeholder whose name is in compiler->name. */
static bool
add_placeholder(Compiler *compiler, PieceForm form)
{
	Template   *tpl = compiler->tpl;
	const char *name = compiler->name.data;
	PieceKind	kind = PIECE_COLUMN;
	int			column = 0;
	Piece	   *piece;

	for (int i = 0; i < BUILTIN_COUNT; i++)
	{
		if (strcmp(name, builtins[i].name) == 0)
		{
			kind = builtins[i].kind;
			tpl->carries_rows |= builtins[i].carries_rows;
			if (compiler->each >= 0 && (kind == PIECE_INPUTS || kind == PIECE_ROWS))
				tpl->repeated = builtins[i].name;
		}
	}
	if (kind == PIECE_COLUMN)
	{
		column = find_column(compiler, name);
		if (column < 0)
			return unknown_placeholder(compiler, name);
		tpl->carries_rows = true;
	}
	if ((kind == PIECE_COLUMN || kind == PIECE_INPUT) && !note_single_row(compiler))
		return false;
	if (kind == PIECE_COLUMN || kind == PIECE_ROWS)
		tpl->needs_fields = true;
	piece = compiler_add_piece(compiler, kind, form);
	if (piece == NULL)
		return false;
	piece->column = column;
	return true;
}

static bool
each_out_of_place(Compiler *compiler, PieceForm form)
{
	if (form == FORM_URL)
		template_fault(compiler->fault, NULL, EACH_URL_HINT,
					   "\"{{each}}\" cannot stand in the %s", compiler->what);
	else
		template_fault(compiler->fault, NULL, EACH_HINT, "misplaced \"{{each}}\" in the %s",
					   compiler->what);
	return false;
}

static bool
add_mark(Compiler *compiler, const Mark *mark, PieceForm form, bool in_name)
{
	if (mark->kind == MARK_UNTERMINATED)
	{
		unterminated_fault(compiler->fault, compiler->what, compiler->text, mark);
		return false;
	}
	if (!compiler_flush(compiler, mark->start))
		return false;
	compiler->pending = mark->end;
	if (mark->kind == MARK_LITERAL)
		return add_literal(compiler, "{{", 2);
	if (!compiler_decode_name(compiler, mark, form != FORM_URL))
		return false;
	if (strcmp(compiler->name.data, "each") == 0)
		return each_out_of_place(compiler, form);
	if (compiler->name.length == 0)
	{
		template_fault(compiler->fault, NULL, "Write a name between the braces, or \"{{{{\" for a"
					   " literal \"{{\".",
					   "placeholder without a name in the %s", compiler->what);
		return false;
	}
	if (in_name)
	{
		template_fault(compiler->fault, "Placeholders stand for values only.",
					   "Write \"{{{{\" for a literal \"{{\".",
					   "placeholder \"{{%s}}\" in a key of the %s", compiler->name.data,
					   compiler->what);
		return false;
	}
	return add_placeholder(compiler, form);
}

bool
compiler_mark(Compiler *compiler, const Mark *mark, PieceForm form, bool in_name)
{
	if (add_mark(compiler, mark, form, in_name))
		return true;
	/* a mark that takes its string's quotes with it begins behind the first */
	compiler->fault->offset = mark->start - compiler->text + (*mark->start == '"');
	return false;
}

/* An empty template, with the columns' names ready for {{rows}}; NULL without memory. */
static Template *
template_create(const char *const *columns, int column_count)
{
	Template   *tpl = calloc(1, sizeof(Template));

	if (tpl == NULL)
		return NULL;
	tpl->column_count = column_count;
	tpl->path_offset = SIZE_MAX;
	tpl->names = calloc(column_count > 0 ? column_count : 1, sizeof(char *));
	for (int i = 0; tpl->names != NULL && i < column_count; i++)
	{
		ByteBuffer	name = {0};

		json_append_quoted(&name, columns[i], strlen(columns[i]));
		buffer_append_char(&name, ':');
		tpl->names[i] = name.data;
		if (name.failed)
		{
			template_free(tpl);
			return NULL;
		}
	}
	if (tpl->names == NULL)
	{
		template_free(tpl);
		return NULL;
	}
	return tpl;
}

bool
compiler_begin(Compiler *compiler, const char *what, const char *text, size_t length,
			   const char *const *columns, int column_count, TemplateFault *fault)
{
	memset(compiler, 0, sizeof(*compiler));
	compiler->fault = fault;
	compiler->columns = columns;
	compiler->what = what;
	compiler->text = text;
	compiler->end = text + length;
	compiler->pending = text;
	compiler->each = -1;
	compiler->tpl = template_create(columns, column_count);
	return compiler->tpl != NULL ? true : compiler_out_of_memory(fault);
}

Template *
compiler_finish(Compiler *compiler, bool good)
{
	buffer_free(&compiler->name);
	if (good)
		return compiler->tpl;
	template_free(compiler->tpl);
	return NULL;
}

/* Where the path of a URL begins, in its literal text; SIZE_MAX where it has none. */
static size_t
find_path(const ByteBuffer *literals)
{
	const char *url = literals->data != NULL ? literals->data : "";
	const char *scheme_end = strstr(url, "://");
	const char *p = scheme_end != NULL ? scheme_end + 3 : url;

	p += strcspn(p, "/?#");
	return *p == '/' ? (size_t) (p - url) : SIZE_MAX;
}

static Template *
compile_url(const char *url, const char *what, const char *const *columns, int column_count,
			bool any_column, TemplateFault *fault)
{
	Compiler	compiler;
	MarkScan	scan = {url, url + strlen(url), false};
	Mark		mark;
	bool		good = true;

	if (!compiler_begin(&compiler, what, url, scan.end - url, columns, column_count, fault))
		return NULL;
	compiler.any_column = any_column;
	while (good && next_mark(&scan, &mark))
		good = compiler_mark(&compiler, &mark, FORM_URL, false);
	good = good && compiler_flush(&compiler, compiler.end);
	compiler.tpl->is_url = true;
	compiler.tpl->path_offset = find_path(&compiler.tpl->literals);
	return compiler_finish(&compiler, good);
}

Template *
template_compile_url(const char *url, const char *what, const char *const *columns,
					 int column_count, TemplateFault *fault)
{
	return compile_url(url, what, columns, column_count, false, fault);
}

bool
template_check_url(const char *url, const char *what, TemplateFault *fault)
{
	Template   *tpl = compile_url(url, what, NULL, 0, true, fault);

	template_free(tpl);
	return tpl != NULL;
}

void
template_free(Template *tpl)
{
	if (tpl == NULL)
		return;
	for (int i = 0; tpl->names != NULL && i < tpl->column_count; i++)
		free(tpl->names[i]);
	free(tpl->names);
	free(tpl->single_row);
	buffer_free(&tpl->pieces);
	buffer_free(&tpl->literals);
	free(tpl);
}
