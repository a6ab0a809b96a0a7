/*-------------------------------------------------------------------------
 *
 * job_columns.c
 *	  What there is to be known of a job, each column told once.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/job_columns.h"

#include "catalog/pg_type.h"

#include "catalog/job.h"

/* The upper bounds keep a bucket's bitmap and a job's slots small. */
#define MAX_BUCKET_SIZE 100000
#define MAX_WORKERS 64

/* Names of struct Job's fields are those of arguments; a column's may be another one. */
#define COLUMN_OF(column, kind_, type, member) \
	.kind = kind_, .field = FIELD(#column, type, Job, member)
#define PARAMETER_IN(column, name, sql_type, kind, type, ...) \
	{COLUMN_OF(column, kind, type, name), .argument = #name, .argument_type = sql_type, \
	##__VA_ARGS__}
#define PARAMETER(name, sql_type, kind, type, ...) \
	PARAMETER_IN(name, name, sql_type, kind, type, ##__VA_ARGS__)
#define WORDS_IN(column, name, kind_, words, ...) \
	{.kind = kind_, .field = WORD_FIELD(#column, Job, name, words), .argument = #name, \
	.argument_type = TEXTOID, ##__VA_ARGS__}
#define CONTROL_WORD(column, words) \
	{.kind = JOB_CONTROL, .field = WORD_FIELD(#column, Job, column, words)}
#define BETWEEN(least, most) .minimum = least, .maximum = most
#define DEFAULT(text) .default_value = text

const JobColumn job_columns[] = {
	PARAMETER(source, REGCLASSOID, JOB_REQUIRED, FIELD_OID),
	PARAMETER(server, NAMEOID, JOB_REQUIRED, FIELD_NAME),
	PARAMETER(input, TEXTARRAYOID, JOB_REQUIRED, FIELD_TEXTS),
	PARAMETER(output, JSONOID, JOB_REQUIRED, FIELD_TEXT),
	PARAMETER(path, TEXTOID, JOB_OPTIONAL, FIELD_TEXT),
	PARAMETER(request, JSONOID, JOB_OPTIONAL, FIELD_TEXT),
	PARAMETER(content, JSONPATHOID, JOB_OPTIONAL, FIELD_TEXT),
	PARAMETER(results, JSONPATHOID, JOB_OPTIONAL, FIELD_TEXT),
	PARAMETER(result_index, JSONPATHOID, JOB_OPTIONAL, FIELD_TEXT),
	PARAMETER(result_key, JSONPATHOID, JOB_OPTIONAL, FIELD_TEXT),
	WORDS_IN(result_rows, result_rows, JOB_DEFAULTED, result_rows_words, DEFAULT("one")),
	PARAMETER_IN(key_columns, key, TEXTARRAYOID, JOB_OPTIONAL, FIELD_TEXTS),
	PARAMETER(target, TEXTOID, JOB_OPTIONAL, FIELD_TEXT),
	/* "update" is what a job without a target does */
	WORDS_IN(write_mode, write_mode, JOB_OPTIONAL, write_mode_words,
			 .first_word = WRITE_UPDATE + 1),
	WORDS_IN(row_selection, rows, JOB_DEFAULTED, row_selection_words, DEFAULT("all")),
	PARAMETER(where_clause, TEXTOID, JOB_OPTIONAL, FIELD_TEXT),
	PARAMETER(max_rows, INT8OID, JOB_OPTIONAL, FIELD_INT8_OR_MINUS, BETWEEN(0, PG_INT64_MAX)),
	PARAMETER(max_tokens, INT8OID, JOB_OPTIONAL, FIELD_INT8_OR_MINUS, BETWEEN(1, PG_INT64_MAX)),
	PARAMETER(bucket_size, INT4OID, JOB_DEFAULTED, FIELD_INT4, BETWEEN(1, MAX_BUCKET_SIZE),
			  DEFAULT("500")),
	PARAMETER(batch_size, INT4OID, JOB_OPTIONAL, FIELD_INT4_OR_0, BETWEEN(1, MAX_BUCKET_SIZE)),
	PARAMETER(max_input_length, INT4OID, JOB_OPTIONAL, FIELD_INT4_OR_0, BETWEEN(1, PG_INT32_MAX)),
	PARAMETER(separator, TEXTOID, JOB_DEFAULTED, FIELD_TEXT, DEFAULT(" ")),
	PARAMETER(concurrency, INT4OID, JOB_DEFAULTED, FIELD_INT4, BETWEEN(0, JOB_MAX_CONCURRENCY),
			  DEFAULT("10")),
	PARAMETER(workers, INT4OID, JOB_DEFAULTED, FIELD_INT4, BETWEEN(1, MAX_WORKERS), DEFAULT("1")),
	/* Left out it is the default, and NULL says that there is no limit. */
	PARAMETER(max_failed_rows, INT8OID, JOB_OPTIONAL, FIELD_INT8_OR_MINUS,
			  BETWEEN(0, PG_INT64_MAX), DEFAULT("1000")),
	PARAMETER(name, TEXTOID, JOB_OPTIONAL, FIELD_TEXT),

	{COLUMN_OF(owner, JOB_CAPTURED, FIELD_OID, owner)},
	{COLUMN_OF(source_name, JOB_CAPTURED, FIELD_TEXT, source_name)},
	{COLUMN_OF(settings, JOB_CAPTURED, FIELD_TEXTS, settings)},
	{COLUMN_OF(system_identifier, JOB_CAPTURED, FIELD_INT8, system_identifier)},
	{COLUMN_OF(database, JOB_CAPTURED, FIELD_OID, database)},

	{COLUMN_OF(job, JOB_CONTROL, FIELD_INT8, id)},
	CONTROL_WORD(state, job_state_words),
	{COLUMN_OF(failures_accepted, JOB_CONTROL, FIELD_INT8, failures_accepted)},
	{COLUMN_OF(loss_accepted, JOB_CONTROL, FIELD_BOOL, loss_accepted)},
	{COLUMN_OF(replaced, JOB_CONTROL, FIELD_BOOL, replaced)},
	{COLUMN_OF(refused, JOB_CONTROL, FIELD_BOOL, refused)},
	{COLUMN_OF(rows_total, JOB_CONTROL, FIELD_INT8_OR_MINUS, rows_total)},
	{COLUMN_OF(buckets_total, JOB_CONTROL, FIELD_INT8_OR_MINUS, buckets_total)}
};

const int	job_column_count = lengthof(job_columns);

int
job_argument_count(void)
{
	int			count = 0;

	while (job_columns[count].argument != NULL)
		count++;
	return count;
}
