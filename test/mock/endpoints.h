/*-------------------------------------------------------------------------
 *
 * endpoints.h
 *	  The table of endpoints, and the answers that take no more than a few lines.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ENDPOINTS_H
#define MOCK_ENDPOINTS_H

#include "answer.h"
#include "request.h"

typedef struct Endpoint
{
	const char *path;
	bool		subtree;		/* paths below it are its own too */
	bool		control;		/* neither counted nor scripted */
	const char *methods;		/* separated by spaces; NULL: any */
	const char *constant;		/* always this body, or NULL: */
	void		(*answer) (Request *request, Answer *answer);
	const char *(*read_inputs) (Request *request);	/* or NULL; see inputs.h */
} Endpoint;

/* By the decoded path; NULL if there is none. */
extern const Endpoint *endpoint_find(const char *path);
extern bool endpoint_takes(const Endpoint *endpoint, const char *method);

/* The prepared answer of an endpoint with a constant body. */
extern struct MHD_Response *endpoint_constant_response(const Endpoint *endpoint);
extern void endpoints_start(void);
extern void endpoints_stop(void);

/* items.c */
extern void items_answer_object(Request *request, Answer *answer);
extern void items_answer_array(Request *request, Answer *answer);
extern void items_answer_one(Request *request, Answer *answer);
extern void items_answer_given(Request *request, Answer *answer);
extern void items_answer_big(Request *request, Answer *answer);

/* openai.c */
extern void openai_answer_embeddings(Request *request, Answer *answer);
extern void openai_answer_chat(Request *request, Answer *answer);

/* control.c */
extern void control_answer(Request *request, Answer *answer);

#endif							/* MOCK_ENDPOINTS_H */
