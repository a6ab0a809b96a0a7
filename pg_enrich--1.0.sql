/* pg_enrich--1.0.sql: the SQL objects of pg_enrich 1.0 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_enrich" to load this file. \quit

-- so that nobody can plant operators that fit the views' expressions better
SET LOCAL search_path = pg_catalog, pg_temp;

-- said now, since it takes a restart to mend; a restore, say, goes on
DO $$
BEGIN
	IF pg_catalog.current_setting('shared_preload_libraries') !~ 'pg_enrich' THEN
		RAISE WARNING 'pg_enrich is not preloaded: no job can be started until it is'
			USING HINT = 'Add pg_enrich to shared_preload_libraries in postgresql.conf and restart the server.';
	END IF;
END
$$;

CREATE SCHEMA enrich;
COMMENT ON SCHEMA enrich IS 'pg_enrich: functions to start and steer jobs, views to watch them';

CREATE SCHEMA enrich_staging;
COMMENT ON SCHEMA enrich_staging IS 'pg_enrich: staging tables of unfinished jobs, each owned by its job''s owner';

/*
 * The foreign-data wrapper.  It has no handler: servers describe APIs, there
 * are no foreign tables.
 */
CREATE FUNCTION enrich.pg_enrich_fdw_validator(options text[], catalog oid) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION enrich.pg_enrich_fdw_validator(text[], oid) IS
	'checks the options of servers and user mappings of the foreign-data wrapper pg_enrich';

CREATE FOREIGN DATA WRAPPER pg_enrich NO HANDLER VALIDATOR enrich.pg_enrich_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER pg_enrich IS 'HTTP APIs that pg_enrich sends rows through';

/*
 * What the states of a job mean, told here alone.  The planner puts the lists in
 * place of the calls, in indexes and in queries alike, so that these fit those.
 */
CREATE FUNCTION enrich.is_unfinished(state text) RETURNS boolean
	LANGUAGE SQL IMMUTABLE PARALLEL SAFE
	RETURN state IN ('queued', 'bucketizing', 'running', 'paused');
COMMENT ON FUNCTION enrich.is_unfinished(text) IS
	'may a job in that state still go on by itself or by enrich.resume; used by tables, views and workers';

CREATE FUNCTION enrich.is_finished(state text) RETURNS boolean
	LANGUAGE SQL IMMUTABLE PARALLEL SAFE
	RETURN state IN ('completed', 'failed', 'canceled');
COMMENT ON FUNCTION enrich.is_finished(text) IS
	'has a job in that state ended; used by tables, views and workers';

/*
 * The catalog: tables whose names begin with catalog_.  Nobody is granted
 * anything on them: whoever could insert a job could have it run by its owner of
 * choice.  The views show them.
 * No foreign keys: a check for each of a million buckets would cost more than
 * the one place that deletes jobs, which deletes from all of them.
 */
