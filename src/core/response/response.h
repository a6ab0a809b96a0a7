/*-------------------------------------------------------------------------
 *
 * response.h
 *	  From an answer's bytes to the values that belong to each row.
 *
 * Pure: builds and tests without a server.  The paths come compiled, by path.c
 * from jsonpath text: plain ones as steps, others with a function that
 * evaluates them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_RESPONSE_H
#define PG_ENRICH_RESPONSE_H

#include "base/buffer.h"
#include "json/float_pool.h"
#include "json/json.h"

typedef enum PathStepKind
{
	PATH_MEMBER,				/* .name */
	PATH_ELEMENT,				/* [n] */
	PATH_ALL					/* [*] */
} PathStepKind;

typedef struct PathStep
{
	PathStepKind kind;
	const char *name;			/* PATH_MEMBER: decoded, UTF-8 */
	size_t		name_length;
	int			index;			/* PATH_ELEMENT: from 0 */
} PathStep;

struct Path;

/*
 * Visits each find of a path in a value, in order; returns false to stop.
 */
typedef bool (*PathVisitor) (JsonSlice found, void *state);

/*
 * Another evaluation of a path than by its steps; finds that are no slices of
 * the value are made in the arena.  Returns false when the path does not fit the value.
 */
typedef bool (*PathEvaluator) (const struct Path *path, JsonSlice value, Arena *arena,
							   PathVisitor visit, void *state);

/* A jsonpath.  A plain one is "$", members, elements; lax unless strict. */
typedef struct Path
{
	int			step_count;
	const PathStep *steps;
	bool		strict;
	bool		gathers;		/* its finds make an array, even if there is
								 * but one */
	PathEvaluator evaluate;		/* NULL: plain, walked by its steps */
	const void *compiled;		/* the evaluator's own */
	const char *text;			/* as the user wrote it, for messages */
	const char *column;			/* of an output: its column, for messages;
								 * else NULL */
	bool		takes_floats;	/* of an output: its column holds an array of
								 * float4, or a vector */
} Path;

/* The shape of an API's answer. */
typedef struct ResponseShape
{
	bool		has_content;
	Path		content;		/* in the answer: a string that holds the JSON
								 * to look at */
	Path		results;		/* where the items are */
	bool		has_index;
	Path		index;			/* in an item: its row's position in the
								 * request, from 0 */
	bool		has_key;
	Path		key;			/* in an item: its row's key */
	bool		many;			/* any number of items belong to a row */
	int			output_count;
	const Path *outputs;		/* in an item */
} ResponseShape;

typedef enum ResponseStatus
{
	RESPONSE_OK,
	RESPONSE_MALFORMED,			/* not JSON, or cut off: worth another attempt */
	RESPONSE_MISMATCHED,		/* items do not match the rows that were sent */
	RESPONSE_OUT_OF_MEMORY
} ResponseStatus;

/*
 * What an answer says.  The values point into the body (or into "made"), which
 * must outlive this.  Ordinarily there is an item for each row, at its row's
 * place.  With a key or with many, items stand as they came; response_assign
 * says which belong to which row.
 */
typedef struct Response
{
	ResponseStatus status;
	char		error[512];		/* unless RESPONSE_OK: a reason a person can
								 * act on */
	JsonSlice	root;			/* the whole answer, where it is JSON; else
								 * start NULL */
	int			row_count;
	int			item_count;
	int			output_count;
	JsonSlice  *values;			/* item_count × output_count; start NULL:
								 * nothing was found */
	char	  **item_errors;	/* an item each: NULL or why a path did not
								 * fit; NULL: no reasons */
	JsonSlice  *keys;			/* an item each, or NULL: the items have no
								 * keys */
	int		   *row_items;		/* items, row by row; NULL: item i belongs to
								 * row i */
	int		   *row_starts;		/* where each row's begin in row_items; one
								 * more for the end */
	ByteBuffer	made;			/* arrays made of several finds of one path */
	Arena		arena;			/* values that stand nowhere in the body */
	FloatPool	floats;			/* arrays of numbers, where an output takes
								 * them */
	bool		found_any;		/* an output path found something, or a list
								 * of items is empty */
} Response;

/*
 * Visits each find of a plain path in a value, in order, with the meaning of
 * jsonb_path_query: lax mode unwraps arrays for members and wraps scalars for
 * subscripts.  Returns false only in strict mode, when the path does not fit
 * the value.
 */
extern bool path_walk(const Path *path, JsonSlice value, PathVisitor visit, void *state);

/* The same for any path. */
extern bool path_find(const Path *path, JsonSlice value, Arena *arena, PathVisitor visit,
					  void *state);

/*
 * Decode an answer to a request of row_count rows.  Always fills *response;
 * response_free frees what it holds.  A path that finds several values gives
 * one JSON array of them.
 */
extern void response_decode(const char *body, size_t length, const ResponseShape *shape,
							int row_count, Response *response);
extern void response_free(Response *response);

/*
 * Make a decoded response stand for itself: arrays of numbers, or base64 of them,
 * that columns of float4 take become JSON_FLOATS, and what else is in the body is
 * copied.  True: the body is not needed any more.  False: it is, since that would
 * be much, or memory has run out.  What root and the path of usage find is gone.
 */
extern bool response_detach(Response *response, const ResponseShape *shape, const char *body,
							size_t length);

/* Items of one answer, at most: a bound on the memory that a small answer can cost. */
#define RESPONSE_MAX_ITEMS 1000000

/*
 * Items with keys belong to these rows of the request, an item each: decoding
 * is done by that.  Without it they belong to none.
 */
extern void response_assign(Response *response, const int *rows);

/* The items do not match the rows after all: nothing is left but the reason (UTF-8, cut to fit). */
extern void response_reject(Response *response, const char *reason);

/* A row's items: how many, and the n-th of them as an index to values and item_errors. */
extern int	response_row_item_count(const Response *response, int row);
extern int	response_row_item(const Response *response, int row, int n);

/* Why a row cannot have its values, or NULL. */
extern const char *response_row_error(const Response *response, int row);

/* Memory held, in bytes, roughly. */
extern size_t response_size(const Response *response);

/*
 * The reason in an error answer, for a person: error.message, error, message,
 * detail or the like where the body is JSON, else its first line of text.
 * Control characters are replaced, at most size - 1 bytes are written, whole
 * UTF-8 characters.
 */
extern void response_error_text(const char *body, size_t length, char *out, size_t size);

#endif							/* PG_ENRICH_RESPONSE_H */
