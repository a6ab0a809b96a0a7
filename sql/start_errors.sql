--
-- What enrich.start refuses, and what it says then
--
CREATE ROLE regress_enrich_start LOGIN;
CREATE SCHEMA regress_start AUTHORIZATION regress_enrich_start;
CREATE SERVER start_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
CREATE SERVER start_get FOREIGN DATA WRAPPER pg_enrich
	OPTIONS (url 'http://127.0.0.1:9/things/{{id}}', method 'GET', max_concurrency '0');
CREATE SERVER start_private FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9');
CREATE FOREIGN DATA WRAPPER start_other_wrapper;
CREATE SERVER start_other FOREIGN DATA WRAPPER start_other_wrapper;
GRANT USAGE ON FOREIGN SERVER start_api, start_get, start_other TO regress_enrich_start;
SET search_path = regress_start;
SET ROLE regress_enrich_start;
CREATE TABLE town (id integer PRIMARY KEY, name text NOT NULL, "Odd Name" text, size bigint,
	total bigint GENERATED ALWAYS AS (size * 2) STORED, serial bigint GENERATED ALWAYS AS IDENTITY);
INSERT INTO town SELECT i, 'town ' || i, 'odd', i FROM generate_series(1, 5) i;
CREATE TABLE keyless (id integer, name text);
CREATE TABLE partly (id integer NOT NULL, name text);
CREATE UNIQUE INDEX partly_id ON partly (id) WHERE name IS NOT NULL;
CREATE TABLE late (id integer UNIQUE DEFERRABLE, name text);
CREATE TABLE town_label (id integer PRIMARY KEY, label text);
CREATE TABLE wrong_key (id text PRIMARY KEY, label text);
CREATE TABLE no_key_column (label text);
CREATE TABLE loose (id integer, label text);
CREATE VIEW town_view AS SELECT id, name FROM town;
CREATE TYPE pair AS (a integer, b text);
CREATE TEMPORARY TABLE visitor (id integer PRIMARY KEY, name text);
CREATE TABLE shaped (shape point, name text);

-- a call that is good, but for what is added
\set town 'source => ''town'', server => ''start_api'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'''

-- source
SELECT enrich.start(NULL, 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('nowhere', 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(0, 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town_pkey', 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town_serial_seq', 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('pair', 'start_api', '{a}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('visitor', 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town_view', 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town_view', 'start_api', '{name}', '{"label text": "$.label"}', key => '{id}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('pg_catalog.pg_class', 'start_api', '{relname}', '{"label text": "$.label"}', key => '{oid}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('pg_catalog.pg_authid', 'start_api', '{rolname}', '{"label text": "$.label"}', target => 'roles');
\echo :LAST_ERROR_SQLSTATE

-- server
SELECT enrich.start('town', NULL, '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'nowhere', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_other', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_private', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE

-- rights on source and target
RESET ROLE;
CREATE TABLE foreign_town (id integer PRIMARY KEY, name text, label text, secret text);
CREATE TABLE foreign_label (id integer PRIMARY KEY, label text);
SET ROLE regress_enrich_start;
SELECT enrich.start('foreign_town', 'start_api', '{name}', '{"label": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT SELECT (id, name) ON foreign_town TO regress_enrich_start;
SET ROLE regress_enrich_start;
SELECT enrich.start('foreign_town', 'start_api', '{name,secret}', '{"label": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('foreign_town', 'start_api', '{name}', '{"label": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('foreign_town', 'start_api', '{name}', '{"other text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('foreign_town', 'start_api', '{name}', '{"label text": "$.label"}', target => 'a', where_clause => 'secret = ''x''');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'foreign_label');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT INSERT ON foreign_label TO regress_enrich_start;
SET ROLE regress_enrich_start;
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'foreign_label');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT UPDATE ON foreign_label TO regress_enrich_start;
SET ROLE regress_enrich_start;
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'foreign_label');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'foreign_label', write_mode => 'overwrite');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'pg_catalog.stolen');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'public_of_others.stolen');
\echo :LAST_ERROR_SQLSTATE