CREATE TABLE enrich.catalog_job (
	job bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text,
	owner oid NOT NULL,
	source oid NOT NULL,
	source_name text NOT NULL,
	server name NOT NULL,
	input text[] NOT NULL,
	output text NOT NULL,
	path text,
	request text,
	content text,
	results text,
	result_index text,
	result_key text,
	result_rows text NOT NULL,
	key_columns text[] NOT NULL,
	target text,
	write_mode text NOT NULL CHECK (write_mode IN ('update', 'insert', 'upsert', 'overwrite')),
	row_selection text NOT NULL CHECK (row_selection IN ('all', 'missing', 'changed')),
	where_clause text,
	max_rows bigint,
	max_tokens bigint,
	bucket_size integer NOT NULL,
	batch_size integer,
	max_input_length integer,
	separator text NOT NULL,
	concurrency integer NOT NULL,
	workers integer NOT NULL,
	max_failed_rows bigint,
	-- what user SQL of the job runs under, captured at start: name=value
	settings text[] NOT NULL,
	-- the cluster and database it was started in: a copy must not call out
	system_identifier bigint NOT NULL,
	database oid NOT NULL,
	-- control: see the states in src/README.md
	state text NOT NULL DEFAULT 'queued'
		CHECK (enrich.is_unfinished(state) OR enrich.is_finished(state)),
	reason text
		CHECK (reason IN ('user', 'budget', 'failures', 'configuration', 'crash', 'copy')),
	error text,
	hint text,
	failures_accepted bigint NOT NULL DEFAULT 0,
	loss_accepted boolean NOT NULL DEFAULT false,
	replaced boolean NOT NULL DEFAULT false,
	refused boolean NOT NULL DEFAULT false,
	-- what bucketizing found; NULL until it is done
	rows_total bigint,
	buckets_total bigint,
	rows_truncated bigint,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	started_at timestamptz,
	bucketized_at timestamptz,
	finished_at timestamptz,
	-- microseconds that workers have been at work on it, when its state last changed; see catalog_job_counters
	elapsed bigint NOT NULL DEFAULT 0,
	CHECK ((state = 'paused') = (reason IS NOT NULL)),
	CHECK (enrich.is_finished(state) = (finished_at IS NOT NULL))
);
COMMENT ON TABLE enrich.catalog_job IS 'one row per job: its parameters and its state; shown by enrich.jobs';
CREATE UNIQUE INDEX catalog_job_name_key ON enrich.catalog_job (owner, name)
	WHERE enrich.is_unfinished(state);
-- what clerks look for: of all the jobs that are kept they read those
CREATE INDEX catalog_job_unfinished_idx ON enrich.catalog_job (job)
	WHERE enrich.is_unfinished(state);
CREATE INDEX catalog_job_finished_at_idx ON enrich.catalog_job (finished_at);

CREATE TABLE enrich.catalog_job_counters (
	job bigint NOT NULL,
	worker integer NOT NULL,
	rows_done bigint NOT NULL DEFAULT 0,
	rows_failed bigint NOT NULL DEFAULT 0,
	rows_skipped bigint NOT NULL DEFAULT 0,
	buckets_done bigint NOT NULL DEFAULT 0,
	requests bigint NOT NULL DEFAULT 0,
	retries bigint NOT NULL DEFAULT 0,
	throttled interval NOT NULL DEFAULT '0',
	tokens bigint NOT NULL DEFAULT 0,
	-- of the whole job, when this worker last wrote it: the greatest counts
	elapsed bigint NOT NULL DEFAULT 0,
	-- starts of this worker since it last stored anything
	starts integer NOT NULL DEFAULT 0,
	PRIMARY KEY (job, worker)
) WITH (fillfactor = 50);
COMMENT ON TABLE enrich.catalog_job_counters IS
	'what a job''s workers have done, one row per worker so that they never wait for one another; worker -1 holds corrections by retry';

CREATE TABLE enrich.catalog_partition (
	job bigint NOT NULL,
	partition integer NOT NULL,
	first_bucket bigint NOT NULL,
	last_bucket bigint NOT NULL,
	PRIMARY KEY (job, partition)
);
COMMENT ON TABLE enrich.catalog_partition IS 'partitions of staging tables that still exist, and the buckets they hold';

/*
 * A job can have millions of buckets, so what is known of all of them from the
 * beginning takes a row for hundreds, and one of its own only a bucket of which
 * something was stored.  How many rows a bucket has, and which, follows from its
 * number and the job's bucket_size.
 */
CREATE TABLE enrich.catalog_bucket_run (
	job bigint NOT NULL,
	last_bucket bigint NOT NULL,
	first_bucket bigint NOT NULL,
	partition smallint NOT NULL,
	-- the block of the partition that each bucket begins in, and the one that the last ends in;
	-- meaningless after a rewrite, so the rows found there are counted
	blocks integer[] NOT NULL,
	PRIMARY KEY (job, last_bucket)
);
COMMENT ON TABLE enrich.catalog_bucket_run IS
	'runs of buckets and where their rows lie; buckets that are in no other table are pending';

