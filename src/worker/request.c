/*-------------------------------------------------------------------------
 *
 * request.c
 *	  A request: one HTTP call for some rows of one bucket.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/request.h"

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

int64
request_estimate_tokens(const Row *row)
{
	return count_characters(row->request.input, row->request.input_length) /
		CHARACTERS_PER_TOKEN + 1;
}

Request *
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
	Assert(pair == NULL || pair->members > 0);
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
		tokens += request_estimate_tokens(request->rows[i]);
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
	if (request->endpoint != NULL)
		outcome->credentials = request->endpoint->credentials;
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
		tokens += request_estimate_tokens(outcome->rows[i]);
	request = request_make(outcome->rows + outcome->stored, outcome->row_count - outcome->stored,
						   tokens);
	request->sent = 1;
	request->attempts = Max(outcome->attempts - 1, 0);
	outcome_free(outcome);
	return request;
}
