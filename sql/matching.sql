--
-- result_key and result_rows => 'many': what enrich.start refuses and makes, what preview shows
--
CREATE SCHEMA regress_matching;
SET search_path = regress_matching;
CREATE SERVER matching_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
CREATE SERVER matching_single FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9/{{id}}', method 'GET');
CREATE SERVER matching_batch FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', batch_size '1', result_index '$.index');
CREATE TABLE town (id integer, code varchar(8) COLLATE "C", name text, PRIMARY KEY (code, id));
INSERT INTO town SELECT i, 'T' || i, 'town ' || i FROM generate_series(1, 3) i;
\set town 'source => ''town'', server => ''matching_api'', input => ''{name}'', concurrency => 0'
\set label 'output => ''{"label text": "$.label"}'''

-- which row an item belongs to is told in one way
SELECT enrich.start(:town, :label, result_key => '$.id', result_index => '$.index');
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1, result_index => '$.index');
SELECT enrich.start(:town, :label, result_key => '$.[');
SELECT enrich.start(:town, :label, result_key => '');
SELECT enrich.start(:town, :label, result_rows => 'several');

-- many items belong to the one row of a request, or tell whose they are
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many');
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 2);
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', bucket_size => 7);
SELECT enrich.start(:town, :label, result_rows => 'many', batch_size => 1);
SELECT enrich.start(:town, :label, result_rows => 'many', result_key => '$.id');
SELECT enrich.start(:town, target => 'items', result_rows => 'many', batch_size => 1, output => '{"item text": "$"}');
SELECT enrich.start(:town, target => 'items', result_rows => 'many', batch_size => 1, output => '{"ITEM integer": "$"}');
SELECT enrich.start(:town, target => 'items', result_rows => 'many', batch_size => 1, output => '{"code text": "$"}');
CREATE TABLE ordered (item integer PRIMARY KEY, name text);
SELECT enrich.start('ordered', 'matching_api', '{name}', :label, target => 'items', result_rows => 'many', batch_size => 1);

-- keys have an order, and so has all in them
CREATE TYPE pair AS (a integer, b xid);
CREATE TABLE unordered (list xid[], pair pair, name text);
SELECT enrich.start('unordered', 'matching_api', '{name}', :label, target => 'items', write_mode => 'insert', key => '{list}', result_key => '$.id');
SELECT enrich.start('unordered', 'matching_api', '{name}', :label, target => 'items', write_mode => 'insert', key => '{pair}', result_key => '$.id');
SELECT to_regclass('items');

-- a target that is there has to number the items
CREATE TABLE items (id integer, code varchar(8) COLLATE "C", label text);
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
ALTER TABLE items ADD item bigint;
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
ALTER TABLE items ALTER item TYPE integer;
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
-- an index on the key alone allows but one item, one that is partial or deferrable none
CREATE UNIQUE INDEX items_key ON items (code, id);
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
DROP INDEX items_key;
CREATE UNIQUE INDEX items_partial ON items (code, id, item) WHERE item > 0;
ALTER TABLE items ADD CONSTRAINT items_deferrable UNIQUE (code, id, item) DEFERRABLE;
CREATE UNIQUE INDEX items_more ON items (code, id, item, label);
CREATE UNIQUE INDEX items_other ON items (code, id, label);
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
-- which insert and overwrite do without
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1, write_mode => 'insert') AS job \gset
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1, write_mode => 'overwrite') AS job \gset
CREATE UNIQUE INDEX items_right ON items (item, id, code);
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1) AS job \gset
CREATE VIEW look AS SELECT * FROM items;
SELECT enrich.start(:town, :label, target => 'look', result_rows => 'many', batch_size => 1);
SELECT enrich.start(:town, :label, target => 'look', result_rows => 'many', batch_size => 1, write_mode => 'insert') AS job \gset
CREATE TABLE computed (id integer, code varchar(8) COLLATE "C", item integer GENERATED ALWAYS AS (id + 1) STORED, label text);
SELECT enrich.start(:town, :label, target => 'computed', result_rows => 'many', batch_size => 1, write_mode => 'insert');
ALTER TABLE computed DROP item, DROP id, ADD item integer, ADD id integer GENERATED ALWAYS AS (length(code)) STORED;
SELECT enrich.start(:town, :label, target => 'computed', result_rows => 'many', batch_size => 1, write_mode => 'insert');
-- with one item a row the target need not number them, and item is a name as any other
SELECT enrich.start(:town, target => 'single', output => '{"item text": "$"}', result_key => '$.id') AS job \gset
\d single

