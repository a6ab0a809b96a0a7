/*-------------------------------------------------------------------------
 *
 * template_compiler.h
 *	  What compiling a URL and compiling a body have in common.  Shared by
 *	  template.c, which has the functions, and template_body.c; nobody else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_TEMPLATE_COMPILER_H
#define PG_ENRICH_TEMPLATE_COMPILER_H

#include "template/placeholder.h"
#include "template/template_internal.h"

#define EACH_HINT "Write [\"{{each}}\", T], an array of exactly these two elements: " \
	"it becomes an array with one T for each row."
#define EACH_URL_HINT "Use {{input}} or a column's name there: then a request is one row."

typedef struct Compiler
{
	Template   *tpl;
	TemplateFault *fault;
	const char *const *columns;
	bool		any_column;		/* they are not known yet: any name may be one */
	const char *what;			/* what is compiled, for messages */
	const char *text;
	const char *end;
	const char *pending;		/* from here on the text is not in a piece yet */
	int			fixed;			/* pieces before it do not grow: an each
								 * begins or ends */
	int			each;			/* the piece of the each that is open, or -1 */
	ByteBuffer	name;			/* the last placeholder's decoded name */
} Compiler;

/*
 * Begin with a text, which messages call what.  False without memory: then
 * there is nothing to finish.
 */
extern bool compiler_begin(Compiler *compiler, const char *what, const char *text, size_t length,
						   const char *const *columns, int column_count, TemplateFault *fault);

/* Free all but the template, and that too unless it is good: then NULL. */
extern Template *compiler_finish(Compiler *compiler, bool good);

/* Says so in *fault; false, always. */
extern bool compiler_out_of_memory(TemplateFault *fault);

/* Add an empty piece.  NULL without memory, and *fault then says so. */
extern Piece *compiler_add_piece(Compiler *compiler, PieceKind kind, PieceForm form);

/* Turn what is pending into literal text, up to a place in the text. */
extern bool compiler_flush(Compiler *compiler, const char *up_to);

/*
 * Put the decoded name of a mark into compiler->name, without white space
 * around it.  A name in a JSON string may be written with escapes.
 */
extern bool compiler_decode_name(Compiler *compiler, const Mark *mark, bool escapes);

/* A mark in a URL, a string or a key: flush what is before it, add what it means. */
extern bool compiler_mark(Compiler *compiler, const Mark *mark, PieceForm form, bool in_key);

#endif							/* PG_ENRICH_TEMPLATE_COMPILER_H */