-- key
SELECT enrich.start('keyless', 'start_api', '{name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('keyless', 'start_api', '{name}', '{"label text": "$.label"}', key => '{nr}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{Id}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{(lower(name))}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{ctid}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{id,name,id}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('shaped', 'start_api', '{name}', '{"label text": "$.label"}', key => '{shape}', target => 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('keyless', 'start_api', '{name}', '{"label text": "$.label"}', key => '{id}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('partly', 'start_api', '{name}', '{"label text": "$.label"}', key => '{id}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('late', 'start_api', '{name}', '{"label text": "$.label"}', key => '{id}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, key => '{id,size}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'loose');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'no_key_column');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'wrong_key');
\echo :LAST_ERROR_SQLSTATE

-- input
SELECT enrich.start('town', 'start_api', NULL, '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{name,NULL}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{""}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{nam}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{Name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{ctid}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{upper(name)}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(upper(name)}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(upper(nam))}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{"(upper(name)) || (x"}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(count(*))}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{odd name}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{"\"Odd Name\""}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{population}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{name || id}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(rank() OVER ())}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{"(generate_series(1, 3))"}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(grouping(name))}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{"(max(name) FILTER (WHERE true))"}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(left(name, 3))}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(nowhere(name))}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(name + 1)}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{($1)}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{"(1) FROM town"}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{"(name) AS n"}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{()}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'start_api', '{(SELECT name FROM visitor)}', '{"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE

-- sizes and counts
SELECT enrich.start(:town, :label, bucket_size => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, bucket_size => 100001);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, batch_size => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, batch_size => 501);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, batch_size => 11, bucket_size => 10);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, max_input_length => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, concurrency => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, concurrency => 1000000);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, workers => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, workers => 65);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, max_rows => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, max_failed_rows => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, max_tokens => 0);
\echo :LAST_ERROR_SQLSTATE

-- modes
SELECT enrich.start(:town, :label, write_mode => 'append', target => 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, write_mode => 'update', target => 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, write_mode => 'upsert');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, rows => 'new');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, result_rows => 'two');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, name => '');
\echo :LAST_ERROR_SQLSTATE

-- target
SELECT enrich.start(:town, :label, target => 'town');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"name": "$.label"}', target => 'visitor');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'pg_temp.new_table');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"name": "$.label"}', target => 'town_view');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'town_pkey');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => '');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'a b');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'nowhere.new_table');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'a.b.c.d');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, target => 'other_database.public.a');
\echo :LAST_ERROR_SQLSTATE

