--
-- Paths that are wrong, in URLs and in answers: where, and what would be right
--
CREATE ROLE regress_enrich_path LOGIN;
CREATE SCHEMA regress_path AUTHORIZATION regress_enrich_path;
CREATE SERVER path_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/v1', max_concurrency '0');
GRANT USAGE ON FOREIGN SERVER path_api TO regress_enrich_path;
SET search_path = regress_path;
SET ROLE regress_enrich_path;
CREATE TABLE town (id integer PRIMARY KEY, name text NOT NULL, "Odd Name" text, size bigint,
	total bigint GENERATED ALWAYS AS (size * 2) STORED, serial bigint GENERATED ALWAYS AS IDENTITY);
INSERT INTO town SELECT i, 'town ' || i, 'odd', i FROM generate_series(1, 5) i;

-- a call that is good, but for what is added
\set town 'source => ''town'', server => ''path_api'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'''

-- of the URL
SELECT enrich.start(:town, :label, path => '../admin');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1/%2e%2E/admin');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '//evil.example.com/');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1//x');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => 'https://evil.example.com/');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/a b');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1#top');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/a/..');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/a%2f..%2fb');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => E'/a\\b');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => E'/a\nb');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/a?b=1?c=2');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/100%');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/a?b=%zz');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/żółw//x');
\echo :LAST_ERROR_SQLSTATE

-- paths in answers
SELECT enrich.start(:town, output => '{"label text": "label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.["}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "@.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, results => '$.data[');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "data.label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "data[*]"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.first-name"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.first name"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.[0]"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$[''label'']"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "lable of it"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": ""}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.a ? (@ > )"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "strict $.a[last"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.{{name}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.a ? (@ like_regex \"(\")"}');
\echo :LAST_ERROR_SQLSTATE
-- what the parser takes, and nothing fits
SELECT enrich.start(:town, output => '{"label text": "$label"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$.a ? (@.b == $c)"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$[\"label\"]"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "$[-1]"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, output => '{"label text": "strict $.list[-2].name"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, results => '$data[*]');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, result_index => '$["index"]');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, content => '$.choices[-1]');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, results => 'data');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, result_index => '$.');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, content => '');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, results => '$.data[*]', result_index => '$.index', result_key => '$.id');
\echo :LAST_ERROR_SQLSTATE
-- and what looks like that, but is not: strings that hold dollars and brackets
SELECT enrich.start(:town, output => '{"label jsonb": "$.a ? (@ == \"$\\\"x[-1]\").\"[\"", "size": "$.size[last - 1]"}',
	concurrency => 0) IS NOT NULL AS started;

-- servers
RESET ROLE;
ALTER SERVER path_api OPTIONS (ADD results '$.data[');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD results 'data');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD results '$data');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD result_index '@.index');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD result_index '$["index"]');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD content '$.');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD content '$.first-name');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD usage '$[-1]');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (ADD results '$.{{name}}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http://127.0.0.1:9/v1//x');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http://127.0.0.1:9/v1/../x');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http://127.0.0.1:9/v1#top');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http://127.0.0.1:9/100%');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http://127.0.0.1:9/a b');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http://127.0.0.1:9x/');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER path_api OPTIONS (SET url 'http:/127.0.0.1');
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_enrich_path;

-- nothing came of all that but what was good
SELECT count(enrich.cancel(job)) FROM enrich.jobs;
RESET ROLE;
SELECT count(enrich.drop(job)) FROM enrich.jobs WHERE state = 'canceled';
SET client_min_messages = warning;
DROP SCHEMA regress_path CASCADE;
DROP SERVER path_api CASCADE;
DROP ROLE regress_enrich_path;
