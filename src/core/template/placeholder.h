/*-------------------------------------------------------------------------
 *
 * placeholder.h
 *	  Finding {{placeholders}} in the text of a template or a URL, and saying
 *	  what is wrong with one.  Shared by template.c and url.c; pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PLACEHOLDER_H
#define PG_ENRICH_PLACEHOLDER_H

#include "template/template.h"

typedef enum MarkKind
{
	MARK_LITERAL,				/* {{{{, which stands for {{ */
	MARK_PLACEHOLDER,
	MARK_UNTERMINATED			/* {{ without its }} */
} MarkKind;

/* A place in a text where braces mean something. */
typedef struct Mark
{
	MarkKind	kind;
	const char *start;			/* of the braces */
	const char *end;			/* behind them */
	const char *name;			/* what stands between, as written */
	size_t		name_length;
} Mark;

/* A walk over the marks of a text. */
typedef struct MarkScan
{
	const char *at;
	const char *end;
	bool		escapes;		/* the inside of a JSON string: \u007b is a
								 * brace as well */
} MarkScan;

/*
 * The next mark; false at the end.  Of a longer run of braces the outer ones
 * are text: {{{x}}} is the value of x in braces.  Nothing follows a
 * MARK_UNTERMINATED.
 */
extern bool next_mark(MarkScan *scan, Mark *mark);

/*
 * Fills in a fault without a place: detail and hint may be NULL.  Each text is
 * cut at a whole character.
 */
extern void template_fault(TemplateFault *fault, const char *detail, const char *hint,
						   const char *format,...)
			__attribute__((format(printf, 4, 5)));

/* The fault of a mark without an end, in the text that is called what. */
extern void unterminated_fault(TemplateFault *fault, const char *what, const char *text,
							   const Mark *mark);

#endif							/* PG_ENRICH_PLACEHOLDER_H */
