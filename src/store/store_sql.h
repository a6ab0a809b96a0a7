/*-------------------------------------------------------------------------
 *
 * store_sql.h
 *	  The statements that write results into the target.
 *
 * Results come as an ephemeral named relation, pg_enrich_results, with columns
 * row_number, key_1 …, output_1 …: any type fits, where arrays of arrays
 * would not.  With many there are item and ends before the outputs: a tuple for
 * each item of a row, and one more that ends them, whose item is their number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_STORE_SQL_H
#define PG_ENRICH_STORE_SQL_H

#include "postgres.h"

#include "recipe/recipe.h"

#define RESULTS_RELATION "pg_enrich_results"

/*
 * Results into the target, the way the job's write_mode says.  The rows it
 * processes are those written; with many it returns their number instead.
 * in_range: all results' keys lie between $1 and $2; is_new: none of them is in
 * the target.  Both are for a key of one column and one item a row only.
 */
extern char *store_sql_write(const Recipe *recipe, bool in_range, bool is_new);

/* Is any key in the target that lies between an element of $1 and the one of $2 in its place? */
extern char *store_sql_find_runs(const Recipe *recipe);

/*
 * For write_mode overwrite: what replaces the target's rows by the collected
 * ones, in this order.  in_place: rows whose keys come back are updated and not
 * deleted, for the sake of foreign keys that refer to them.
 */
extern char *store_sql_delete_replaced(const Recipe *recipe, bool in_place);
extern char *store_sql_insert_collected(const Recipe *recipe, bool in_place);

/*
 * A failed row leaves its partition for that of failed rows; $1: row numbers.
 * Both return row_number, key (jsonb) and input; the second one for rows that are there already.
 */
extern char *store_sql_move_failed(const Recipe *recipe, int partition);
extern char *store_sql_read_failed(const Recipe *recipe);

/* Rows that were retried and are done leave the partition of failed rows; $1: row numbers. */
extern char *store_sql_delete_failed(const Recipe *recipe);

#endif							/* PG_ENRICH_STORE_SQL_H */
