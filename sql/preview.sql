--
-- enrich.preview where nothing listens: what would be asked, and that it could not be
--
CREATE ROLE regress_enrich_preview LOGIN;
CREATE SCHEMA regress_preview AUTHORIZATION regress_enrich_preview;
CREATE SERVER preview_post FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/v1?version=2',
	headers '{"X-Plain": "seen", "Accept-Language": "de"}', connect_timeout '5s');
CREATE USER MAPPING FOR regress_enrich_preview SERVER preview_post OPTIONS (bearer_token 'hush-token',
	secret_headers '{"X-Api-Key": "hush-header"}', secret_query '{"key": "hush-query"}');
CREATE SERVER preview_get FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/things/{{id}}?name={{name}}', method 'GET');
CREATE USER MAPPING FOR PUBLIC SERVER preview_get OPTIONS (username 'me', password 'hush-password');
CREATE SERVER preview_shape FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/{{job}}/{{bucket}}',
	request '{"q": "{{inputs}}"}', results '$.items[*]', batch_size '2');
GRANT USAGE ON FOREIGN SERVER preview_post, preview_get, preview_shape TO regress_enrich_preview;
SET search_path = regress_preview;
SET ROLE regress_enrich_preview;
CREATE TABLE town (id integer PRIMARY KEY, name text, size numeric, tags text[], founded date, twin jsonb);
INSERT INTO town VALUES (1, 'Bonn 1/2 & "co"', 1.50, '{a,b}', '0050-01-01', '{"b": 1, "a": [null]}'),
	(2, 'line' || chr(10) || 'break', NULL, NULL, NULL, NULL), (3, '', 3, '{}', 'infinity', 'null'), (4, 'four', 4, NULL, NULL, '4');
\set town 'source => ''town'', server => ''preview_post'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'''
\x on
\pset format unaligned

-- the error, in place of results; secrets are masked
SELECT request_url, request_headers, request_body, status, response, results ? 'error' AS has_error
FROM enrich.preview(:town, :label, path => '/embeddings?a=b');
SELECT results ->> 'error' ~ 'connect' AS says_why FROM enrich.preview(:town, :label);
SELECT request_url, request_headers, request_body FROM enrich.preview('town', 'preview_get', '{name}', :label);
-- a server's defaults count
SELECT request_url, request_headers, request_body FROM enrich.preview('town', 'preview_shape', '{name}', :label);
SELECT request_body FROM enrich.preview('town', 'preview_shape', '{name}', :label, batch_size => 3);
SELECT request_body FROM enrich.preview('town', 'preview_shape', '{name}', :label, request => '["{{inputs}}"]');

-- templates
SELECT request_body FROM enrich.preview(:town, :label, request => '{"model":  "m", "z": 1.0, "input": "{{inputs}}", "a": {}}');
SELECT request_body FROM enrich.preview('town', 'preview_post', '{size,tags,founded,twin}', :label, request => '{"rows": "{{rows}}"}');
SELECT request_body FROM enrich.preview('town', 'preview_post', '{size,tags,founded,twin}', :label,
	request => '{"id": "{{id}}", "size": "{{size}}", "tags": "{{tags}}", "founded": "{{founded}}", "twin": "{{twin}}", "text": "{{id}}: {{size}}, {{tags}}, {{input}}"}');
SELECT request_body FROM enrich.preview(:town, :label, request => '{"messages": ["{{each}}", {"role": "user", "content": "Name: {{name}}", "n": "{{id}}"}]}');
SELECT request_body FROM enrich.preview(:town, :label, request => '"{{{{name}} is {{name}}"');
SELECT request_body FROM enrich.preview(:town, :label, request => '{"text": "all: {{inputs}}"}');
SELECT request_url, request_body FROM enrich.preview(:town, :label, path => '/places/{{name}}/{{id}}?q={{input}}', request => '{}');

-- inputs: separator, cut, empty ones left out, a condition, no more than max_rows
SELECT request_body FROM enrich.preview('town', 'preview_post', '{id,name,size}', :label, separator => ' | ', max_input_length => 9);
SELECT request_body FROM enrich.preview(:town, :label, where_clause => 'id > 1 -- and so on');
SELECT request_body FROM enrich.preview(:town, :label, max_rows => 1);
SELECT request_body FROM enrich.preview(:town, :label, bucket_size => 2);
SELECT * FROM enrich.preview(:town, :label, where_clause => 'false');
SELECT request_url, request_body, status, response, results FROM enrich.preview(:town, :label, where_clause => 'id = 3');
\pset format aligned
\x off

-- what start refuses, preview refuses
SELECT * FROM enrich.preview('town', 'nowhere', '{name}', :label);
SELECT * FROM enrich.preview(:town, output => '{"label": "$.label"}');
SELECT * FROM enrich.preview(:town, :label, request => '{"text": "{{nr}}"}');
SELECT * FROM enrich.preview(:town, :label, where_clause => 'population > 1');
SELECT * FROM enrich.preview(:town, :label, batch_size => 0);
SELECT * FROM enrich.preview('town', 'preview_get', '{name}', :label, request => '{}');

-- nothing is written, so it may be in a read-only transaction too
BEGIN READ ONLY;
SELECT request_body FROM enrich.preview(:town, :label, target => 'town_label', name => 'none', bucket_size => 1);
SELECT request_body FROM enrich.preview(:town, :label, target => 'town_label', rows => 'missing', bucket_size => 1);
COMMIT;
SELECT count(*) FROM enrich.jobs;
SELECT to_regclass('town_label');
SELECT count(*) FROM pg_attribute WHERE attrelid = 'town'::regclass AND attname = 'label';

-- rows that have no result yet
CREATE TABLE town_label (id integer PRIMARY KEY, label text);
INSERT INTO town_label VALUES (1, 'done'), (2, NULL);
SELECT request_body FROM enrich.preview(:town, output => '{"label": "$.label"}', target => 'town_label', rows => 'missing', where_clause => 'id < 4');

RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA regress_preview CASCADE;
DROP SERVER preview_post, preview_get, preview_shape CASCADE;
DROP ROLE regress_enrich_preview;
