/*-------------------------------------------------------------------------
 *
 * template_body.c
 *	  Compiling body templates.
 *
 * json_parse checks the text first.  Then one pass over its tokens, with a
 * stack of levels and no recursion, finds the strings that hold placeholders,
 * the keys that are repeated, and ["{{each}}", T].  The stack and the keys of
 * open objects live as long as the pass; the Template goes to the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "template/template_compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a key that a message repeats. */
#define KEY_SHOWN 150

#define TEMPLATE_NAME "request template"

/* A key of an object that is still open. */
typedef struct Key
{
	const char *token;			/* where it stands in the template */
	size_t		offset;			/* in BodyCompiler.key_text */
	size_t		length;
} Key;

/* A key while those of one object are compared. */
typedef struct SortedKey
{
	JsonSlice	text;
	const char *token;
} SortedKey;

/* An array or object that is still open. */
typedef struct Level
{
	bool		is_object;
	bool		expects_key;	/* the next string is a key */
	bool		is_each;
	size_t		first_key;		/* in bytes of BodyCompiler.keys */
	size_t		first_key_text;
} Level;

typedef struct BodyCompiler
{
	Compiler	base;
	ByteBuffer	keys;			/* of Key: those of the open objects,
								 * outermost first */
	ByteBuffer	key_text;		/* the decoded keys themselves */
	int			depth;
	Level		levels[JSON_MAX_DEPTH];
} BodyCompiler;

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

/* Behind the string token at p. */
static const char *
string_end(const char *p)
{
	for (p++; *p != '"'; p++)
	{
		if (*p == '\\')
			p++;
	}
	return p + 1;
}

/* Is the string token exactly one placeholder? */
static bool
is_exact(const char *token, const char *token_end, Mark *mark)
{
	MarkScan	scan = {token + 1, token_end - 1, true};

	return next_mark(&scan, mark) && mark->kind == MARK_PLACEHOLDER &&
		mark->start == token + 1 && mark->end == token_end - 1;
}

/* A string token: a value, or a key. */
static bool
compile_string(Compiler *compiler, const char *token, const char *token_end, bool in_key)
{
	MarkScan	scan = {token + 1, token_end - 1, true};
	Mark		mark;

	if (!in_key && is_exact(token, token_end, &mark))
	{
		/* the value brings its own quotes, if any */
		mark.start = token;
		mark.end = token_end;
		return compiler_mark(compiler, &mark, FORM_JSON, false);
	}
	while (next_mark(&scan, &mark))
	{
		if (!compiler_mark(compiler, &mark, FORM_TEXT, in_key))
			return false;
	}
	return true;
}

/* Remembers a key of the innermost object. */
static bool
add_key(BodyCompiler *body, const char *token, const char *token_end)
{
	TemplateFault *fault = body->base.fault;
	JsonSlice	string = {token, token_end - token};
	Key			key = {token, body->key_text.length, 0};
	const char *why = NULL;

	if (!json_decode_string(string, &body->key_text, &why))
	{
		template_fault(fault, NULL, NULL, "malformed key in the %s: %s", body->base.what, why);
		fault->offset = token - body->base.text;
		return false;
	}
	key.length = body->key_text.length - key.offset;
	buffer_append(&body->keys, (const char *) &key, sizeof(key));
	if (body->key_text.failed || body->keys.failed)
		return compiler_out_of_memory(fault);
	return true;
}

static int
compare_keys(const SortedKey *a, const SortedKey *b)
{
	if (a->text.length != b->text.length)
		return a->text.length < b->text.length ? -1 : 1;
	return memcmp(a->text.start, b->text.start, a->text.length);
}

/* For qsort: equal keys in the order in which they stand. */
static int
compare_places(const void *left, const void *right)
{
	const SortedKey *a = left;
	const SortedKey *b = right;
	int			order = compare_keys(a, b);

	return order != 0 ? order : a->token < b->token ? -1 : 1;
}

static void
repeated_fault(const BodyCompiler *body, const SortedKey *key)
{
	TemplateFault *fault = body->base.fault;
	size_t		shown = key->text.length < KEY_SHOWN ? key->text.length : KEY_SHOWN;

	template_fault(fault, NULL, "Give each key of an object once.",
				   "key \"%.*s\" is repeated in the %s", (int) shown, key->text.start,
				   body->base.what);
	fault->offset = key->token - body->base.text;
}

/* The keys of an object that is complete: each may stand there once. */
static bool
check_keys(const BodyCompiler *body, const Level *level)
{
	size_t		count = (body->keys.length - level->first_key) / sizeof(Key);
	const Key  *keys;
	SortedKey  *sorted;
	bool		unique = true;

	if (count < 2)
		return true;
	keys = (const Key *) (body->keys.data + level->first_key);
	sorted = malloc(count * sizeof(SortedKey));
	if (sorted == NULL)
		return compiler_out_of_memory(body->base.fault);
	for (size_t i = 0; i < count; i++)
	{
		sorted[i].text.start = body->key_text.data + keys[i].offset;
		sorted[i].text.length = keys[i].length;
		sorted[i].token = keys[i].token;
	}
	qsort(sorted, count, sizeof(SortedKey), compare_places);
	for (size_t i = 1; i < count && unique; i++)
	{
		unique = compare_keys(&sorted[i - 1], &sorted[i]) != 0;
		if (!unique)
			repeated_fault(body, &sorted[i]);
	}
	free(sorted);
	return unique;
}

static bool
each_fault(Compiler *compiler, const char *at, const char *problem, const char *hint)
{
	template_fault(compiler->fault, NULL, hint, "\"{{each}}\" %s in the %s", problem,
				   compiler->what);
	compiler->fault->offset = at - compiler->text;
	return false;
}

