/*-------------------------------------------------------------------------
 *
 * catalog_internal.h
 *	  How the catalog*.c files run their statements.
 *
 * None has a plan that depends on statistics, as a catalog that has just grown has
 * none: its rows are found through their indexes, in the order of these, and nothing
 * is sorted or collected in a bitmap.  test/t has a test that sees each statement's plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_INTERNAL_H
#define PG_ENRICH_CATALOG_INTERNAL_H

#include "postgres.h"

#include "executor/spi.h"

/* Whatever search_path is in force, these are the operators meant. */
#define EQ " OPERATOR(pg_catalog.=) "
#define NE " OPERATOR(pg_catalog.<>) "
#define LT " OPERATOR(pg_catalog.<) "
#define GT " OPERATOR(pg_catalog.>) "
#define GE " OPERATOR(pg_catalog.>=) "
#define LE " OPERATOR(pg_catalog.<=) "
#define PLUS " OPERATOR(pg_catalog.+) "
#define MINUS " OPERATOR(pg_catalog.-) "

#define STATEMENT_MAX_ARGUMENTS 40

/* A statement of ours, planned at its first use and kept for the session. */
typedef struct Statement
{
	const char *sql;
	int			argument_count;
	Oid			types[STATEMENT_MAX_ARGUMENTS];
	SPIPlanPtr	plan;			/* NULL until the first use */
} Statement;

/* Arguments under construction. */
typedef struct Arguments
{
	int			count;
	Datum		values[STATEMENT_MAX_ARGUMENTS];
	char		nulls[STATEMENT_MAX_ARGUMENTS];
} Arguments;

extern void argument_add(Arguments *arguments, Datum value);
extern void argument_add_null(Arguments *arguments);
extern void argument_add_text(Arguments *arguments, const char *text);	/* NULL: null */
extern void argument_add_positive(Arguments *arguments, int64 value);	/* bigint; negative: null */

/* A text[] of the strings of a List; NIL gives an empty array. */
extern Datum text_array_of(List *strings);

/* The strings of a text[]. */
extern List *strings_of_array(Datum array);

/* A column of a statement over arrays, collected value by value. */
typedef struct ArrayColumn
{
	Oid			type;
	int16		length;
	bool		by_value;
	char		alignment;
	Datum	   *values;
	bool	   *nulls;
} ArrayColumn;

extern const ArrayColumn int8_column;
extern const ArrayColumn int4_column;
extern const ArrayColumn bool_column;
extern const ArrayColumn text_column;
extern const ArrayColumn bytea_column;
extern const ArrayColumn jsonb_column;
extern const ArrayColumn time_column;

extern ArrayColumn column_make(const ArrayColumn *kind, int count);
extern void column_set(ArrayColumn *column, int i, Datum value, bool is_null);
extern void argument_add_column(Arguments *arguments, ArrayColumn *column, int count);

/*
 * Rows of enrich.bucket for these changes, in order, in no way but as INSERT would make
 * them, and all together.  Raises serialization_failure if somebody else has just made
 * one of them.
 */
struct BucketChange;
extern void catalog_insert_buckets(int64 job, struct BucketChange **changes, int count);

/* What enrich.bucket.state holds. */
#define BUCKET_PENDING 'p'
#define BUCKET_COMPLETED 'c'
#define BUCKET_FAILED 'f'

/*
 * The bucket of each u, looked up one by one: joined directly, the planner may
 * go through all of the job's buckets for the few that are wanted.
 */
#define EACH_BUCKET " CROSS JOIN LATERAL (SELECT p.ctid AS place FROM enrich.bucket p" \
	" WHERE p.job" EQ "$1 AND p.bucket" EQ "u.bucket OFFSET 0) p"

/*
 * statement_begin runs a statement as the extension's owner and leaves SPI
 * connected, with SPI_processed and SPI_tuptable, until statement_end, which
 * frees all that; results are copied out between the two, into the context
 * statement_begin was called in (it is returned).
 */
extern MemoryContext statement_begin(Statement *statement, const Arguments *arguments);
extern void statement_end(void);

/* Both at once, where only the number of rows matters. */
extern uint64 statement_run(Statement *statement, const Arguments *arguments);

/* Columns of the current result, by number from 1. */
extern bool column_is_null(int row, int column);
extern Datum column_datum(int row, int column);
extern char *column_text(int row, int column, MemoryContext context);	/* NULL: null */
extern int64 column_int64(int row, int column, int64 if_null);
extern int	column_int32(int row, int column, int if_null);
extern bool column_bool(int row, int column);

#endif							/* PG_ENRICH_CATALOG_INTERNAL_H */
