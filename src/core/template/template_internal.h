/*-------------------------------------------------------------------------
 *
 * template_internal.h
 *	  What a compiled template is made of.  template.c makes it, template_fill.c
 *	  fills it; nobody else looks inside.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_TEMPLATE_INTERNAL_H
#define PG_ENRICH_TEMPLATE_INTERNAL_H

#include "template/template.h"

typedef enum PieceKind
{
	PIECE_LITERAL,
	PIECE_INPUTS,
	PIECE_ROWS,
	PIECE_JOB,
	PIECE_BUCKET,
	PIECE_INPUT,
	PIECE_COLUMN,
	PIECE_EACH					/* the pieces up to "end" come once a row,
								 * with commas between */
} PieceKind;

/* How a value is written. */
typedef enum PieceForm
{
	FORM_JSON,					/* as a JSON value */
	FORM_TEXT,					/* as text inside a JSON string */
	FORM_URL					/* percent-encoded */
} PieceForm;

typedef struct Piece
{
	PieceKind	kind;
	PieceForm	form;
	int			column;			/* PIECE_COLUMN: which */
	int			end;			/* PIECE_EACH: the first piece that is no
								 * longer in it */
	size_t		offset;			/* PIECE_LITERAL: in Template.literals */
	size_t		length;
} Piece;

struct Template
{
	ByteBuffer	pieces;			/* of Piece */
	ByteBuffer	literals;		/* the text of all literal pieces */
	char	  **names;			/* a column each: its name as a JSON string
								 * token, and a colon */
	int			column_count;
	char	   *single_row;		/* the first single-row placeholder outside an
								 * each, or NULL */
	const char *repeated;		/* {{inputs}} or {{rows}} inside an each,
								 * static, or NULL */
	bool		needs_fields;
	bool		carries_rows;
	bool		is_url;
	size_t		path_offset;	/* URL: where its path begins, in literals;
								 * SIZE_MAX: no path */
};

static inline int
template_piece_count(const Template *tpl)
{
	return (int) (tpl->pieces.length / sizeof(Piece));
}

static inline Piece *
template_piece(const Template *tpl, int i)
{
	return (Piece *) tpl->pieces.data + i;
}

#endif							/* PG_ENRICH_TEMPLATE_INTERNAL_H */