/* Is the next token the string "{{each}}"?  False also on failure, with *good cleared. */
static bool
at_each(Compiler *compiler, const char *token, bool *good)
{
	Mark		mark;

	if (*token != '"' || !is_exact(token, string_end(token), &mark))
		return false;
	*good = compiler_decode_name(compiler, &mark, true);
	return *good && strcmp(compiler->name.data, "each") == 0;
}

/* Behind the bracket of an array: where it is an each, opens that, and *p moves to its T. */
static bool
open_each(Compiler *compiler, Level *level, const char **p)
{
	const char *token = skip_space(*p, compiler->end);
	bool		good = true;

	if (!at_each(compiler, token, &good))
		return good;
	if (compiler->each >= 0)
		return each_fault(compiler, token, "inside another", "The outer one repeats for each row"
						  " already: write the row's values by {{input}} or a column's name.");
	token = skip_space(string_end(token), compiler->end);
	if (*token != ',')
		return each_fault(compiler, token, "with nothing to repeat", EACH_HINT);
	if (!compiler_flush(compiler, *p) ||
		compiler_add_piece(compiler, PIECE_EACH, FORM_JSON) == NULL)
		return false;
	compiler->fixed = template_piece_count(compiler->tpl);
	compiler->each = compiler->fixed - 1;
	compiler->pending = skip_space(token + 1, compiler->end);
	level->is_each = true;
	*p = compiler->pending;
	return true;
}

static bool
open_level(BodyCompiler *body, const char **p)
{
	Level	   *level = &body->levels[body->depth++];

	level->is_object = **p == '{';
	level->expects_key = level->is_object;
	level->is_each = false;
	level->first_key = body->keys.length;
	level->first_key_text = body->key_text.length;
	(*p)++;
	return level->is_object ? true : open_each(&body->base, level, p);
}

/* At the bracket that closes an each: what was added since is its T. */
static bool
close_each(Compiler *compiler, const char *p)
{
	if (!compiler_flush(compiler, p))
		return false;
	compiler->fixed = template_piece_count(compiler->tpl);
	template_piece(compiler->tpl, compiler->each)->end = compiler->fixed;
	compiler->each = -1;
	return true;
}

static bool
close_level(BodyCompiler *body, const char **p)
{
	Level	   *level = &body->levels[--body->depth];

	if (level->is_object)
	{
		if (!check_keys(body, level))
			return false;
		body->keys.length = level->first_key;
		body->key_text.length = level->first_key_text;
	}
	if (level->is_each && !close_each(&body->base, *p))
		return false;
	(*p)++;
	return true;
}

static bool
next_in_level(BodyCompiler *body, const char **p)
{
	Level	   *level = &body->levels[body->depth - 1];

	level->expects_key = level->is_object;
	if (level->is_each)
		return each_fault(&body->base, *p, "with more than one thing to repeat", EACH_HINT);
	(*p)++;
	return true;
}

static bool
string_token(BodyCompiler *body, const char **p)
{
	const char *token = *p;
	Level	   *level = body->depth > 0 ? &body->levels[body->depth - 1] : NULL;
	bool		in_key = level != NULL && level->expects_key;

	*p = string_end(token);
	if (in_key)
	{
		level->expects_key = false;
		if (!add_key(body, token, *p))
			return false;
	}
	return compile_string(&body->base, token, *p, in_key);
}

/* All tokens of a text that is known to be JSON. */
static bool
compile_tokens(BodyCompiler *body)
{
	const char *p = body->base.text;
	bool		good = true;

	while (good && p < body->base.end)
	{
		switch (*p)
		{
			case '"':
				good = string_token(body, &p);
				break;
			case '[':
			case '{':
				good = open_level(body, &p);
				break;
			case ']':
			case '}':
				good = close_level(body, &p);
				break;
			case ',':
				good = next_in_level(body, &p);
				break;
			default:
				p++;
				break;
		}
	}
	return good && compiler_flush(&body->base, body->base.end);
}

static bool
check_json(const char *json, size_t length, TemplateFault *fault)
{
	JsonSlice	value;
	JsonFault	json_fault;

	if (json_parse(json, length, &value, &json_fault))
		return true;
	template_fault(fault, NULL, "A placeholder stands in a JSON string: \"{{inputs}}\".",
				   "%s is not JSON: %s", TEMPLATE_NAME, json_fault.message);
	fault->offset = (int64_t) json_fault.offset;
	return false;
}

static Template *
compile_body(const char *json, size_t length, const char *const *columns, int column_count,
			 bool any_column, TemplateFault *fault)
{
	BodyCompiler *body;
	Template   *tpl;

	if (!check_json(json, length, fault))
		return NULL;
	body = calloc(1, sizeof(BodyCompiler));
	if (body == NULL ||
		!compiler_begin(&body->base, TEMPLATE_NAME, json, length, columns, column_count, fault))
	{
		free(body);
		compiler_out_of_memory(fault);
		return NULL;
	}
	body->base.any_column = any_column;
	tpl = compiler_finish(&body->base, compile_tokens(body));
	buffer_free(&body->keys);
	buffer_free(&body->key_text);
	free(body);
	return tpl;
}

Template *
template_compile_body(const char *json, size_t length, const char *const *columns,
					  int column_count, TemplateFault *fault)
{
	return compile_body(json, length, columns, column_count, false, fault);
}

bool
template_check_body(const char *json, size_t length, TemplateFault *fault)
{
	Template   *tpl = compile_body(json, length, NULL, 0, true, fault);

	template_free(tpl);
	return tpl != NULL;
}
