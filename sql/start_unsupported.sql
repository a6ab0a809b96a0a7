--
-- What enrich.start does not support yet
--
CREATE SERVER start_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
CREATE TABLE town (id integer PRIMARY KEY, name text);
\set town 'source => ''town'', server => ''start_api'', input => ''{name}'''
\set label 'output => ''{"label text": "$.label"}'''

SELECT enrich.start(:town, :label, result_key => '$.id');
\echo :LAST_ERROR_SQLSTATE
SELECT enrich.start(:town, :label, result_rows => 'many');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM enrich.jobs;

DROP TABLE town;
DROP SERVER start_api;