CREATE TABLE enrich.catalog_bucket (
	job bigint NOT NULL,
	bucket bigint NOT NULL,
	started_at timestamptz,
	finished_at timestamptz,
	attempts integer NOT NULL,
	partition smallint NOT NULL,
	http_status smallint,
	-- pending, completed or failed; "char" as there may be millions of them
	state "char" NOT NULL CHECK (state IN ('p', 'c', 'f')),
	-- some of its rows lie in the partition of failed rows, to be tried again
	retried boolean NOT NULL,
	-- while it is pending: rows that are written, skipped or failed, one bit a row
	finished bytea,
	error text,
	PRIMARY KEY (job, bucket)
) WITH (fillfactor = 70);
COMMENT ON TABLE enrich.catalog_bucket IS
	'one row per bucket of a job of which something was stored; shown by enrich.buckets';

CREATE TABLE enrich.catalog_failure (
	job bigint NOT NULL,
	row_number bigint NOT NULL,
	bucket bigint NOT NULL,
	key jsonb NOT NULL,
	input text,
	http_status integer,
	error text NOT NULL,
	attempts integer NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (job, row_number)
);
CREATE INDEX catalog_failure_bucket_idx ON enrich.catalog_failure (job, bucket);
COMMENT ON TABLE enrich.catalog_failure IS 'one row per row of a job that failed; shown by enrich.failures';

/*
 * Start and steer.
 */
CREATE FUNCTION enrich.start(
	source regclass,
	server name,
	input text[],
	output json,
	path text DEFAULT NULL,
	request json DEFAULT NULL,
	content jsonpath DEFAULT NULL,
	results jsonpath DEFAULT NULL,
	result_index jsonpath DEFAULT NULL,
	result_key jsonpath DEFAULT NULL,
	result_rows text DEFAULT 'one',
	key text[] DEFAULT NULL,
	target text DEFAULT NULL,
	write_mode text DEFAULT NULL,
	rows text DEFAULT 'all',
	where_clause text DEFAULT NULL,
	max_rows bigint DEFAULT NULL,
	max_tokens bigint DEFAULT NULL,
	bucket_size integer DEFAULT 500,
	batch_size integer DEFAULT NULL,
	max_input_length integer DEFAULT NULL,
	separator text DEFAULT ' ',
	concurrency integer DEFAULT 10,
	workers integer DEFAULT 1,
	max_failed_rows bigint DEFAULT 1000,
	name text DEFAULT NULL,
	if_not_exists boolean DEFAULT false)
	RETURNS bigint LANGUAGE C AS 'MODULE_PATHNAME', 'enrich_start';
COMMENT ON FUNCTION enrich.start IS
	'starts a job that sends the rows of a table through an API and stores the answers; returns the job';

CREATE FUNCTION enrich.preview(
	source regclass,
	server name,
	input text[],
	output json,
	path text DEFAULT NULL,
	request json DEFAULT NULL,
	content jsonpath DEFAULT NULL,
	results jsonpath DEFAULT NULL,
	result_index jsonpath DEFAULT NULL,
	result_key jsonpath DEFAULT NULL,
	result_rows text DEFAULT 'one',
	key text[] DEFAULT NULL,
	target text DEFAULT NULL,
	write_mode text DEFAULT NULL,
	rows text DEFAULT 'all',
	where_clause text DEFAULT NULL,
	max_rows bigint DEFAULT NULL,
	max_tokens bigint DEFAULT NULL,
	bucket_size integer DEFAULT 500,
	batch_size integer DEFAULT NULL,
	max_input_length integer DEFAULT NULL,
	separator text DEFAULT ' ',
	concurrency integer DEFAULT 10,
	workers integer DEFAULT 1,
	max_failed_rows bigint DEFAULT 1000,
	name text DEFAULT NULL,
	if_not_exists boolean DEFAULT false,
	OUT request_url text,
	OUT request_headers text,
	OUT request_body text,
	OUT status integer,
	OUT response text,
	OUT results jsonb)
	RETURNS record LANGUAGE C AS 'MODULE_PATHNAME', 'enrich_preview';
