/*-------------------------------------------------------------------------
 *
 * float_pool.h
 *	  Arrays of numbers that are read into float4 while an answer is checked.
 *
 * An embedding is text of 20 bytes a number; to check it and to read it are the
 * same work, and the second time it comes out of memory that the caches have
 * lost.  So whoever will want float4 hands json_parse a pool.  What float4 would refuse stays
 * text: its input function raises the error when it is stored, for that row alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_FLOAT_POOL_H
#define PG_ENRICH_FLOAT_POOL_H

#include "json/json.h"

/* An array that was read. */
typedef struct FloatRun
{
	const char *array;			/* its bracket in the text */
	size_t		first;			/* of FloatPool.floats: its mark, the numbers
								 * are behind it */
	size_t		count;
} FloatRun;

typedef struct FloatPool
{
	float	   *floats;
	size_t		count;
	size_t		room;
	FloatRun   *runs;			/* in the order of the text */
	size_t		run_count;
	size_t		run_room;
} FloatPool;

/*
 * A JsonNumberTaker: reads the array of numbers whose first one is at p.  What
 * float4's own input would refuse, or something else among the numbers, leaves
 * the pool as it was, and so does memory that runs out.
 */
extern const char *float_pool_take(void *pool, const char *array, const char *p, const char *end);

/* Forgets which arrays were read: another text is to come. */
extern void float_pool_forget(FloatPool *pool);
extern void float_pool_free(FloatPool *pool);

/*
 * No more text is to come: makes room for count more arrays of so many numbers
 * altogether, and none beyond that.  False: out of memory.
 */
extern bool float_pool_close(FloatPool *pool, size_t count, size_t numbers);

/*
 * The value, of kind JSON_FLOATS, for the array that starts there; start NULL: it was
 * not read.  It stands in the pool, and only as long as nothing is added.
 */
extern JsonSlice float_pool_find(const FloatPool *pool, const char *array);

/* The same for base64 of little-endian float4.  There must be room. */
extern JsonSlice float_pool_add_base64(FloatPool *pool, const char *text, size_t length);

/* The numbers of a value of kind JSON_FLOATS. */
extern const float *floats_of(JsonSlice value, size_t *count);

/* Memory held, in bytes. */
extern size_t float_pool_size(const FloatPool *pool);

#endif							/* PG_ENRICH_FLOAT_POOL_H */
