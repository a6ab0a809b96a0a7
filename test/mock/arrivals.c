/*-------------------------------------------------------------------------
 *
 * arrivals.c
 *	  When requests came, and how many tokens each brought: for tests of rates.
 *
 * An array that grows up to a bound: what comes later is not recorded.
 *
 *-------------------------------------------------------------------------
 */
#include "arrivals.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LIMIT ((size_t) 200000)
#define FIRST_CAPACITY ((size_t) 1024)

typedef struct Arrival
{
	int64_t		at;				/* monotonic microseconds */
	int64_t		tokens;
} Arrival;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by lock. */
static Arrival *arrivals;
static size_t count;
static size_t capacity;

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
arrivals_add(const Request *request)
{
	int64_t		tokens = inputs_tokens(&request->inputs);
	Arrival    *grown;

	pthread_mutex_lock(&lock);
	if (count == capacity && capacity < LIMIT)
	{
		capacity = capacity > 0 ? capacity * 2 : FIRST_CAPACITY;
		if (capacity > LIMIT)
			capacity = LIMIT;
		grown = realloc(arrivals, capacity * sizeof(*arrivals));
		if (grown == NULL)
			abort();
		arrivals = grown;
	}
	if (count < capacity)
		arrivals[count++] = (Arrival) {now_us(), tokens};
	pthread_mutex_unlock(&lock);
}

void
arrivals_clear(void)
{
	pthread_mutex_lock(&lock);
	free(arrivals);
	arrivals = NULL;
	count = capacity = 0;
	pthread_mutex_unlock(&lock);
}

void
arrivals_describe(Buffer *json)
{
	pthread_mutex_lock(&lock);
	buffer_append_char(json, '[');
	for (size_t i = 0; i < count; i++)
		buffer_append_format(json, "%s[%lld,%lld]", i > 0 ? "," : "",
							 (long long) arrivals[i].at, (long long) arrivals[i].tokens);
	buffer_append_char(json, ']');
	pthread_mutex_unlock(&lock);
}
