/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  Requests that wait to be sent: cut from loaded rows, or to be sent again.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/outbox.h"

#include "base/clock.h"

/* Characters that make a token, roughly, in English text; answers tell the truth later. */
#define CHARACTERS_PER_TOKEN 4

static void *
allocate(size_t size)
{
	void	   *memory = calloc(1, size);

	if (memory == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return memory;
}

/* UTF-8 characters: bytes that do not continue one. */
static int64
count_characters(const char *text, size_t length)
{
	int64		count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char) text[i] & 0xC0) != 0x80;
	return count;
}

static int64
estimate_tokens(const Row *row)
{
	return count_characters(row->request.input, row->request.input_length) /
		CHARACTERS_PER_TOKEN + 1;
}

static Request *
request_make(Row **rows, int count, int64 tokens)
{
	Request    *request = allocate(sizeof(Request));

	request->rows = allocate(sizeof(Row *) * count);
	memcpy(request->rows, rows, sizeof(Row *) * count);
	request->row_count = count;
	request->bucket = rows[0]->bucket;
	request->tokens = tokens;
	return request;
}

static void
release_pair(Pair *pair)
{
	if (pair != NULL && --pair->members == 0)
		free(pair);
}

void
request_free(Request *request)
{
	release_pair(request->pair);
	free(request->refusal);
	buffer_free(&request->url);
	buffer_free(&request->body);
	free(request->rows);
	free(request);
}

Request *
request_part(const Request *request, int first, int count)
{
	int64		tokens = 0;

	for (int i = first; i < first + count; i++)
		tokens += estimate_tokens(request->rows[i]);
	return request_make(request->rows + first, count, tokens);
}

void
request_pair(Request *one, Request *other)
{
	Pair	   *pair = allocate(sizeof(Pair));

	pair->members = 2;
	one->pair = other->pair = pair;
}

bool
request_note_refused(Request *request)
{
	return request->pair != NULL && ++request->pair->refused == 2;
}

void
request_set_refusal(Request *request, int http_status, const char *refusal)
{
	free(request->refusal);
	request->refusal = NULL;
	request->refusal_status = http_status;
	if (refusal != NULL)
		request->refusal = strcpy(allocate(strlen(refusal) + 1), refusal);
}

Outcome *
request_into_outcome(Request *request, OutcomeKind kind)
{
	Outcome    *outcome = allocate(sizeof(Outcome));

	outcome->kind = kind;
	outcome->bucket = request->bucket;
	outcome->row_count = request->row_count;
	outcome->rows = request->rows;
	outcome->attempts = request->attempts;
	outcome->credentials = request->credentials;
	request->rows = NULL;
	request_free(request);
	return outcome;
}

Request *
outcome_into_request(Outcome *outcome)
{
	int64		tokens = 0;
	Request    *request;

	/* First, as it may be done for want of memory. */
	response_free(&outcome->response);
	buffer_free(&outcome->answer);
	for (int i = outcome->stored; i < outcome->row_count; i++)
		tokens += estimate_tokens(outcome->rows[i]);
	request = request_make(outcome->rows + outcome->stored, outcome->row_count - outcome->stored,
						   tokens);
	request->sent = 1;
	request->attempts = Max(outcome->attempts - 1, 0);
	outcome_free(outcome);
	return request;
}

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
cut(Outbox *outbox, const Recipe *recipe, Slice *slice, Outcome *volatile *unsent)
{
	Row		  **batch = palloc(sizeof(Row *) * recipe->batch_size);
	int64		limit = recipe->server->max_request_tokens;
	int64		tokens = 0;
	int			count = 0;

	for (int i = 0; i < slice->row_count; i++)
	{
		Row		   *row = &slice->rows[i];
		int64		more = 0;

		if (row->is_empty || row->is_unsendable)
		{
			*unsent = settle_unsent(row, *unsent);
			continue;
		}
		more = estimate_tokens(row);
		if (count > 0 && (count == recipe->batch_size || batch[0]->bucket != row->bucket ||
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
outbox_cut(Outbox *outbox, const Recipe *recipe, Slice *slice)
{
	Outbox		made = {0};
	Outcome    *volatile unsent = NULL;

	PG_TRY();
	{
		cut(&made, recipe, slice, &unsent);
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
