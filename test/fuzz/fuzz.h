/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzzing targets share.
 *
 * A target is one source file with LLVMFuzzerTestOneInput(): it reads its
 * input's bytes as the arguments of some pure functions, calls them, and states
 * with must() what has to hold of what they return, whatever the input was.
 * Where a file of the tree is about text, so is the target's input: lines of
 * arguments, an empty line, and the rest.  So seeds and findings can be read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_FUZZ_H
#define PG_ENRICH_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template/template.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold; else the target ends, and libFuzzer keeps the input. */
#define must(condition) \
	((condition) ? (void) 0 : broken(__FILE__, __LINE__, #condition))

extern void broken(const char *file, int line, const char *condition) __attribute__((noreturn));

/* Bytes that are still to be read. */
typedef struct Input
{
	const char *at;
	const char *end;
} Input;

/* A part of the input, as a string: NULs in it are dropped.  The caller frees it. */
extern char *copy_string(const char *bytes, size_t length);

/* The next line without its end, as such a string; NULL where none is left. */
extern char *next_line(Input *input);

/* A number from 0 to below, from the next byte; 0 where none is left. */
extern int	next_choice(Input *input, int below);

/* Cuts a line at each occurrence of a separator, in place.  Returns how many parts there are. */
extern int	split(char *line, char separator, char **parts, int most);

/* Is this UTF-8, without surrogates and overlong forms?  By the bits of each character. */
extern bool is_utf8(const char *bytes, size_t length);

/* Percent-decodes in place, once. */
extern void percent_decode(char *text);

/* A reason for a person: there is one, in UTF-8, in lower case. */
extern void check_message(const char *message);
extern void check_fault(const TemplateFault *fault, size_t length);	/* of the text */

/* The names of columns in a line, separated by "|".  Empty and repeated ones are left out. */
#define MAX_COLUMNS 4

typedef struct Columns
{
	char	   *line;
	const char *names[MAX_COLUMNS];
	int			count;
} Columns;

extern void read_columns(Input *input, Columns *columns);
extern int	find_column(const Columns *columns, const char *name);	/* -1: none */

/*
 * Rows, a line each up to an empty one: "input|field|field".  A field that is
 * no JSON that PostgreSQL could have made becomes NULL.
 */
#define MAX_ROWS 4

typedef struct Rows
{
	char	   *lines[MAX_ROWS];
	char	   *fields[MAX_ROWS][MAX_COLUMNS];
	RequestRow	rows[MAX_ROWS];
	int			count;
} Rows;

extern void read_rows(Input *input, int columns, Rows *rows);
extern void free_rows(Rows *rows);

/*
 * Where the next {{mark}} of a text begins and ends, and the name in it without
 * white space around; written otherwise than next_mark.  Returns '{' for {{{{,
 * 'x' for a placeholder, '!' where one has no end, 0 where there is no mark.
 */
extern int	model_mark(const char *text, size_t length, size_t *from, size_t *to,
					   const char **name, size_t *name_length);

#endif							/* PG_ENRICH_FUZZ_H */
