/*-------------------------------------------------------------------------
 *
 * job_columns.h
 *	  What there is to be known of a job, each column told once.
 *
 * What enrich.start and enrich.preview take, what they say of it in errors, and what is
 * written to and read from the table of jobs follow this.  A new parameter is a line here
 * and its field in struct Job.  SQL cannot share a list: there it takes a line each in
 * start, preview, the table and view enrich.jobs.  sql/parameters.sql compares them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_JOB_COLUMNS_H
#define PG_ENRICH_JOB_COLUMNS_H

#include "postgres.h"

#include "common/field.h"

typedef enum JobColumnKind
{
	JOB_REQUIRED,				/* an argument that must be given */
	JOB_OPTIONAL,				/* an argument; NULL stands for none */
	JOB_DEFAULTED,				/* an argument; NULL stands for its default */
	JOB_CAPTURED,				/* found out by start */
	JOB_CONTROL					/* changed by the job's life; at first the
								 * table's default */
} JobColumnKind;

typedef struct JobColumn
{
	Field		field;			/* of struct Job; its name is the column's in
								 * the table */
	JobColumnKind kind;

	/* Of arguments; their name is also the column's in enrich.jobs. */
	const char *argument;
	Oid			argument_type;
	const char *default_value;	/* as text; NULL: NULL, or none, where it is
								 * required */
	int64		minimum;		/* of numbers */
	int64		maximum;
	int			first_word;		/* of words: those before are not for users */
} JobColumn;

/* The arguments come first, in the order in which SQL declares them. */
extern const JobColumn job_columns[];
extern const int job_column_count;
extern int	job_argument_count(void);

#endif							/* PG_ENRICH_JOB_COLUMNS_H */
