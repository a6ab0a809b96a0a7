/*-------------------------------------------------------------------------
 *
 * canned.c
 *	  One answer for all: a body that was handed in, to the letter.
 *
 * For benchmarks: making an answer of many numbers takes the mock longer than
 * its client takes to read it, and so would copying one for each request.
 *
 *-------------------------------------------------------------------------
 */
#include "canned.h"

#include <pthread.h>
#include <stdlib.h>

/* A body, for as long as it is the canned one or on its way. */
typedef struct Canned
{
	int			uses;			/* guarded by mutex */
	Buffer		body;
} Canned;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Canned *canned;			/* guarded by mutex; NULL before the first */

static void
give_back(void *owner)
{
	Canned	   *used = owner;
	bool		unused;

	pthread_mutex_lock(&mutex);
	unused = --used->uses == 0;
	pthread_mutex_unlock(&mutex);
	if (!unused)
		return;
	buffer_free(&used->body);
	free(used);
}

/* The canned answer from now on; NULL: there is none. */
static void
replace(Canned *next)
{
	Canned	   *before;

	pthread_mutex_lock(&mutex);
	before = canned;
	canned = next;
	pthread_mutex_unlock(&mutex);
	if (before != NULL)
		give_back(before);
}

void
canned_set(Request *request, Answer *answer)
{
	Canned	   *next = xcalloc(sizeof(*next));

	next->uses = 1;
	buffer_append(&next->body, request->body.data, request->body.length);
	replace(next);
	buffer_append_string(&answer->body, "{\"ok\":true}");
}

void
canned_answer(Request *request, Answer *answer)
{
	(void) request;
	pthread_mutex_lock(&mutex);
	if (canned != NULL && canned->body.length > 0)
	{
		canned->uses++;
		answer->loan = (Loan) {canned->body.data, canned->body.length, give_back, canned};
	}
	pthread_mutex_unlock(&mutex);
}

void
canned_stop(void)
{
	replace(NULL);
}