COMMENT ON FUNCTION enrich.preview IS
	'sends one request for the first rows of a job that would be started so, and shows what would be written; writes nothing';

CREATE FUNCTION enrich.pause(job bigint) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'enrich_pause';
COMMENT ON FUNCTION enrich.pause(bigint) IS
	'sends no new requests of the job; those in flight finish and are stored';

CREATE FUNCTION enrich.resume(job bigint) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'enrich_resume';
COMMENT ON FUNCTION enrich.resume(bigint) IS 'lets a paused job go on';

CREATE FUNCTION enrich.cancel(job bigint) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'enrich_cancel';
COMMENT ON FUNCTION enrich.cancel(bigint) IS
	'ends the job now: aborts what is in flight, keeps what is stored, drops its staging table';

CREATE FUNCTION enrich.retry(job bigint) RETURNS bigint
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'enrich_retry';
COMMENT ON FUNCTION enrich.retry(bigint) IS
	'puts the failed rows of a completed or paused job back to work; returns how many';

CREATE FUNCTION enrich.alter(
	job bigint,
	concurrency integer DEFAULT NULL,
	max_failed_rows bigint DEFAULT NULL,
	max_tokens bigint DEFAULT NULL)
	RETURNS void LANGUAGE C AS 'MODULE_PATHNAME', 'enrich_alter';
COMMENT ON FUNCTION enrich.alter(bigint, integer, bigint, bigint) IS
	'changes the given limits of a job at once; NULL leaves one as it is';

CREATE FUNCTION enrich.drop(job bigint) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'enrich_drop';
COMMENT ON FUNCTION enrich.drop(bigint) IS
	'forgets a finished job: its rows in the catalog and its staging table';

CREATE PROCEDURE enrich.wait(
	job bigint,
	timeout interval DEFAULT NULL,
	INOUT state text DEFAULT NULL)
	LANGUAGE C AS 'MODULE_PATHNAME', 'enrich_wait';
COMMENT ON PROCEDURE enrich.wait(bigint, interval, text) IS
	'blocks until the job is completed, failed, canceled or paused, or the interval is up; shows the state';

/*
 * What is known only in shared memory.  The views below call these; each shows
 * a caller only what the caller may see.
 */
CREATE FUNCTION enrich.job_activity(
	OUT job bigint,
	OUT in_flight integer,
	OUT effective_concurrency integer,
	OUT waiting_for text,
	OUT rows_staged bigint,
	OUT rows_per_second double precision,
	OUT pids integer[],
	OUT error text,
	OUT hint text,
	OUT memory bigint,
	OUT elapsed bigint)
	RETURNS SETOF record LANGUAGE C STRICT ROWS 20 AS 'MODULE_PATHNAME', 'enrich_job_activity';
COMMENT ON FUNCTION enrich.job_activity() IS
	'the jobs of this database that have or want workers, as shared memory knows them; used by enrich.job_status';

CREATE FUNCTION enrich.server_activity(
	OUT server oid,
	OUT in_flight integer,
	OUT effective_concurrency integer,
	OUT paused_until timestamptz,
	OUT requests bigint,
	OUT answers_2xx bigint,
	OUT answers_3xx bigint,
	OUT answers_4xx bigint,
	OUT answers_5xx bigint,
	OUT throttled bigint,
	OUT errors bigint,
	OUT bytes_in bigint,
	OUT bytes_out bigint,
	OUT tokens bigint,
	OUT latency_p50 interval,
	OUT latency_p95 interval,
	OUT latency_p99 interval,
	OUT stats_reset timestamptz,
	OUT throttled_for interval)
	RETURNS SETOF record LANGUAGE C STRICT ROWS 10 AS 'MODULE_PATHNAME', 'enrich_server_activity';
