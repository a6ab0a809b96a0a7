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
#include "template_compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a key that a message repeats. */
#define KEY_SHOWN 150

/* A key of an object that is still open. */
typedef struct Key
{
	size_t		offset;			/* in BodyCompiler.key_text */
	size_t		length;
} Key;

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
	ByteBuffer	keys;			/* of Key: those of the open objects, outermost first */
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
	Key			key = {body->key_text.length, 0};
	const char *why = NULL;

	if (!json_decode_string(string, &body->key_text, &why))
	{
		template_fault(fault, NULL, NULL, "malformed key in the request template: %s", why);
		return false;
	}
	key.length = body->key_text.length - key.offset;
	buffer_append(&body->keys, (const char *) &key, sizeof(key));
	if (body->key_text.failed || body->keys.failed)
		return compiler_out_of_memory(fault);
	return true;
}

static int
compare_keys(const void *left, const void *right)
{
	const JsonSlice *a = left;
	const JsonSlice *b = right;

	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->start, b->start, a->length);
}

/* The keys of an object that is complete: each may stand there once. */
static bool
check_keys(const BodyCompiler *body, const Level *level)
{
	size_t		count = (body->keys.length - level->first_key) / sizeof(Key);
	const Key  *keys;
	JsonSlice  *sorted;
	bool		unique = true;

	if (count < 2)
		return true;
	keys = (const Key *) (body->keys.data + level->first_key);
	sorted = malloc(count * sizeof(JsonSlice));
	if (sorted == NULL)
		return compiler_out_of_memory(body->base.fault);
	for (size_t i = 0; i < count; i++)
	{
		sorted[i].start = body->key_text.data + keys[i].offset;
		sorted[i].length = keys[i].length;
	}
	qsort(sorted, count, sizeof(JsonSlice), compare_keys);
	for (size_t i = 1; i < count && unique; i++)
	{
		unique = compare_keys(&sorted[i - 1], &sorted[i]) != 0;
		if (!unique)
			template_fault(body->base.fault, NULL, "Give each key of an object once.",
						   "key \"%.*s\" is repeated in the request template",
						   (int) (sorted[i].length < KEY_SHOWN ? sorted[i].length : KEY_SHOWN),
						   sorted[i].start);
	}
	free(sorted);
	return unique;
}

static bool
each_fault(Compiler *compiler, const char *message)
{
	template_fault(compiler->fault, NULL, EACH_HINT, "%s", message);
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
		return each_fault(compiler, "\"{{each}}\" inside another in the request template");
	token = skip_space(string_end(token), compiler->end);
	if (*token != ',')
		return each_fault(compiler, "\"{{each}}\" with nothing to repeat in the request template");
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
	(*p)++;
	if (level->is_each)
		return each_fault(&body->base, "\"{{each}}\" with more than one thing to repeat"
						  " in the request template");
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
	char		detail[sizeof(fault->detail)];

	if (json_parse(json, length, &value, &json_fault))
		return true;
	snprintf(detail, sizeof(detail), "At byte %zu: %s.", json_fault.offset, json_fault.message);
	template_fault(fault, detail, "A placeholder stands in a JSON string: \"{{inputs}}\".",
				   "request template is not JSON");
	return false;
}

Template *
template_compile_body(const char *json, size_t length, const char *const *columns,
					  int column_count, TemplateFault *fault)
{
	BodyCompiler *body;
	Template   *tpl;

	if (!check_json(json, length, fault))
		return NULL;
	body = calloc(1, sizeof(BodyCompiler));
	if (body == NULL ||
		!compiler_begin(&body->base, json, length, columns, column_count, fault))
	{
		free(body);
		compiler_out_of_memory(fault);
		return NULL;
	}
	tpl = compiler_finish(&body->base, compile_tokens(body));
	buffer_free(&body->keys);
	buffer_free(&body->key_text);
	free(body);
	return tpl;
}
