/*-------------------------------------------------------------------------
 *
 * canned.h
 *	  One answer for all: a body that was handed in, to the letter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_CANNED_H
#define MOCK_CANNED_H

#include "answer.h"
#include "request.h"

/* POST /mock/canned: from now on this body is answered. */
extern void canned_set(Request *request, Answer *answer);

/* /canned */
extern void canned_answer(Request *request, Answer *answer);
extern void canned_stop(void);

#endif							/* MOCK_CANNED_H */