COMMENT ON FUNCTION enrich.server_activity() IS
	'what was sent to the servers of this database since the statistics began; used by enrich.servers';

CREATE FUNCTION enrich.clerk_waits() RETURNS boolean
	LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'enrich_clerk_waits';
COMMENT ON FUNCTION enrich.clerk_waits() IS
	'is no background worker free to look for jobs; used by enrich.job_status';

CREATE FUNCTION enrich.may_see(owner oid) RETURNS boolean
	LANGUAGE SQL STABLE PARALLEL SAFE
	BEGIN ATOMIC
		-- a role that was dropped has no members: only monitors see its jobs
		SELECT COALESCE(pg_catalog.pg_has_role(owner, 'USAGE'), false)
			OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
	END;
COMMENT ON FUNCTION enrich.may_see(oid) IS
	'may the current user see the jobs of that owner: its own, or all as a member of pg_monitor';

/*
 * Watch.
 */
CREATE VIEW enrich.server_cap AS
	SELECT s.srvname AS server, o.option_value::integer AS cap
	FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'pg_enrich'
		CROSS JOIN LATERAL pg_catalog.pg_options_to_table(s.srvoptions) o
	WHERE o.option_name = 'max_concurrency';
COMMENT ON VIEW enrich.server_cap IS
	'the max_concurrency of each server that has one; used by the views of jobs, progress and servers';

CREATE VIEW enrich.job_status AS
	SELECT j.*,
		CASE WHEN enrich.is_unfinished(j.state) AND j.state <> 'paused' THEN
			COALESCE(a.waiting_for, CASE
				WHEN j.state = 'running' AND (j.concurrency = 0 OR l.cap = 0) THEN 'cap'
				WHEN a.job IS NULL AND enrich.clerk_waits() THEN 'slot' END)
		END AS waiting_for,
		-- what workers run into stands in shared memory: a full disk lets nobody write it down
		COALESCE(j.error, CASE WHEN enrich.is_unfinished(j.state) THEN a.error END) AS error_now,
		CASE WHEN j.error IS NOT NULL THEN j.hint
			WHEN enrich.is_unfinished(j.state) THEN a.hint END AS hint_now,
		a.elapsed AS elapsed_now,
		a.rows_staged, a.in_flight, l.cap, a.effective_concurrency, a.rows_per_second,
		a.pids, a.memory
	FROM enrich.catalog_job j
		LEFT JOIN enrich.job_activity() a ON a.job = j.job
		LEFT JOIN enrich.server_cap l ON l.server = j.server;
COMMENT ON VIEW enrich.job_status IS
	'every job, with what shared memory knows of it; used by enrich.progress and enrich.jobs';

CREATE VIEW enrich.jobs WITH (security_barrier) AS
	SELECT j.job, j.name, COALESCE(r.rolname, '(dropped)') AS owner,
		j.source_name AS source, j.server, j.input, j.output::json AS output, j.path,
		j.request::json AS request, j.content, j.results, j.result_index, j.result_key,
		j.result_rows, j.key_columns AS key, j.target,
		CASE WHEN j.write_mode <> 'update' THEN j.write_mode END AS write_mode,
		j.row_selection AS rows, j.where_clause, j.max_rows, j.max_tokens, j.bucket_size,
		j.batch_size, j.max_input_length, j.separator, j.concurrency, j.workers,
		j.max_failed_rows, j.state, j.reason, j.waiting_for,
		j.error_now AS error, j.hint_now AS hint,
		j.rows_total, j.rows_truncated, c.tokens,
		j.created_at, j.started_at, j.bucketized_at, j.finished_at
	FROM enrich.job_status j
		LEFT JOIN pg_catalog.pg_roles r ON r.oid = j.owner
		LEFT JOIN LATERAL (SELECT COALESCE(sum(k.tokens), 0)::bigint AS tokens
			FROM enrich.catalog_job_counters k WHERE k.job = j.job) c ON true
	WHERE enrich.may_see(j.owner);
