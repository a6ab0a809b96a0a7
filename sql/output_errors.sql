--
-- Outputs that are wrong: where, and what would be right
--
CREATE ROLE regress_enrich_output LOGIN;
CREATE SCHEMA regress_output AUTHORIZATION regress_enrich_output;
CREATE SERVER output_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
GRANT USAGE ON FOREIGN SERVER output_api TO regress_enrich_output;
SET search_path = regress_output;
SET ROLE regress_enrich_output;
CREATE TABLE town (id integer PRIMARY KEY, name text NOT NULL, "Odd Name" text, size bigint,
	total bigint GENERATED ALWAYS AS (size * 2) STORED, serial bigint GENERATED ALWAYS AS IDENTITY);
INSERT INTO town SELECT i, 'town ' || i, 'odd', i FROM generate_series(1, 5) i;
CREATE TABLE town_label (id integer PRIMARY KEY, label text, short varchar(10), made date);
CREATE DOMAIN early AS timestamptz CHECK (VALUE < '2000-01-01');

-- a call that is good, but for what is added
\set town 'source => ''town'', server => ''output_api'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'''

-- output
SELECT enrich.start(:town, output => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": ');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '["label"]');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '"label"');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"  ": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"\"label text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": null}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": ""}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label": "$.label"}', target => 'new_table');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"size text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label varchar(10)": "$.label"}', target => 'town_label');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label anyelement": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label cstring": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label record": "$.label"}', target => 'new_table');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text NOT NULL": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label txt": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label setof text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label serial": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"id": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.label", "LABEL text": "$.other"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.label", "\"label\" text": "$.other"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.label", "label text": "$.other"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"total": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"serial": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"ctid": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"ctid text": "$.label"}', target => 'new_table');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"\"\" text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label\" text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"''label'' text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label: text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"first,last text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"2nd text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"first-name text": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label string": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label vector(3)": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text(10)": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label numeric(2000)": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label nowhere.kind": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text default 1": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"Odd Name": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": {"path": "$.label"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": ["$.label"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": true}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"siez": "$.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"lable": "$.label"}', target => 'town_label');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"short varchar(20)": "$.label"}', target => 'town_label');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"id integer": "$.label"}', target => 'new_table');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"tableoid oid": "$.label"}', target => 'town_label');
\echo :LAST_ERROR_SQLSTATE

-- placeholders as outputs, and what rows => 'changed' needs
SELECT enrich.start(:town, output => '{"label text": "{{label}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{name"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{inputs}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{size}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "by {{job}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.label", "seen integer": "{{fingerprint}}"}', rows => 'changed');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, rows => 'changed');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{nmae}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{ Job }}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{input}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{each}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{bucket}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{job}} of {{name}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "{{job}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label integer": "{{now}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label varchar(4)": "{{now}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label date": "{{job}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label boolean[]": "{{job}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"made": "{{job}}"}', target => 'town_label');
\echo :LAST_ERROR_SQLSTATE

-- these fit, as far as can be known before there is a value
SELECT enrich.start(:town, output => '{"a date": "{{now}}", "b text": "{{now}}", "c jsonb": "{{now}}", "d numeric": "{{job}}",
	"e early": "{{now}}", "\"F g\" text": "{{fingerprint}}", "h integer": "{{name}}"}', target => 'fits', concurrency => 0) IS NOT NULL AS started;
\d fits

-- nothing came of all that but what was good
SELECT count(enrich.cancel(job)) FROM enrich.jobs;
RESET ROLE;
SELECT count(enrich.drop(job)) FROM enrich.jobs WHERE state = 'canceled';
SET client_min_messages = warning;
DROP SCHEMA regress_output CASCADE;
DROP SERVER output_api CASCADE;
DROP ROLE regress_enrich_output;