-- where_clause
SELECT enrich.start(:town, :label, where_clause => '');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'WHERE size > 1');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'nam = 1');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'generate_series(1, 2) = 1');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'size >');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'population > 10');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true; DROP TABLE town');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true;');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true); DROP TABLE town; SELECT (true');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) UNION SELECT (true');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true), (true');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) OR (true');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) ORDER BY (id');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) FOR UPDATE --');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) HAVING (true');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) OFFSET (1');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true) AS x FROM (SELECT 1) AS y --');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'true /*');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'count(*) > 1');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'row_number() OVER () < 3');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'size');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'size > $1');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, where_clause => 'EXISTS (SELECT 1 FROM visitor)');
\echo :LAST_ERROR_SQLSTATE

-- where it is called
BEGIN READ ONLY;
SELECT enrich.start(:town, :label);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
CREATE MATERIALIZED VIEW starter AS SELECT enrich.start(:town, :label) AS job;
\echo :LAST_ERROR_SQLSTATE


-- nothing came of all that
SELECT count(*) FROM enrich.jobs;
SELECT relname FROM pg_class
WHERE relnamespace = 'regress_start'::regnamespace AND relkind = 'r'
ORDER BY relname COLLATE "C";
\d town

-- the numbers of jobs, whatever has run before
RESET ROLE;
ALTER TABLE enrich.catalog_job ALTER job RESTART WITH 1000;
SET ROLE regress_enrich_start;

-- a name that is taken, by a job that is not finished
SELECT enrich.start(:town, :label, concurrency => 0, name => 'first', target => 'first_target') AS job \gset
SELECT name, state IN ('queued', 'bucketizing', 'running') AS unfinished FROM enrich.jobs WHERE job = :job;
SELECT enrich.start(:town, :label, name => 'first', target => 'second_target');
\echo :LAST_ERROR_SQLSTATE
-- its DETAIL says in which state the job is by now
\set VERBOSITY terse
SELECT enrich.start(:town, :label, name => 'first', target => 'second_target', if_not_exists => true) = :job AS same;
\set VERBOSITY default
SELECT to_regclass('second_target');
SELECT enrich.start(:town, :label, concurrency => 0, name => 'other', target => 'second_target', if_not_exists => true) AS other \gset
SELECT :other <> :job AS new;
-- its name is free again as soon as it is finished, and others' names never count
SELECT enrich.cancel(:job);
SELECT enrich.start(:town, output => '{"label": "$.label"}', concurrency => 0, name => 'first', target => 'first_target') AS again \gset
SELECT :again <> :job AS new;
RESET ROLE;
SELECT enrich.start('regress_start.town', 'start_api', '{name}', '{"label": "$.label"}', target => 'first_target',
	concurrency => 0, name => 'first') AS others \gset
SELECT :others <> :again AS new;
SELECT enrich.cancel(:others);
SET ROLE regress_enrich_start;
SELECT enrich.cancel(:other), enrich.cancel(:again);
DROP TABLE first_target, second_target;

-- a start that is rolled back leaves nothing
BEGIN;
SELECT enrich.start(:town, :label, concurrency => 0) AS job \gset
SELECT enrich.start(:town, :label, concurrency => 0, target => 'rolled_back') AS other \gset
SELECT count(*) FROM enrich.jobs WHERE job IN (:job, :other) AND state = 'queued';
SELECT attname FROM pg_attribute WHERE attrelid = 'town'::regclass AND attname = 'label';
SELECT to_regclass('rolled_back');
ROLLBACK;
SELECT count(*) FROM enrich.jobs WHERE job IN (:job, :other);
SELECT attname FROM pg_attribute WHERE attrelid = 'town'::regclass AND attname = 'label';
SELECT to_regclass('rolled_back');
BEGIN;
SAVEPOINT before;
SELECT enrich.start(:town, :label, concurrency => 0, target => 'rolled_back') AS job \gset
ROLLBACK TO SAVEPOINT before;
COMMIT;
SELECT count(*) FROM enrich.jobs WHERE job = :job;
SELECT to_regclass('rolled_back');

-- good enough, but strange: a warning
SELECT enrich.start(:town, :label, request => '{"input": "nothing"}', concurrency => 0, target => 'warned') AS job \gset
SELECT enrich.cancel(:job);
RESET ROLE;
SET client_min_messages = error;
CREATE PUBLICATION regress_enrich_all FOR ALL TABLES;
RESET client_min_messages;
SET ROLE regress_enrich_start;
SELECT enrich.start(:town, output => '{"label": "$.label"}', concurrency => 0, target => 'warned') AS job \gset
SELECT enrich.cancel(:job);
RESET ROLE;
DROP PUBLICATION regress_enrich_all;

SELECT count(enrich.drop(job)) FROM enrich.jobs WHERE state = 'canceled';
SET client_min_messages = warning;
DROP TABLE visitor;
SELECT relname FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace;
DROP SCHEMA regress_start CASCADE;
DROP SERVER start_api, start_get, start_private CASCADE;
DROP FOREIGN DATA WRAPPER start_other_wrapper CASCADE;
DROP ROLE regress_enrich_start;
