--
-- Steering jobs: what each call does in each state, and what it says where it cannot
--
CREATE ROLE regress_enrich_steer LOGIN;
CREATE ROLE regress_enrich_other LOGIN;
CREATE ROLE regress_enrich_member LOGIN IN ROLE regress_enrich_steer;
CREATE ROLE regress_enrich_watch LOGIN IN ROLE pg_monitor;
CREATE SCHEMA regress_steer AUTHORIZATION regress_enrich_steer;
-- the numbers of jobs, whatever has run before
ALTER TABLE enrich.catalog_job ALTER job RESTART WITH 2000;
-- nothing is ever sent
CREATE SERVER steer_idle FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/v1');
CREATE SERVER steer_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/v1', max_concurrency '0');
GRANT USAGE ON FOREIGN SERVER steer_api, steer_idle TO regress_enrich_steer;
SET search_path = regress_steer;
SET ROLE regress_enrich_steer;
CREATE TABLE town (id integer PRIMARY KEY, name text, twice integer);
INSERT INTO town SELECT i, 'town ' || i, CASE i WHEN 8 THEN 5 ELSE i END FROM generate_series(1, 10) i;
\set town 'source => ''town'', server => ''steer_api'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'', target => ''town_label'''

-- waits until the job is in that state, or in one that it cannot leave by itself
CREATE FUNCTION reach(wanted_job bigint, wanted_state text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + interval '60 s';
	present text;
BEGIN
	LOOP
		SELECT state INTO present FROM enrich.jobs WHERE job = wanted_job;
		IF present IN (wanted_state, 'completed', 'failed', 'canceled') OR clock_timestamp() > deadline THEN
			RETURN present;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;

-- what a running job waits for: its server takes no requests, so it has no worker
CREATE FUNCTION reach_waiting(wanted_job bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + interval '60 s';
	present record;
BEGIN
	LOOP
		SELECT waiting_for, effective_concurrency, cardinality(pids) AS workers INTO present
		FROM enrich.progress WHERE job = wanted_job;
		IF present.workers = 0 AND present.waiting_for IS NOT NULL OR clock_timestamp() > deadline THEN
			RETURN format('%s, effective %s', present.waiting_for, present.effective_concurrency);
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;

-- what each call says, without the job's number
CREATE PROCEDURE try_all(job bigint) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	hint text;
BEGIN
	FOREACH statement IN ARRAY ARRAY['CALL enrich.wait($1)', 'SELECT enrich.pause($1)', 'SELECT enrich.resume($1)',
		'SELECT enrich.cancel($1)', 'SELECT enrich.retry($1)', 'SELECT enrich.alter($1, concurrency => 1)',
		'SELECT enrich.drop($1)']
	LOOP
		BEGIN
			EXECUTE statement USING job;
			RAISE NOTICE '%: done', statement;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
			RAISE NOTICE '%: % (%) %', statement, replace(SQLERRM, 'job ' || job, 'job N'), SQLSTATE, hint;
		END;
	END LOOP;
END $$;

-- a job begins when the transaction that started it commits
BEGIN;
SELECT enrich.start(:town, :label, concurrency => 0) AS job \gset
SELECT state FROM enrich.jobs WHERE job = :job;
DO $$
DECLARE
	mine bigint := (SELECT max(job) FROM enrich.jobs);
	state text;
	detail text;
	hint text;
BEGIN
	CALL enrich.wait(mine, NULL, state);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '%', replace(SQLERRM, mine::text, 'N') USING DETAIL = detail, HINT = replace(hint, mine::text, 'N');
END $$;
SELECT enrich.pause(:job);
COMMIT;
SELECT state, reason, error FROM enrich.jobs WHERE job = :job;
CALL enrich.wait(:job);
SELECT count(*) FROM enrich.buckets WHERE job = :job;

-- one that waited to begin goes on from the beginning
SELECT enrich.resume(:job);
SELECT reach(:job, 'running');
SELECT enrich.cancel(:job);
SELECT enrich.drop(:job);

-- a running job, and its parameters as they were given
SELECT enrich.start(:town, output => '{"label text":   "$.label"}', target => '"town_label"', path => '/items',
	request => '{"z": "{{inputs}}",  "a": [1, 2]}', results => '$.items[*]', result_index => '$.index',
	where_clause => 'id <> 3', max_rows => 100, bucket_size => 4, batch_size => 2,
	max_input_length => 6, separator => '-', concurrency => 0, workers => 2, max_failed_rows => 7, name => 'steered') AS job \gset
SELECT reach(:job, 'running');
\x on
\pset format unaligned
SELECT name, owner, source, server, input, output, path, request, content, results, result_index, result_key, result_rows,
	key, target, write_mode, rows, where_clause, max_rows, max_tokens, bucket_size, batch_size, max_input_length,
	separator, concurrency, workers, max_failed_rows, state, reason, waiting_for, error, hint, rows_total, rows_truncated, tokens,
	created_at <= started_at AND started_at <= bucketized_at AS times_in_order, finished_at
FROM enrich.jobs WHERE job = :job;
SELECT name, source, server, state, reason, waiting_for, percent, bar, rows_total, rows_done, rows_failed, rows_skipped,
	buckets_total, buckets_done, in_flight, concurrency, effective_concurrency, requests, retries, throttled, tokens,
	elapsed > '0' AS has_elapsed, eta, error
FROM enrich.progress WHERE job = :job;
\pset format aligned
\x off
SELECT bucket, partition, rows, state, attempts, http_status, error, started_at, finished_at
FROM enrich.buckets WHERE job = :job ORDER BY bucket;
SELECT count(*) FROM enrich.failures WHERE job = :job;

-- waiting for it: until the time is up
CALL enrich.wait(:job, '10 ms');
CALL enrich.wait(:job, timeout => '0');
CALL enrich.wait(:job, '-1 day');
BEGIN;
CALL enrich.wait(:job, '10 ms');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL enrich.wait(:job, '10 s');
ROLLBACK;
BEGIN READ ONLY;
CALL enrich.wait(:job, '10 ms');
SELECT enrich.pause(:job);
ROLLBACK;

-- pause and resume
SELECT enrich.resume(:job);
SELECT enrich.pause(:job);
SELECT state, reason, waiting_for, error FROM enrich.jobs WHERE job = :job;
CALL enrich.wait(:job);
SELECT enrich.pause(:job);
SELECT enrich.retry(:job);
SELECT enrich.drop(:job);
SELECT enrich.resume(:job);
SELECT state, reason FROM enrich.jobs WHERE job = :job;

-- what is rolled back was never said
BEGIN;
SELECT enrich.pause(:job);
SELECT state, reason FROM enrich.jobs WHERE job = :job;
ROLLBACK;
BEGIN;
SELECT enrich.cancel(:job);
SELECT state, finished_at IS NOT NULL AS finished FROM enrich.jobs WHERE job = :job;
SELECT enrich.drop(:job);
SELECT count(*) FROM enrich.jobs WHERE job = :job;
ROLLBACK;
BEGIN;
SELECT enrich.alter(:job, concurrency => 3, max_failed_rows => 3);
ROLLBACK;
SELECT state, reason, concurrency, max_failed_rows, finished_at FROM enrich.jobs WHERE job = :job;
SELECT count(*) FROM enrich.buckets WHERE job = :job;

-- alter changes what is given
SELECT enrich.alter(:job, concurrency => 5);
SELECT concurrency, max_failed_rows FROM enrich.jobs WHERE job = :job;
-- it may send now, but its server takes nothing
SELECT reach_waiting(:job);
SELECT enrich.alter(:job, max_failed_rows => 0);
SELECT concurrency, max_failed_rows FROM enrich.jobs WHERE job = :job;
SELECT enrich.alter(:job);
SELECT concurrency, max_failed_rows FROM enrich.jobs WHERE job = :job;
SELECT enrich.alter(:job, concurrency => -1);
SELECT enrich.alter(:job, concurrency => 10001);
SELECT enrich.alter(:job, max_failed_rows => -1);
SELECT enrich.alter(:job, max_tokens => -1);
SELECT enrich.alter(:job, max_tokens => 1000);
SELECT max_tokens FROM enrich.jobs WHERE job = :job;
SELECT enrich.alter(NULL, concurrency => 1);
CALL enrich.wait(NULL);
SELECT concurrency, max_failed_rows FROM enrich.jobs WHERE job = :job;

-- jobs that are not there, and those of others: to whom may not see a job it does not exist
CALL try_all(0);
GRANT USAGE ON SCHEMA regress_steer TO PUBLIC;
SET ROLE regress_enrich_other;
SELECT count(*) FROM enrich.jobs;
SELECT count(*) FROM enrich.progress;
SELECT count(*) FROM enrich.buckets;
SELECT count(*) FROM enrich.job_activity();
SELECT count(*) FROM enrich.servers;
CALL try_all(:job);
RESET ROLE;
SET ROLE regress_enrich_watch;
SELECT count(*) FROM enrich.jobs WHERE owner = 'regress_enrich_steer';
SELECT count(*) FROM enrich.progress WHERE job = :job;
SELECT count(*) FROM enrich.buckets WHERE job = :job;
SELECT count(*) FROM enrich.servers WHERE server = 'steer_api';
CALL try_all(:job);
RESET ROLE;
SET ROLE regress_enrich_member;
SELECT count(*) FROM enrich.jobs;
SELECT enrich.pause(:job);
SELECT enrich.resume(:job);
RESET ROLE;
SELECT enrich.pause(:job);
SELECT state, reason, owner FROM enrich.jobs WHERE job = :job;
SET ROLE regress_enrich_steer;

-- canceled: for good
SELECT enrich.cancel(:job);
SELECT state, reason, error, waiting_for, finished_at IS NOT NULL AS finished FROM enrich.jobs WHERE job = :job;
CALL enrich.wait(:job);
SELECT enrich.cancel(:job);
SELECT enrich.pause(:job);
SELECT enrich.resume(:job);
SELECT enrich.retry(:job);
SELECT enrich.alter(:job, concurrency => 1);

-- dropped: nothing is left of it
SELECT enrich.drop(:job);
SELECT enrich.drop(:job);
RESET ROLE;
SELECT (SELECT count(*) FROM enrich.catalog_job WHERE job = :job) AS job,
	(SELECT count(*) FROM enrich.catalog_job_counters WHERE job = :job) AS job_counters,
	(SELECT count(*) FROM enrich.catalog_partition WHERE job = :job) AS partition,
	(SELECT count(*) FROM enrich.catalog_bucket WHERE job = :job) AS bucket,
	(SELECT count(*) FROM enrich.catalog_failure WHERE job = :job) AS failure,
	(SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace) AS staging;
SET ROLE regress_enrich_steer;

-- failed: what bucketizing raised
SELECT enrich.start(:town, :label, where_clause => '10 / (id - 5) < 100', concurrency => 0) AS job \gset
CALL enrich.wait(:job);
SELECT state, reason, error, hint FROM enrich.jobs WHERE job = :job;
CALL try_all(:job);
SELECT enrich.start(:town, output => '{"label text": "$.label"}', key => '{twice}', target => 'twice_label', concurrency => 0) AS job \gset
CALL enrich.wait(:job);
SELECT state, error, hint FROM enrich.jobs WHERE job = :job;
INSERT INTO town VALUES (11, 'town 11', NULL);
SELECT enrich.start(:town, output => '{"label text": "$.label"}', key => '{twice}', target => 'null_label', concurrency => 0) AS job \gset
CALL enrich.wait(:job);
SELECT state, error, hint FROM enrich.jobs WHERE job = :job;
SELECT count(*) FROM enrich.buckets WHERE job = :job;

-- completed: at once where there is nothing to do
SELECT enrich.start('town', 'steer_idle', '{name}', :label, where_clause => 'false') AS job \gset
CALL enrich.wait(:job);
SELECT state, percent, bar, rows_total, buckets_total, eta FROM enrich.progress WHERE job = :job;
CALL try_all(:job);
SELECT enrich.start('town', 'steer_idle', '{name}', :label, max_rows => 0) AS job \gset
CALL enrich.wait(:job);
SELECT rows_total FROM enrich.jobs WHERE job = :job;

SELECT count(enrich.drop(job)) FROM enrich.jobs;
RESET ROLE;
SELECT count(*) FROM enrich.catalog_job;
SELECT relname FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace;
SET client_min_messages = warning;
DROP SCHEMA regress_steer CASCADE;
DROP SERVER steer_api, steer_idle;
DROP ROLE regress_enrich_member, regress_enrich_other, regress_enrich_watch, regress_enrich_steer;
