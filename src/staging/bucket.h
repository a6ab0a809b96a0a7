/*-------------------------------------------------------------------------
 *
 * bucket.h
 *	  Buckets in a worker's memory, and loading their rows from staging.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_BUCKET_H
#define PG_ENRICH_BUCKET_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "catalog/catalog_bucket.h"
#include "recipe/endpoint.h"

/* A claimed bucket, from its claim until all its rows are finished and stored. */
typedef struct Bucket
{
	BucketRow	row;			/* as the catalog has it, kept up with our
								 * stores */
	int			rows_open;		/* not finished yet, loaded or not */
	int64		next_row;		/* rows from this number on are not loaded yet */
	TimestampTz started_at;		/* first request sent; 0: none yet */
	int			http_status;	/* of the last answer */
	bool		lost;			/* somebody else changed it: what we have of
								 * it is not stored */
	MemoryContext context;		/* of this struct and all it points to */
} Bucket;

/* A row on its way.  Text is UTF-8. */
typedef struct Row
{
	Bucket	   *bucket;
	struct Slice *slice;
	int64		row_number;
	bool		from_failed;	/* its staging row lies in the partition of
								 * failed rows */
	bool		is_empty;		/* nothing to send: skipped */
	bool		is_unsendable;	/* cannot be had in UTF-8: fails */
	Datum	   *keys;
	RequestRow	request;
	char	   *fingerprint;	/* or NULL */
} Row;

/*
 * Memory of slices is had in blocks of this size, in bytes; but that of small ones in smaller
 * ones.  They come and go for as long as a job runs: where all are alike, what one has left
 * fits the next.
 */
#define SLICE_BLOCK (64 * 1024)

/* So many rows fill a block, but for what PostgreSQL and the C library note beside them. */
#define SLICE_PART ((int) ((SLICE_BLOCK - 256) / sizeof(Row)))

/* Rows that were loaded together, and are freed together when the last of them is finished. */
typedef struct Slice
{
	int			row_count;
	Row		  **parts;			/* of part_rows each, which are SLICE_PART
								 * where there are so many; NULL: not needed
								 * so far */
	int			part_rows;
	int			rows_open;
	Size		bytes;
	MemoryContext context;
} Slice;

static inline Row *
slice_row(const Slice *slice, int position)
{
	return &slice->parts[position / slice->part_rows][position % slice->part_rows];
}

extern Bucket *bucket_make(const BucketRow *row, MemoryContext parent);
extern void bucket_free(Bucket *bucket);
extern bool bucket_is_loaded(const Bucket *bucket);

/*
 * Load rows of buckets (List of Bucket *, consecutive) from staging, for an endpoint, as the
 * current user, until all are loaded or so many rows or bytes are at hand; at
 * least one row.  Returns a slice in a context of its own below parent, and
 * moves each bucket's next_row on.  Raises data_corrupted when rows are missing.
 */
extern Slice *bucket_load(const Endpoint *endpoint, List *buckets, int max_rows, Size max_bytes,
						  MemoryContext parent);

/* As if the buckets had not been loaded; next_row: of the first one, before it was. */
extern void bucket_unload(List *buckets, int64 next_row, Slice *slice);

/* A row is finished; frees the slice with its last one. */
extern void slice_release_row(Row *row);

#endif							/* PG_ENRICH_BUCKET_H */
