/*-------------------------------------------------------------------------
 *
 * float_pool.c
 *	  Arrays of numbers that are read into float4 while an answer is checked.
 *
 * A pool is one piece of memory: for each array a mark, as large as a number, and
 * the numbers.  It moves while it grows, so arrays are known by where they are in
 * it until all have been read.
 *
 *-------------------------------------------------------------------------
 */
#include "json/float_pool.h"

#include <stdlib.h>
#include <string.h>

#include "json/number.h"

#define FIRST_ROOM 1024

static bool
grow(void **array, size_t size, size_t *room)
{
	size_t		larger = *room > 0 ? *room * 2 : FIRST_ROOM;
	void	   *moved = realloc(*array, larger * size);

	if (moved == NULL)
		return false;
	*array = moved;
	*room = larger;
	return true;
}

static inline bool
has_room(FloatPool *pool)
{
	return pool->count < pool->room ||
		grow((void **) &pool->floats, sizeof(float), &pool->room);
}

static bool
add_mark(FloatPool *pool)
{
	if (!has_room(pool))
		return false;
	*(char *) &pool->floats[pool->count++] = JSON_FLOATS_MARK;
	return true;
}

static bool
add_run(FloatPool *pool, const char *array, size_t first)
{
	FloatRun   *run;

	if (pool->run_count == pool->run_room &&
		!grow((void **) &pool->runs, sizeof(FloatRun), &pool->run_room))
		return false;
	run = &pool->runs[pool->run_count++];
	run->array = array;
	run->first = first;
	run->count = pool->count - first - 1;
	return true;
}

/* Reads numbers up to the bracket that ends their array.  NULL: something else is there. */
static const char *
read_numbers(FloatPool *pool, const char *p, const char *end)
{
	NumbersEnd	found = NUMBERS_NO_ROOM;

	while (found == NUMBERS_NO_ROOM)
	{
		size_t		count;

		if (!has_room(pool))
			return NULL;
		found = number_read_json_float4s(&p, end, pool->floats + pool->count,
										 pool->room - pool->count, &count);
		pool->count += count;
	}
	return found == NUMBERS_CLOSED ? p : NULL;
}

const char *
float_pool_take(void *state, const char *array, const char *p, const char *end)
{
	FloatPool  *pool = state;
	size_t		first = pool->count;
	const char *behind;

	if (!add_mark(pool))
		return p;
	behind = read_numbers(pool, p, end);
	if (behind != NULL && add_run(pool, array, first))
		return behind;
	pool->count = first;
	return p;
}

void
float_pool_forget(FloatPool *pool)
{
	pool->count = 0;
	pool->run_count = 0;
}

void
float_pool_free(FloatPool *pool)
{
	free(pool->floats);
	free(pool->runs);
	memset(pool, 0, sizeof(*pool));
}

bool
float_pool_close(FloatPool *pool, size_t count, size_t numbers)
{
	size_t		room = pool->count + count + numbers;
	float	   *fitting;

	if (room == 0)
		return true;
	fitting = realloc(pool->floats, room * sizeof(float));
	if (fitting == NULL)
		return false;
	pool->floats = fitting;
	pool->room = room;
	return true;
}

static JsonSlice
value_at(const FloatPool *pool, size_t first, size_t count)
{
	return json_slice((const char *) &pool->floats[first], (count + 1) * sizeof(float));
}

static int
compare_runs(const void *left, const void *right)
{
	const char *a = ((const FloatRun *) left)->array;
	const char *b = ((const FloatRun *) right)->array;

	return a < b ? -1 : a > b;
}

JsonSlice
float_pool_find(const FloatPool *pool, const char *array)
{
	FloatRun	wanted = {.array = array};
	const FloatRun *run = pool->run_count == 0 ? NULL
		: bsearch(&wanted, pool->runs, pool->run_count, sizeof(FloatRun), compare_runs);

	return run != NULL ? value_at(pool, run->first, run->count) : json_slice(NULL, 0);
}

JsonSlice
float_pool_add_base64(FloatPool *pool, const char *text, size_t length)
{
	size_t		first = pool->count;
	size_t		count;

	if (pool->room - first < length / sizeof(float) + 1 || !add_mark(pool) ||
		!number_decode_base64(text, length, &pool->floats[first + 1], &count))
	{
		pool->count = first;
		return json_slice(NULL, 0);
	}
	pool->count += count;
	return value_at(pool, first, count);
}

const float *
floats_of(JsonSlice value, size_t *count)
{
	*count = value.length / sizeof(float) - 1;
	return (const float *) (const void *) value.start + 1;
}

size_t
float_pool_size(const FloatPool *pool)
{
	return pool->room * sizeof(float) + pool->run_room * sizeof(FloatRun);
}
