/*-------------------------------------------------------------------------
 *
 * recipe.h
 *	  A job's parameters resolved against the database: columns with their
 *	  types, paths of values, the target.
 *
 * Made by start (which checks everything by making it), by preview, and by
 * each worker.  What depends on the server, too, is an Endpoint (endpoint.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_RECIPE_H
#define PG_ENRICH_RECIPE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "catalog/job.h"
#include "common/encoding.h"
#include "recipe/match.h"
#include "response/response.h"
#include "server/server.h"

typedef struct KeyColumn
{
	char	   *name;
	Oid			type;
	int32		typmod;
	Oid			collation;
} KeyColumn;

/* What an output column gets. */
typedef enum OutputKind
{
	OUTPUT_PATH,				/* what a path finds in the item */
	OUTPUT_FIELD,				/* a key or input column of the row */
	OUTPUT_JOB,					/* the job's number */
	OUTPUT_NOW,					/* the time of the store */
	OUTPUT_FINGERPRINT			/* of the row as sent */
} OutputKind;

/* The column that tells the target rows of one row apart. */
#define ITEM_COLUMN "item"

typedef struct OutputColumn
{
	char	   *name;
	Oid			type;			/* InvalidOid: not given, and the column not
								 * there yet */
	int32		typmod;
	bool		type_given;
	bool		missing;		/* the column has to be made */
	char	   *path;			/* jsonpath text, or the placeholder */
	OutputKind	kind;
	int			index;			/* OUTPUT_PATH: ResponseShape.outputs;
								 * OUTPUT_FIELD: fields */
} OutputColumn;

typedef struct Recipe
{
	const Job  *job;

	char	   *source;			/* qualified and quoted */
	const char *source_alias;	/* what its columns are qualified with: its
								 * bare name, quoted */
	int			key_count;
	KeyColumn  *keys;
	bool		key_is_unique;	/* an index on the source says so, and no key
								 * column can be NULL */

	/*
	 * Key and input columns (not expressions), each once, those of the key
	 * first: what {{column}} may name.  Names in server encoding.
	 */
	int			field_count;
	char	  **fields;
	bool		stores_fields;	/* an output needs them */

	int			output_count;
	OutputColumn *outputs;

	Oid			target;			/* the source for WRITE_UPDATE; InvalidOid: to
								 * be made */
	char	   *target_name;	/* qualified and quoted */
	bool		target_has_key; /* a unique index on the key, and item with
								 * many */
	bool		many;			/* a row has any number of target rows, told
								 * apart by column item */

	ResponseShape items;		/* key and outputs; an endpoint's shape says
								 * where items are */
	Matcher    *matcher;		/* of items by their keys; NULL: by position */
} Recipe;

/*
 * Resolve a job for the current user, in the current memory context.  Raises
 * errors with hints for whatever is wrong.  job->key is filled in with the
 * primary key when it is NIL, job->target made canonical.
 */
extern Recipe *recipe_make(Job *job);

/* The paths of outputs, for messages. */
extern char *recipe_list_paths(const Recipe *recipe);

/*
 * Why a value (JSON in UTF-8) of an answer cannot go into its column: the
 * reason with both and the path, and without secrets that the API has echoed.
 * In a transaction.
 */
extern char *recipe_describe_misfit(const OutputColumn *output, JsonSlice value,
									const char *reason, const Credentials *credentials);

/* Make the target, or its columns that are missing, as the current user. */
extern void recipe_make_target(Recipe *recipe);

/* Raises an error unless the source is still there, and may be read. */
extern void recipe_check_source(const Recipe *recipe);

/* Parts of recipe_make, in files of their own. */
extern void recipe_read_outputs(Recipe *recipe);	/* recipe_output.c */
extern void recipe_check_placeholders(const Recipe *recipe);	/* recipe_output.c */
extern void recipe_resolve_target(Recipe *recipe);	/* recipe_target.c */
extern void recipe_compile_paths(Recipe *recipe);	/* recipe_paths.c */
extern void recipe_check_fingerprint(const Recipe *recipe); /* recipe_fingerprint.c */

/*
 * The part of a row's fingerprint that is the same for all rows that are sent to a server: md5
 * of what is sent besides the row, and of what is made of the answer.  NULL: none is wanted.
 */
extern char *recipe_fingerprint_seed(const Recipe *recipe, const Server *server);

/* The operator that compares values of a key column, as SQL: OPERATOR(schema.=). */
extern char *recipe_key_equality(const KeyColumn *key);

/*
 * What follows a key of the source, as SQL, where it is compared with that of a relation
 * (InvalidOid: one that is yet to be made from it): which keys are the same is for the
 * relation to say, where the two have collations of their own.
 */
extern const char *recipe_key_collation(const KeyColumn *key, Oid relation);

/* Is an element of input an expression, written in parentheses, and no column? */
extern bool recipe_is_expression(const char *input);

/* Raises a syntax error unless the text is one SQL expression and nothing else. */
extern void recipe_check_expression(const char *text, const char *parameter);

/* An SQL expression of the user's: what it is, and where in a query of ours it stands. */
typedef struct ExpressionSubject
{
	const char *text;
	const char *parameter;
	int			offset;			/* characters before it */
} ExpressionSubject;

/* Callback of an error context: a position within the expression is shown as one in it. */
extern void recipe_point_into_expression(void *expression);

#endif							/* PG_ENRICH_RECIPE_H */
