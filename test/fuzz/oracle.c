/*-------------------------------------------------------------------------
 *
 * oracle.c
 *	  JSON as jansson reads it: what the fuzzing targets compare ours with.
 *
 * What is known to differ is told apart here, by jansson's reasons: it reads
 * numbers into 64 bits and doubles, decodes strings while it parses, and goes
 * down 2048 levels.
 *
 *-------------------------------------------------------------------------
 */
#include "oracle.h"

#include <jansson.h>
#include <string.h>

#define MAX_DEPTH 1000			/* JSON_MAX_DEPTH; its header cannot be included here */
#define FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)

static OracleVerdict
verdict_of(const json_error_t *error)
{
	switch (json_error_code(error))
	{
		case json_error_null_byte_in_key:
		case json_error_null_character:
			return ORACLE_NOT_TEXT;
		case json_error_numeric_overflow:
			return ORACLE_BEYOND;
		case json_error_stack_overflow:
			return ORACLE_TOO_DEEP;
		default:
			break;
	}
	/* half of a surrogate pair has no code of its own */
	return strncmp(error->text, "invalid Unicode '\\u", 19) == 0 ? ORACLE_NOT_TEXT : ORACLE_REFUSED;
}

/* How deep containers are nested. */
static int
depth_of(const json_t *node)
{
	int			deepest = 0;
	int			depth;

	if (json_is_array(node))
	{
		for (size_t i = 0; i < json_array_size(node); i++)
		{
			depth = depth_of(json_array_get(node, i));
			deepest = depth > deepest ? depth : deepest;
		}
		return deepest + 1;
	}
	if (json_is_object(node))
	{
		json_t	   *object = (json_t *) node;

		for (void *at = json_object_iter(object); at != NULL;
			 at = json_object_iter_next(object, at))
		{
			depth = depth_of(json_object_iter_value(at));
			deepest = depth > deepest ? depth : deepest;
		}
		return deepest + 1;
	}
	return 0;
}

OracleVerdict
oracle_parse(const char *text, size_t length, OracleNode **root)
{
	OracleVerdict verdict = ORACLE_JSON;
	json_error_t error;

	/* behind a number jansson skips a NUL, which JSON has nowhere */
	*root = NULL;
	if (memchr(text, '\0', length) != NULL)
		return ORACLE_REFUSED;
	*root = json_loadb(text, length, FLAGS | JSON_REJECT_DUPLICATES, &error);
	if (*root == NULL && json_error_code(&error) == json_error_duplicate_key)
	{
		verdict = ORACLE_REPEATED;
		*root = json_loadb(text, length, FLAGS, &error);
	}
	if (*root == NULL)
		return verdict_of(&error);
	if (depth_of(*root) <= MAX_DEPTH)
		return verdict;
	oracle_free(*root);
	*root = NULL;
	return ORACLE_TOO_DEEP;
}

void
oracle_free(OracleNode *root)
{
	json_decref(root);
}

OracleKind
oracle_kind(const OracleNode *node)
{
	switch (json_typeof(node))
	{
		case JSON_OBJECT:
			return ORACLE_OBJECT;
		case JSON_ARRAY:
			return ORACLE_ARRAY;
		case JSON_STRING:
			return ORACLE_STRING;
		case JSON_INTEGER:
		case JSON_REAL:
			return ORACLE_NUMBER;
		case JSON_TRUE:
		case JSON_FALSE:
			return ORACLE_BOOLEAN;
		default:
			return ORACLE_NULL;
	}
}

bool
oracle_is_true(const OracleNode *node)
{
	return json_is_true(node);
}

const char *
oracle_string(const OracleNode *node, size_t *length)
{
	*length = json_string_length(node);
	return json_string_value(node);
}

bool
oracle_is_integer(const OracleNode *node)
{
	return json_is_integer(node);
}

int64_t
oracle_integer(const OracleNode *node)
{
	return json_integer_value(node);
}

double
oracle_real(const OracleNode *node)
{
	return json_number_value(node);
}

size_t
oracle_size(const OracleNode *array)
{
	return json_array_size(array);
}

OracleNode *
oracle_element(const OracleNode *array, size_t i)
{
	return json_array_get(array, i);
}

OracleNode *
oracle_member(OracleNode *object, const char *name, size_t length)
{
	for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
	{
		const char *key = json_object_iter_key(at);

		if (strlen(key) == length && memcmp(key, name, length) == 0)
			return json_object_iter_value(at);
	}
	return NULL;
}

size_t
oracle_member_count(const OracleNode *object)
{
	return json_object_size(object);
}

void
oracle_members(OracleNode *object, OracleVisitor visit, void *state)
{
	for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
		visit(json_object_iter_key(at), json_object_iter_value(at), state);
}

bool
oracle_equal(const OracleNode *a, const OracleNode *b)
{
	return json_equal(a, b);
}
