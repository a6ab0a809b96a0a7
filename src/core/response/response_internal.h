/*-------------------------------------------------------------------------
 *
 * response_internal.h
 *	  What the files that decode an answer share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_RESPONSE_INTERNAL_H
#define PG_ENRICH_RESPONSE_INTERNAL_H

#include "response/response.h"

/* The most members of an item that are kept apart. */
#define ITEM_MEMBERS 16

/*
 * The members of one item, found in one walk for all paths that begin with one:
 * beside a large member that walk is what a path costs.
 */
typedef struct ItemMembers
{
	const char *item;			/* where it starts, or NULL */
	int			count;			/* -1: they are too many */
	JsonSlice	names[ITEM_MEMBERS];
	JsonSlice	values[ITEM_MEMBERS];
} ItemMembers;

typedef struct Decoder
{
	Response   *response;
	const ResponseShape *shape;
	JsonSlice	answer;			/* the answer, or the content in it */
	JsonSlice	first;			/* the first item */
	int64_t		item_count;		/* items seen so far */
	int			item_capacity;	/* room in Response's arrays of items */
	unsigned char *seen;		/* with an index: a flag a row */
	ByteBuffer	made_values;	/* of MadeValue */
	ItemMembers members;		/* of the item looked at last */
} Decoder;

/* What one path found in one item. */
typedef struct Finds
{
	int64_t		count;
	JsonSlice	value;			/* the first */
	ByteBuffer *made;			/* from the second on: their JSON array grows
								 * here, */
	size_t		offset;			/* from here */
} Finds;

/* Ends the decoding with a reason.  False, always. */
extern bool response_fail(Response *response, ResponseStatus status, const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern bool response_out_of_memory(Response *response);

/* Appends to the reason that was given up with, as far as there is room.  False, always. */
extern bool response_add_reason(Response *response, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/*
 * Adds to the reason what is there instead of what a path should have found: a
 * person sees from it which path would be right.  False, always.
 */
extern bool response_describe(Response *response, JsonSlice value, const Path *path);

/* In response_find.c: what path_find does, in an item. */
extern bool find_in_item(Decoder *decoder, const Path *path, JsonSlice item, PathVisitor visit,
						 void *state);

/* The same file's PathVisitor of Finds: keeps the first find, counts two at most. */
extern bool first_find(JsonSlice found, void *state);

/*
 * In response_place.c: room for items, and where one's values go (-1:
 * nowhere).  False after giving up.
 */
extern bool response_prepare_items(Decoder *decoder);
extern bool response_place_item(Decoder *decoder, JsonSlice item, int *place);

#endif							/* PG_ENRICH_RESPONSE_INTERNAL_H */
