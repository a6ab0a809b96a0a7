/*-------------------------------------------------------------------------
 *
 * items.h
 *	  The items of an answer: how many, in which order, with which index.
 *
 * What a script does to items is done here, for all endpoints that answer
 * with one item for each input.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ITEMS_H
#define MOCK_ITEMS_H

#include "request.h"

/* Writes one item; index is negative where it is to be left out. */
typedef void (*ItemWriter) (Buffer *json, const Request *request, Slice input, int64_t index);

/* The items of one answer.  Freed with items_plan_free. */
typedef struct ItemPlan
{
	const Script *script;
	size_t		count;
	size_t	   *order;			/* the row of each item, or NULL: in order */
} ItemPlan;

extern ItemPlan items_plan(const Request *request, size_t inputs);
extern void items_plan_free(ItemPlan *plan);
extern size_t items_plan_row(const ItemPlan *plan, size_t i);
extern int64_t items_plan_index(const ItemPlan *plan, size_t i);	/* or negative: none */
extern bool items_plan_is_null(const ItemPlan *plan, size_t i);

/* The number that follows from a text: the first eight hex digits of its md5, modulo a million. */
extern int64_t items_value(Slice input);

/* All items, with commas between them. */
extern void items_write(Buffer *json, const Request *request, ItemWriter writer);

#endif							/* MOCK_ITEMS_H */
