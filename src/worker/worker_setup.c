/*-------------------------------------------------------------------------
 *
 * worker_setup.c
 *	  What a worker process changes of its surroundings: settings and limits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/resource.h>

#include "storage/fd.h"
#include "utils/guc.h"

#include "common/pg_compat.h"
#include "worker/worker_setup.h"

/*
 * The most descriptors that are asked for, as many as http_socket.c knows; and those of
 * neither connections nor PostgreSQL's files: see http_create.
 */
#define WANTED_DESCRIPTORS 65536
#define OTHER_DESCRIPTORS 130

/* PostgreSQL wants as many files at least: FD_MINFREE of its fd.c. */
#define MIN_FILES 48

/* Many connections want many descriptors: ask for what the hard limit allows. */
static int
descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return max_safe_fds;
	if (limit.rlim_cur < WANTED_DESCRIPTORS && limit.rlim_cur < limit.rlim_max)
	{
		struct rlimit raised = limit;

		raised.rlim_cur = Min(limit.rlim_max, (rlim_t) WANTED_DESCRIPTORS);
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	return (int) Min(limit.rlim_cur, (rlim_t) WANTED_DESCRIPTORS);
}

int
worker_max_connections(void)
{
	int			limit = descriptor_limit();
	int			connections = Max(limit - max_safe_fds - OTHER_DESCRIPTORS,
								  (limit - OTHER_DESCRIPTORS) / 2);
	int			files = limit - connections - OTHER_DESCRIPTORS;

	max_safe_fds = Min(max_safe_fds, Max(files, MIN_FILES));
	return Max(connections, 1);
}

void
worker_set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_USERSET, PGC_S_SESSION);
}

void
worker_force_settings(void)
{
	static const char *const forced[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "1s"},
		{"synchronize_seqscans", "off"},
		{"row_security", "on"},

		/*
		 * Staging is made by a superuser, who may write where the owner may
		 * not.
		 */
		{"default_tablespace", ""},
		{"default_table_access_method", "heap"},
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},

		/*
		 * Our statements are short; the compiler alone would be as large as
		 * all else here.
		 */
		{"jit", "off"},
	};

	/* The owner is who the job was started by. */
	worker_set("role", "none");
	/* Of a superuser: triggers and foreign keys of the target are to count. */
	SetConfigOption("session_replication_role", "origin", PGC_SUSET, PGC_S_SESSION);
	for (int i = 0; i < (int) lengthof(forced); i++)
		worker_set(forced[i][0], forced[i][1]);
	if (COMPAT_HAS_TRANSACTION_TIMEOUT)
		worker_set("transaction_timeout", "0");
}

void
worker_apply_settings(const Job *job)
{
	ListCell   *cell;

	foreach(cell, job->settings)
	{
		char	   *name = pstrdup(lfirst(cell));
		char	   *value = strchr(name, '=');

		*value++ = '\0';
		worker_set(name, value);
	}
}
