/*-------------------------------------------------------------------------
 *
 * canned.c
 *	  One answer for all: a body that was handed in, to the letter.
 *
 * For benchmarks: making an answer of many numbers takes the mock longer than
 * its client takes to read it.  Guarded by one mutex.
 *
 *-------------------------------------------------------------------------
 */
#include "canned.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Buffer canned;

void
canned_set(Request *request, Answer *answer)
{
	pthread_mutex_lock(&mutex);
	buffer_free(&canned);
	buffer_append(&canned, request->body.data, request->body.length);
	pthread_mutex_unlock(&mutex);
	buffer_append_string(&answer->body, "{\"ok\":true}");
}

void
canned_answer(Request *request, Answer *answer)
{
	(void) request;
	pthread_mutex_lock(&mutex);
	buffer_append(&answer->body, canned.data, canned.length);
	pthread_mutex_unlock(&mutex);
}

void
canned_stop(void)
{
	buffer_free(&canned);
}
