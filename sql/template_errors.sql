--
-- Templates that are wrong: where, and what would be right
--
CREATE ROLE regress_enrich_template LOGIN;
CREATE SCHEMA regress_template AUTHORIZATION regress_enrich_template;
CREATE SERVER template_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
CREATE SERVER template_get FOREIGN DATA WRAPPER pg_enrich
	OPTIONS (url 'http://127.0.0.1:9/things/{{id}}', method 'GET', max_concurrency '0');
CREATE SERVER template_list FOREIGN DATA WRAPPER pg_enrich
	OPTIONS (url 'http://127.0.0.1:9', method 'GET', max_concurrency '0');
CREATE SERVER template_url FOREIGN DATA WRAPPER pg_enrich
	OPTIONS (url 'http://127.0.0.1:9/{{city}}/x', max_concurrency '0');
CREATE SERVER template_request FOREIGN DATA WRAPPER pg_enrich
	OPTIONS (url 'http://127.0.0.1:9', request '{"q": "{{nmae}}"}', max_concurrency '0');
GRANT USAGE ON FOREIGN SERVER template_api, template_get, template_list, template_url, template_request
	TO regress_enrich_template;
SET search_path = regress_template;
SET ROLE regress_enrich_template;
CREATE TABLE town (id integer PRIMARY KEY, name text NOT NULL, "Odd Name" text, size bigint,
	total bigint GENERATED ALWAYS AS (size * 2) STORED, serial bigint GENERATED ALWAYS AS IDENTITY);
INSERT INTO town SELECT i, 'town ' || i, 'odd', i FROM generate_series(1, 5) i;

-- a call that is good, but for what is added
\set town 'source => ''town'', server => ''template_api'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'''

-- the body
SELECT enrich.start(:town, :label, request => '{"input": {{inputs}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{imputs}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{size}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{now}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{inputs"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"{{name}}": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{inputs}}", "model": "a", "model": "b"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": ["{{each}}"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{each}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '["{{each}}", ["{{each}}", "{{name}}"]]');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"text": "{{name}}"}', batch_size => 10);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/places/{{id}}', batch_size => 10);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'template_get', '{name}', :label, batch_size => 2);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'template_get', '{name}', :label, request => '{"input": "{{inputs}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{Name}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"a": [1, "from {{ nmae }}"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{upper(name)}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "{{fingerprint}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": "all of {{each}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": ["{{name}}", "{{each}}"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"input": ["{{each}}", "{{name}}", "{{id}}"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"a": {"b": "{{ name }"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"a": "{{"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"{{name": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"a": {"b": 1}, "c": {"b": 2, "d": [{"b": 3, "\u0062": 4}]}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => E'{"model": "small",\n "text": "żółw: {{imputs}}"}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '"{{input}}"', batch_size => 3);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, request => '{"a": "{{id}}", "b": ["{{each}}", "{{name}}"]}', batch_size => 3);
\echo :LAST_ERROR_SQLSTATE

-- that of a server: it says whose it is
SELECT enrich.start('town', 'template_request', '{name}', :label);
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start('town', 'template_url', '{name}', :label);
\echo :LAST_ERROR_SQLSTATE

-- the path
SELECT enrich.start(:town, :label, path => '/v1/{{id');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1/{{nr}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1/{{nam}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1/{{size}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1/{{each}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1/{{now}}');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, path => '/v1?q={{}}');
\echo :LAST_ERROR_SQLSTATE

-- good enough, but strange: a warning
CREATE TABLE warned (id integer PRIMARY KEY, label text);
\set warned 'source => ''town'', server => ''template_api'', input => ''{name}'', output => ''{"label": "$.label"}'', target => ''warned'', concurrency => 0'
SELECT enrich.start(:warned, request => '{"input": "nothing"}') IS NOT NULL AS started;
SELECT enrich.start(:warned, request => '{"input": "{inputs}"}') IS NOT NULL AS started;
SELECT enrich.start(:warned, request => '3') IS NOT NULL AS started;
SELECT enrich.start(:warned, request => '["{{each}}", "x"]') IS NOT NULL AS started;
SELECT enrich.start(:warned, request => '["{{each}}", {"all": "{{inputs}}"}]') IS NOT NULL AS started;
SELECT enrich.start(:warned, request => '["{{each}}", "{{rows}}"]') IS NOT NULL AS started;
SELECT enrich.start('town', 'template_list', '{name}', '{"label": "$.label"}', target => 'warned', concurrency => 0) IS NOT NULL AS started;
-- no warning: placeholders of the whole request may stand in a path, and braces of other numbers are text
SELECT enrich.start(:warned, path => '/v1/{{job}}?q={{inputs}}') IS NOT NULL AS started;
SELECT enrich.start(:warned, request => '{"a": "{{{name}}} {{{{each}} {x}"}') IS NOT NULL AS started;

-- nothing came of all that but what was good
SELECT count(enrich.cancel(job)) FROM enrich.jobs;
RESET ROLE;
SELECT count(enrich.drop(job)) FROM enrich.jobs WHERE state = 'canceled';

-- servers: all but the names, which a job decides on
ALTER SERVER template_api OPTIONS (ADD request '{"input": {{inputs}}}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '{"input": "{{inputs"}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '{"input": "{{each}}"}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '["{{each}}", 1, 2]');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '{"{{name}}": 1}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '{"input": "{{}}"}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '{"a": [{"żółw": 1, "b": 2, "żółw": 3}]}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (SET url 'https://{{host}}.example.com/v1');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (SET url 'https://example.com:{{port}}/');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (SET url '{{scheme}}://example.com/');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (SET url 'https://example.com/{{each}}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (SET url 'https://example.com/v1?q={{name');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (SET url 'https://example.com/{{}}/x');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_list OPTIONS (ADD request '{"input": "{{inputs}}"}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD reqest '{"input": "{{inputs}}"}');
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER template_api OPTIONS (ADD request '{"input": "{{any}}", "list": ["{{each}}", "{{thing}}"]}',
	SET url 'https://example.com/{{what}}?q={{ever}}');

SET client_min_messages = warning;
DROP SCHEMA regress_template CASCADE;
DROP SERVER template_api, template_get, template_list, template_url, template_request CASCADE;
DROP ROLE regress_enrich_template;