COMMENT ON VIEW enrich.jobs IS 'every job with its parameters, owner, times, state and error';

CREATE VIEW enrich.progress WITH (security_barrier) AS
	SELECT j.job, j.name, j.source_name AS source, j.server, j.state, j.reason, j.waiting_for,
		p.percent,
		'[' || repeat('#', (p.percent / 5)::integer) || repeat('.', 20 - (p.percent / 5)::integer) || ']' AS bar,
		COALESCE(j.rows_total, j.rows_staged, 0) AS rows_total,
		c.rows_done, c.rows_failed, c.rows_skipped,
		COALESCE(j.buckets_total, 0) AS buckets_total, c.buckets_done,
		COALESCE(j.in_flight, 0) AS in_flight,
		j.concurrency,
		COALESCE(j.effective_concurrency, LEAST(j.concurrency, j.cap)) AS effective_concurrency,
		c.requests, c.retries, c.throttled, c.tokens,
		round(s.speed::numeric, 1) AS rows_per_second,
		date_trunc('milliseconds', t.elapsed) AS elapsed,
		CASE WHEN j.state = 'running' AND s.speed > 0
			THEN date_trunc('second', make_interval(secs => LEAST(
				(j.rows_total - c.rows_done - c.rows_failed - c.rows_skipped) / s.speed, 3e9)))
		END AS eta,
		j.error_now AS error,
		COALESCE(j.pids, '{}') AS pids,
		COALESCE(j.memory, 0) AS memory
	FROM enrich.job_status j
		LEFT JOIN LATERAL (
			SELECT COALESCE(sum(k.rows_done), 0)::bigint AS rows_done,
				COALESCE(sum(k.rows_failed), 0)::bigint AS rows_failed,
				COALESCE(sum(k.rows_skipped), 0)::bigint AS rows_skipped,
				COALESCE(sum(k.buckets_done), 0)::bigint AS buckets_done,
				COALESCE(sum(k.requests), 0)::bigint AS requests,
				COALESCE(sum(k.retries), 0)::bigint AS retries,
				COALESCE(sum(k.throttled), '0') AS throttled,
				COALESCE(sum(k.tokens), 0)::bigint AS tokens,
				max(k.elapsed) AS elapsed
			FROM enrich.catalog_job_counters k WHERE k.job = j.job) c ON true
		CROSS JOIN LATERAL (
			SELECT CASE
				WHEN j.state = 'completed' THEN 100.0
				WHEN j.rows_total > 0 THEN
					trunc(100.0 * (c.rows_done + c.rows_failed + c.rows_skipped) / j.rows_total, 1)
				ELSE 0.0 END AS percent) p
		CROSS JOIN LATERAL (
			SELECT make_interval(secs => GREATEST(j.elapsed, c.elapsed, j.elapsed_now) / 1e6::double precision) AS elapsed) t
		CROSS JOIN LATERAL (
			SELECT CASE
				WHEN j.state = 'running' THEN j.rows_per_second
				WHEN j.state = 'completed' AND t.elapsed > '0' THEN
					c.rows_done / extract(epoch FROM t.elapsed)::double precision
				END AS speed) s
	WHERE enrich.may_see(j.owner);
COMMENT ON VIEW enrich.progress IS 'a line per job: how far it is, how fast, and what it waits for';

