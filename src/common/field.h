/*-------------------------------------------------------------------------
 *
 * field.h
 *	  Fields of a C struct as columns in SQL.
 *
 * A table of them tells once what a struct's columns are called, of what type they are,
 * and where in the struct they lie.  Statements, their arguments, and rows of results
 * follow it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_FIELD_H
#define PG_ENRICH_FIELD_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"

/* Types in SQL, each with the field's in C, and what stands for NULL there. */
typedef enum FieldType
{
	FIELD_BOOL,					/* boolean: bool */
	FIELD_INT4,					/* integer: int */
	FIELD_INT4_OR_0,			/* integer: int; 0 is NULL */
	FIELD_INT4_OR_MINUS,		/* integer: int; less than 0 is NULL, which is
								 * read as -1 */
	FIELD_INT8,					/* bigint: int64 */
	FIELD_INT8_OR_MINUS,		/* bigint: int64; less than 0 is NULL, which
								 * is read as -1 */
	FIELD_FLOAT8,				/* double precision: double */
	FIELD_OID,					/* oid: Oid */
	FIELD_TEXT,					/* text: char *; NULL is NULL */
	FIELD_NAME,					/* name: char * */
	FIELD_WORD,					/* text, one of the field's words: the enum of
								 * their places */
	FIELD_TEXTS,				/* text[]: List of char * */
	FIELD_INT4S,				/* integer[]: List of int */
	FIELD_BYTEA,				/* bytea: bytea *; NULL is NULL */
	FIELD_JSONB,				/* jsonb: Datum */
	FIELD_TIME,					/* timestamptz: TimestampTz; 0 is NULL */
	FIELD_INTERVAL				/* interval: int64, microseconds; less than 0
								 * is NULL */
} FieldType;

typedef struct Field
{
	const char *name;
	FieldType	type;
	size_t		offset;
	const char *const *words;	/* of FIELD_WORD, up to a NULL */
} Field;

#define FIELD(name, type, record, member) {name, type, offsetof(record, member), NULL}
#define WORD_FIELD(name, record, member, words) \
	{name, FIELD_WORD, offsetof(record, member), words}

/* Its type in SQL. */
extern Oid	field_type(const Field *field);

/* Its value in a struct, as one of SQL; in the current context, where it is copied at all. */
extern Datum field_get(const Field *field, const void *record, bool *is_null);

/*
 * The other way round; what is pointed to is a copy, in the current context.  Raises an
 * internal error for a word that is none of the field's, and for types that are never read.
 */
extern void field_set(const Field *field, void *record, Datum value, bool is_null);

/*
 * The values of a result row for its columns, found by their names; those that are not in
 * the table, or of another type there, are NULL: a catalog may be of another version.
 */
extern void field_form(const Field *fields, int count, const void *record, TupleDesc descriptor,
					   Datum *values, bool *nulls);

/* That row, as one more of a set that InitMaterializedSRF has begun. */
extern void field_put_row(ReturnSetInfo *result, const Field *fields, int count,
						  const void *record);

/* The place of a word; -1: it is none of them. */
extern int	field_find_word(const char *const *words, const char *word);

/* A List of strings as a text[], and back, without its nulls. */
extern Datum text_array_of(List *strings);
extern List *strings_of_array(Datum array);

#endif							/* PG_ENRICH_FIELD_H */
