/*-------------------------------------------------------------------------
 *
 * answer.h
 *	  From an endpoint's answer to what goes over the wire.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H

#include <microhttpd.h>

#include "text.h"

struct Request;

/* A body too large to hold: made while it is sent, from front to back. */
typedef struct Source
{
	uint64_t	total;			/* bytes, or MHD_SIZE_UNKNOWN: it never ends */
	size_t		(*read) (struct Source *source, char *bytes, size_t most);
	void		(*free) (struct Source *source);
} Source;

/* A body that many answers share: copied by none of them, and given back by each. */
typedef struct Loan
{
	char	   *bytes;			/* not to be changed; NULL: there is none */
	size_t		length;
	void		(*give_back) (void *owner);
	void	   *owner;
} Loan;

/* What an endpoint fills; begins as status 200 without a body. */
typedef struct Answer
{
	int			status;
	Buffer		body;
	Source	   *source;			/* instead of body, or NULL */
	Loan		loan;			/* the same */
} Answer;

/* Makes it an error: {"error":{"message":…}}. */
extern void answer_error(Answer *answer, int status, const char *message);

/* Asks the endpoint, or the script, for an answer and queues it. */
extern enum MHD_Result answer_request(struct Request *request);

#endif							/* MOCK_ANSWER_H */
