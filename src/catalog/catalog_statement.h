/*-------------------------------------------------------------------------
 *
 * catalog_statement.h
 *	  How the catalog*.c files run their statements.
 *
 * catalog*.c are the only files that name tables of schema enrich.  They act as
 * the extension's owner, for the length of one statement on fixed-type columns
 * of our own; so does staging.c alone, to make its tables.  catalog_insert.c needs
 * no statement.  All need a transaction.
 *
 * No statement has a plan that depends on statistics, as a catalog that has just grown has
 * none: its rows are found through their indexes, in the order of these, and nothing
 * is sorted or collected in a bitmap.  test/t has a test that sees each statement's plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_STATEMENT_H
#define PG_ENRICH_CATALOG_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "common/field.h"

/* Whatever search_path is in force, these are the operators meant. */
#define OP_EQ " OPERATOR(pg_catalog.=) "
#define OP_NE " OPERATOR(pg_catalog.<>) "
#define OP_LT " OPERATOR(pg_catalog.<) "
#define OP_GT " OPERATOR(pg_catalog.>) "
#define OP_GE " OPERATOR(pg_catalog.>=) "
#define OP_LE " OPERATOR(pg_catalog.<=) "
#define OP_PLUS " OPERATOR(pg_catalog.+) "
#define OP_MINUS " OPERATOR(pg_catalog.-) "

#define STATEMENT_MAX_ARGUMENTS 64

/* A statement of ours, planned at its first use and kept for the session. */
typedef struct Statement
{
	const char *sql;
	int			argument_count;
	Oid			types[STATEMENT_MAX_ARGUMENTS];
	SPIPlanPtr	plan;			/* NULL until the first use */
} Statement;

/* A statement that follows a table of fields: it is made at its first use. */
typedef struct BuiltStatement
{
	const char *name;			/* the variable's */
	void		(*build) (StringInfo sql, Statement *statement);
	Statement	statement;
} BuiltStatement;

extern Statement *statement_built(BuiltStatement *built);

/* For build: one argument more, of that type. */
extern void statement_add_type(Statement *statement, Oid type);

/* Arguments under construction. */
typedef struct Arguments
{
	int			count;
	Datum		values[STATEMENT_MAX_ARGUMENTS];
	char		nulls[STATEMENT_MAX_ARGUMENTS];
} Arguments;

extern void argument_add(Arguments *arguments, Datum value);
extern void argument_add_text(Arguments *arguments, const char *text);	/* NULL: null */
extern void argument_add_field(Arguments *arguments, const Field *field, const void *record);

/*
 * statement_begin runs a statement as the extension's owner and leaves SPI
 * connected, with SPI_processed and SPI_tuptable, until statement_end, which
 * frees all that.  No other one begins in between.  Results are copied out
 * between the two, into the context statement_begin was called in (it is returned).
 */
extern MemoryContext statement_begin(Statement *statement, const Arguments *arguments);
extern void statement_end(void);

/* Both at once, where only the number of rows matters. */
extern uint64 statement_run(Statement *statement, const Arguments *arguments);

/* The same, of a statement whose only argument is a job. */
extern uint64 statement_run_for_job(Statement *statement, int64 job);

/* Columns of the current result, by number from 1. */
extern bool column_is_null(int row, int column);
extern Datum column_datum(int row, int column);
extern char *column_text(int row, int column, MemoryContext context);	/* NULL: null */
extern int64 column_int64(int row, int column, int64 if_null);
extern int	column_int32(int row, int column, int if_null);
extern bool column_bool(int row, int column);

/* Into a field of a struct; what is pointed to is in the current context. */
extern void column_read(int row, int column, const Field *field, void *record);

#endif							/* PG_ENRICH_CATALOG_STATEMENT_H */
