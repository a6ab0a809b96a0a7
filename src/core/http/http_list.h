/*-------------------------------------------------------------------------
 *
 * http_list.h
 *	  Lists of the requests inside http.c: each is in one of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_LIST_H
#define PG_ENRICH_HTTP_LIST_H

#include "http/http_handle.h"

typedef struct HandleList
{
	HttpHandle *first;
	HttpHandle *last;
	int			count;
} HandleList;

static inline void
list_append(HandleList *list, HttpHandle *handle)
{
	handle->previous = list->last;
	handle->next = NULL;
	if (list->last != NULL)
		list->last->next = handle;
	else
		list->first = handle;
	list->last = handle;
	list->count++;
}

static inline void
list_prepend(HandleList *list, HttpHandle *handle)
{
	handle->previous = NULL;
	handle->next = list->first;
	if (list->first != NULL)
		list->first->previous = handle;
	else
		list->last = handle;
	list->first = handle;
	list->count++;
}

static inline void
list_remove(HandleList *list, HttpHandle *handle)
{
	if (handle->previous != NULL)
		handle->previous->next = handle->next;
	else
		list->first = handle->next;
	if (handle->next != NULL)
		handle->next->previous = handle->previous;
	else
		list->last = handle->previous;
	list->count--;
}

#endif							/* PG_ENRICH_HTTP_LIST_H */
