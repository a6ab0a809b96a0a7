/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  Requests that wait to be sent: cut from loaded rows, or to be sent again.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/outbox.h"

#include "base/clock.h"

/* An outcome for a row that is never sent, put in front of a list. */
static Outcome *
settle_unsent(Row *row, Outcome *list)
{
	OutcomeKind kind = row->is_unsendable ? OUTCOME_FAILED : OUTCOME_SKIPPED;
	Outcome    *outcome;

	if (list != NULL && list->kind == kind && list->bucket == row->bucket)
	{
		Row		  **rows = realloc(list->rows, sizeof(Row *) * (list->row_count + 1));

		if (rows == NULL)
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
		list->rows = rows;
		list->rows[list->row_count++] = row;
		return list;
	}
	outcome = request_into_outcome(request_make(&row, 1, 0), kind);
	if (kind == OUTCOME_FAILED)
		strlcpy(outcome->error, "the input cannot be written in UTF-8, as JSON must be",
				sizeof(outcome->error));
	outcome->next = list;
	return outcome;
}

/* What was cut, put behind what is there. */
static void
append_all(Outbox *outbox, const Outbox *cut)
{
	if (cut->first == NULL)
		return;
	if (outbox->last == NULL)
		outbox->first = cut->first;
	else
		outbox->last->next = cut->first;
	outbox->last = cut->last;
	outbox->ready += cut->ready;
}

static void
free_cut(const Outbox *cut, Outcome *unsent)
{
	Request    *request = cut->first;

	while (request != NULL)
	{
		Request    *next = request->next;

		request_free(request);
		request = next;
	}
	while (unsent != NULL)
	{
		Outcome    *next = unsent->next;

		outcome_free(unsent);
		unsent = next;
	}
}

static void
cut(Outbox *outbox, const Endpoint *endpoint, Slice *slice, Outcome *volatile *unsent)
{
	Row		  **batch = palloc(sizeof(Row *) * endpoint->batch_size);
	int64		limit = endpoint->server->max_request_tokens;
	int64		tokens = 0;
	int			count = 0;

	for (int i = 0; i < slice->row_count; i++)
	{
		Row		   *row = slice_row(slice, i);
		int64		more = 0;

		if (row->is_empty || row->is_unsendable)
		{
			*unsent = settle_unsent(row, *unsent);
			continue;
		}
		more = request_estimate_tokens(row);
		if (count > 0 && (count == endpoint->batch_size || batch[0]->bucket != row->bucket ||
						  (limit > 0 && tokens + more > limit)))
		{
			outbox_put(outbox, request_make(batch, count, tokens));
			count = 0;
			tokens = 0;
		}
		batch[count++] = row;
		tokens += more;
	}
	if (count > 0)
		outbox_put(outbox, request_make(batch, count, tokens));
	pfree(batch);
}

Outcome *
outbox_cut(Outbox *outbox, const Endpoint *endpoint, Slice *slice)
{
	Outbox		made = {0};
	Outcome    *volatile unsent = NULL;

	PG_TRY();
	{
		cut(&made, endpoint, slice, &unsent);
	}
	PG_CATCH();
	{
		free_cut(&made, unsent);
		PG_RE_THROW();
	}
	PG_END_TRY();
	append_all(outbox, &made);
	return unsent;
}

static void
append(Request **first, Request **last, Request *request)
{
	request->next = NULL;
	if (*last == NULL)
		*first = request;
	else
		(*last)->next = request;
	*last = request;
}

static void
append_ready(Outbox *outbox, Request *request)
{
	append(&outbox->first, &outbox->last, request);
	outbox->ready++;
}

void
outbox_put_part(Outbox *outbox, Request *request)
{
	append(&outbox->first_part, &outbox->last_part, request);
	outbox->ready++;
}

void
outbox_put_first(Outbox *outbox, Request *request)
{
	request->next = outbox->first_part;
	outbox->first_part = request;
	if (outbox->last_part == NULL)
		outbox->last_part = request;
	outbox->ready++;
}

static void
swap(Request **heap, int a, int b)
{
	Request    *other = heap[a];

	heap[a] = heap[b];
	heap[b] = other;
}

static void
append_delayed(Outbox *outbox, Request *request)
{
	int			i = outbox->delayed_count;

	if (i == outbox->delayed_capacity)
	{
		int			capacity = Max(64, outbox->delayed_capacity * 2);
		Request   **heap = realloc(outbox->delayed, sizeof(Request *) * capacity);

		if (heap == NULL)
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
		outbox->delayed = heap;
		outbox->delayed_capacity = capacity;
	}
	outbox->delayed[outbox->delayed_count++] = request;
	for (; i > 0 && outbox->delayed[(i - 1) / 2]->not_before > outbox->delayed[i]->not_before;
		 i = (i - 1) / 2)
		swap(outbox->delayed, i, (i - 1) / 2);
}

static Request *
take_earliest(Outbox *outbox)
{
	Request   **heap = outbox->delayed;
	Request    *earliest = heap[0];
	int			i = 0;

	Assert(outbox->delayed_count > 0);
	heap[0] = heap[--outbox->delayed_count];
	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= outbox->delayed_count)
			return earliest;
		if (child + 1 < outbox->delayed_count &&
			heap[child + 1]->not_before < heap[child]->not_before)
			child++;
		if (heap[i]->not_before <= heap[child]->not_before)
			return earliest;
		swap(heap, i, child);
		i = child;
	}
}

void
outbox_put(Outbox *outbox, Request *request)
{
	if (request->not_before == 0)
		append_ready(outbox, request);
	else
		append_delayed(outbox, request);
}

Request *
outbox_peek(Outbox *outbox, int64 now)
{
	while (outbox->delayed_count > 0 && outbox->delayed[0]->not_before <= now)
		append_ready(outbox, take_earliest(outbox));
	return outbox->first_part != NULL ? outbox->first_part : outbox->first;
}

static void
remove_first(Request **first, Request **last)
{
	*first = (*first)->next;
	if (*first == NULL)
		*last = NULL;
}

void
outbox_pop(Outbox *outbox)
{
	if (outbox->first_part != NULL)
		remove_first(&outbox->first_part, &outbox->last_part);
	else
		remove_first(&outbox->first, &outbox->last);
	Assert(outbox->ready > 0);
	outbox->ready--;
}

int64
outbox_next_due(const Outbox *outbox)
{
	return outbox->delayed_count > 0 ? outbox->delayed[0]->not_before : CLOCK_NEVER;
}

int
outbox_count(const Outbox *outbox)
{
	return outbox->ready + outbox->delayed_count;
}