-- rights: items that a row has no more are deleted
CREATE ROLE regress_enrich_matching LOGIN;
GRANT USAGE ON SCHEMA regress_matching TO regress_enrich_matching;
GRANT SELECT ON town TO regress_enrich_matching;
GRANT USAGE ON FOREIGN SERVER matching_api TO regress_enrich_matching;
GRANT SELECT, INSERT, UPDATE ON items TO regress_enrich_matching;
SET ROLE regress_enrich_matching;
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1, write_mode => 'overwrite');
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1, write_mode => 'insert') AS job \gset
RESET ROLE;
GRANT DELETE ON items TO regress_enrich_matching;
REVOKE INSERT ON items FROM regress_enrich_matching;
GRANT INSERT (id, code, label) ON items TO regress_enrich_matching;
SET ROLE regress_enrich_matching;
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1);
RESET ROLE;
GRANT INSERT (item) ON items TO regress_enrich_matching;
SET ROLE regress_enrich_matching;
SELECT enrich.start(:town, :label, target => 'items', result_rows => 'many', batch_size => 1) AS job \gset
RESET ROLE;

-- what is made: the key, item, the outputs
SELECT enrich.start(:town, target => 'made', result_rows => 'many', result_key => '$.id', output => '{"label text": "$.label", "embedding real[]": "$.e"}') AS job \gset
\d made
SELECT result_key, result_rows, target, write_mode FROM enrich.jobs WHERE job = :job;
SELECT enrich.start(:town, target => 'made', result_rows => 'many', result_key => '$.id', output => '{"label text": "$.label", "more jsonb": "$"}') AS job \gset
\d made
-- a URL of a single row; a server's batch_size, and its result_index, which then does not count
SELECT enrich.start('town', 'matching_single', '{name}', :label, target => 'made_2', result_rows => 'many', concurrency => 0) AS job \gset
SELECT enrich.start('town', 'matching_batch', '{name}', :label, target => 'made_3', result_rows => 'many', concurrency => 0) AS job \gset
SELECT enrich.start('town', 'matching_batch', '{name}', :label, target => 'made_4', result_key => '$.id', concurrency => 0) AS job \gset
SELECT result_index, result_key, result_rows FROM enrich.jobs WHERE job = :job;

-- preview refuses what start refuses, and makes nothing
SELECT * FROM enrich.preview(:town, :label, result_key => '$.id', result_index => '$.index');
SELECT * FROM enrich.preview(:town, :label, target => 'unmade', result_rows => 'many');
SELECT request_body, results ? 'error' AS has_error FROM enrich.preview(:town, :label, target => 'unmade', result_rows => 'many', result_key => '$.id');
SELECT request_body FROM enrich.preview(:town, :label, target => 'unmade', result_rows => 'many', batch_size => 1);
SELECT to_regclass('unmade');
INSERT INTO made VALUES ('T1', 1, 0, 'there'), ('T2', 2, 0, NULL), ('T2', 2, 1, NULL), ('T3', 3, 0, NULL), ('T3', 3, 1, 'there');
SELECT request_body FROM enrich.preview(:town, target => 'made', rows => 'missing', result_rows => 'many', result_key => '$.id', output => '{"label": "$.label"}');

SELECT count(enrich.cancel(job)) FROM enrich.jobs;
SELECT count(enrich.drop(job)) FROM enrich.jobs;
SET client_min_messages = warning;
DROP OWNED BY regress_enrich_matching;
DROP ROLE regress_enrich_matching;
DROP SCHEMA regress_matching CASCADE;
DROP SERVER matching_api, matching_single, matching_batch;
