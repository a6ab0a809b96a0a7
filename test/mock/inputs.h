/*-------------------------------------------------------------------------
 *
 * inputs.h
 *	  The input texts that a request brings, decoded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_INPUTS_H
#define MOCK_INPUTS_H

#include "text.h"

struct Request;

/* Texts lie one behind the other in one buffer; freed with inputs_free. */
typedef struct Inputs
{
	Buffer		text;
	size_t	   *ends;			/* where each text ends in it */
	size_t		count;
	size_t		capacity;
} Inputs;

/* The i-th text, i < count. */
extern Slice inputs_get(const Inputs *inputs, size_t i);
extern void inputs_add_text(Inputs *inputs, const char *text);
extern void inputs_add_value(Inputs *inputs, Slice value);	/* what a JSON value says */

/* A token is four characters, the last one of a text perhaps fewer. */
extern int64_t count_tokens(Slice text);
extern int64_t inputs_tokens(const Inputs *inputs);
extern void inputs_free(Inputs *inputs);

/*
 * Readers, by the shape of the endpoint.  Each fills request->inputs and
 * returns NULL, or says what is wrong with the request (a static text).
 */

/* A body {"input": …} (or inputs, texts) or a bare array; without a body, ?input=… */
extern const char *inputs_read_batch(struct Request *request);

/* The same; without both, what the path holds behind the endpoint's own. */
extern const char *inputs_read_item(struct Request *request);

/* The last user message of a chat. */
extern const char *inputs_read_chat(struct Request *request);

#endif							/* MOCK_INPUTS_H */