CREATE VIEW enrich.buckets WITH (security_barrier) AS
	SELECT b.job, b.bucket, b.partition,
		LEAST(j.bucket_size, j.rows_total - (b.bucket - 1) * j.bucket_size)::integer AS rows,
		b.state, b.attempts, b.http_status, b.error, b.started_at, b.finished_at
	FROM (
		SELECT k.job, k.bucket, k.partition::integer AS partition,
			CASE k.state WHEN 'p' THEN 'pending' WHEN 'c' THEN 'completed' ELSE 'failed' END AS state,
			k.attempts, k.http_status::integer AS http_status, k.error, k.started_at, k.finished_at
		FROM enrich.catalog_bucket k
		UNION ALL
		SELECT r.job, s.bucket, r.partition::integer, 'pending', 0, NULL, NULL, NULL, NULL
		FROM enrich.catalog_bucket_run r
			CROSS JOIN LATERAL generate_series(r.first_bucket, r.last_bucket) s (bucket)
		WHERE NOT EXISTS (SELECT FROM enrich.catalog_bucket k WHERE k.job = r.job AND k.bucket = s.bucket)) b
		JOIN enrich.catalog_job j ON j.job = b.job
	WHERE enrich.may_see(j.owner);
COMMENT ON VIEW enrich.buckets IS 'the buckets of every job, and how each went';

CREATE VIEW enrich.failures WITH (security_barrier) AS
	SELECT f.job, f.bucket, f.key, f.input, f.http_status, f.error, f.attempts, f.at
	FROM enrich.catalog_failure f
		JOIN enrich.catalog_job j ON j.job = f.job
	WHERE enrich.may_see(j.owner);
COMMENT ON VIEW enrich.failures IS 'the rows that failed, each with a reason; enrich.retry puts them back to work';

CREATE VIEW enrich.servers WITH (security_barrier) AS
	SELECT s.srvname AS server,
		l.cap AS max_concurrency,
		a.effective_concurrency, COALESCE(a.in_flight, 0) AS in_flight, a.paused_until,
		COALESCE(a.requests, 0) AS requests,
		COALESCE(a.answers_2xx, 0) AS answers_2xx, COALESCE(a.answers_3xx, 0) AS answers_3xx,
		COALESCE(a.answers_4xx, 0) AS answers_4xx, COALESCE(a.answers_5xx, 0) AS answers_5xx,
		COALESCE(a.throttled, 0) AS throttled, COALESCE(a.throttled_for, '0') AS throttled_for,
		COALESCE(a.errors, 0) AS errors,
		COALESCE(a.bytes_in, 0) AS bytes_in, COALESCE(a.bytes_out, 0) AS bytes_out,
		COALESCE(a.tokens, 0) AS tokens,
		a.latency_p50, a.latency_p95, a.latency_p99, a.stats_reset
	FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'pg_enrich'
		LEFT JOIN enrich.server_activity() a ON a.server = s.oid
		LEFT JOIN enrich.server_cap l ON l.server = s.srvname
	WHERE pg_catalog.has_server_privilege(s.oid, 'USAGE')
		OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW enrich.servers IS 'per server: caps, what was sent and answered, and how long answers took';

/*
 * Rights.  ALTER DEFAULT PRIVILEGES of whoever creates the extension are for
 * tables of another kind: a role that may insert into enrich.catalog_job can act as any
 * other, and one that may create in enrich_staging as well.
 */
DO $$
DECLARE
	revoke text;
BEGIN
	FOR revoke IN
		SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', o.object,
			CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
		FROM (
			SELECT CASE WHEN relkind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || oid::regclass, relacl, relowner
				FROM pg_class WHERE relnamespace = 'enrich'::regnamespace
			UNION ALL SELECT 'SCHEMA ' || oid::regnamespace, nspacl, nspowner
				FROM pg_namespace WHERE nspname IN ('enrich', 'enrich_staging')
		) o (object, acl, owner), aclexplode(o.acl) a
		WHERE a.grantee <> o.owner
	LOOP
		EXECUTE revoke;
	END LOOP;
END
$$;
GRANT USAGE ON SCHEMA enrich TO PUBLIC;
-- workers read staging tables as their job's owner
GRANT USAGE ON SCHEMA enrich_staging TO PUBLIC;
GRANT SELECT ON enrich.jobs, enrich.progress, enrich.buckets, enrich.failures, enrich.servers TO PUBLIC;
