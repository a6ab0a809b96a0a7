/*-------------------------------------------------------------------------
 *
 * oracle.h
 *	  JSON as jansson reads it: what the fuzzing targets compare ours with.
 *
 * jansson's header and json.h use the same names for different things, so
 * only oracle.c includes the former, and a node is opaque here.  Nodes live
 * until the root they belong to is freed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_FUZZ_ORACLE_H
#define PG_ENRICH_FUZZ_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_t OracleNode;

/*
 * What a text is.  Some JSON is beyond jansson, or beyond what text in
 * PostgreSQL can hold; then there is no tree to compare with.
 */
typedef enum OracleVerdict
{
	ORACLE_JSON,				/* there is a tree */
	ORACLE_REPEATED,			/* there is a tree; some object has a key twice, the last counts */
	ORACLE_NOT_TEXT,			/* JSON, but for a key with NUL or for half of a surrogate pair */
	ORACLE_BEYOND,				/* JSON as far as it was read: a number is out of jansson's range */
	ORACLE_TOO_DEEP,			/* nested deeper than JSON_MAX_DEPTH */
	ORACLE_REFUSED				/* no JSON */
} OracleVerdict;

typedef enum OracleKind
{
	ORACLE_NULL,
	ORACLE_BOOLEAN,
	ORACLE_NUMBER,
	ORACLE_STRING,
	ORACLE_ARRAY,
	ORACLE_OBJECT
} OracleKind;

/* *root is NULL unless the verdict says that there is a tree. */
extern OracleVerdict oracle_parse(const char *text, size_t length, OracleNode **root);
extern void oracle_free(OracleNode *root);	/* NULL is fine */

extern OracleKind oracle_kind(const OracleNode *node);
extern bool oracle_is_true(const OracleNode *node);
extern const char *oracle_string(const OracleNode *node, size_t *length);
extern bool oracle_is_integer(const OracleNode *node);
extern int64_t oracle_integer(const OracleNode *node);
extern double oracle_real(const OracleNode *node);	/* of any number */

/* Of an array. */
extern size_t oracle_size(const OracleNode *array);
extern OracleNode *oracle_element(const OracleNode *array, size_t i);

/* Of an object.  NULL: no such member. */
extern OracleNode *oracle_member(OracleNode *object, const char *name, size_t length);
extern size_t oracle_member_count(const OracleNode *object);

/* Calls visit for each member, in the order in which they were written. */
typedef void (*OracleVisitor) (const char *name, OracleNode *value, void *state);
extern void oracle_members(OracleNode *object, OracleVisitor visit, void *state);

extern bool oracle_equal(const OracleNode *a, const OracleNode *b);

#endif							/* PG_ENRICH_FUZZ_ORACLE_H */
