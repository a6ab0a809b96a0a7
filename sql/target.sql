--
-- What enrich.start makes: tables and columns for the results
--
CREATE SCHEMA regress_target;
CREATE SCHEMA "Odd Schema";
SET search_path = regress_target;
CREATE SERVER target_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE place AS (lat double precision, lon double precision);
CREATE TABLE town (id integer GENERATED ALWAYS AS IDENTITY, code varchar(8) COLLATE "C" NOT NULL, name text,
	"Odd ""Name" text, PRIMARY KEY (code, id));
INSERT INTO town (code, name) SELECT 'T' || i, 'town ' || i FROM generate_series(1, 5) i;
\set town 'source => ''town'', server => ''target_api'', input => ''{name}'', concurrency => 0'

-- key columns first, in the order of the primary key, then outputs in the order they are given
SELECT enrich.start(:town, target => 'results', output => '{"zeta real[]": "$.z", "alpha text": "$.a",
	"price NUMERIC(6,2)": "$.m", "\"Mixed CASE\" timestamp(3) with time zone": "$.n"}') AS job \gset
\d results
SELECT target, write_mode FROM enrich.jobs WHERE job = :job;
SELECT key FROM enrich.jobs WHERE job = :job;

-- a key that is given, in its own order
SELECT enrich.start(:town, target => 'by_name', key => '{name,id}', output => '{"label text": "$"}') AS job \gset
\d by_name

-- types that are not in pg_catalog: domains, enums, composites and arrays of them
SELECT enrich.start(:town, target => 'typed', output => '{"n positive": "$.n", "m mood": "$.m", "p place": "$.p",
	"ps regress_target.place[]": "$.ps", "t pg_catalog.bpchar(3)": "$.t", "j jsonb": "$", "i interval day to second(2)": "$.i"}') AS job \gset
\d typed

-- odd names, and names in other schemas
SELECT enrich.start(:town, target => '"Odd Schema"."Odd ""Table"', output => '{"\"Odd \"\"Name\" text": "$.a", "\"select\" text": "$.b",
	"\"with space\" text": "$.c"}') AS job \gset
\d "Odd Schema"."Odd ""Table"
SELECT target FROM enrich.jobs WHERE job = :job;
SELECT enrich.start(:town, target => 'REGRESS_TARGET.Folded', output => '{"label text": "$"}') AS job \gset
SELECT target FROM enrich.jobs WHERE job = :job;
CREATE TABLE "Source Table" ("Key Column" text PRIMARY KEY, "Input Column" text);
SELECT enrich.start('"Source Table"', 'target_api', '{"Input Column"}', '{"label text": "$"}', target => 'from_odd', concurrency => 0) AS job \gset
\d from_odd
SELECT source, input, key, target FROM enrich.jobs WHERE job = :job;

-- what is missing in a target that exists is added, what is there stays
CREATE TABLE existing (note text, id integer, code varchar(8) COLLATE "C", label text, UNIQUE (id, code));
SELECT enrich.start(:town, target => 'existing', output => '{"extra real[]": "$.e", "label": "$.l", "more mood": "$.m"}') AS job \gset
\d existing
-- the same again: nothing is missing any more
SELECT enrich.start(:town, target => 'existing', output => '{"extra real[]": "$.e", "label text": "$.l", "more": "$.m"}') AS job \gset
\d existing

-- float arrays that were made are stored uncompressed; columns that were there stay as they are
CREATE TABLE has_floats (id integer, code varchar(8), old real[], PRIMARY KEY (id, code));
SELECT enrich.start(:town, target => 'has_floats', output => '{"old": "$.o", "new real[]": "$.n", "wide float8[]": "$.w",
	"whole integer[]": "$.i"}') AS job \gset
SELECT attrelid::regclass, attname, attstorage FROM pg_attribute
WHERE attrelid IN ('results'::regclass, 'has_floats'::regclass) AND attnum > 0 AND atttypid::regtype::text LIKE '%[]'
ORDER BY attrelid, attnum;

-- insert and overwrite need no unique index
CREATE TABLE history (id integer, code varchar(8), label text, at timestamptz DEFAULT now());
SELECT enrich.start(:town, target => 'history', write_mode => 'insert', output => '{"label": "$"}') AS job \gset
SELECT target, write_mode FROM enrich.jobs WHERE job = :job;
SELECT enrich.start(:town, target => 'history', write_mode => 'overwrite', output => '{"label": "$"}') AS job \gset
SELECT target, write_mode FROM enrich.jobs WHERE job = :job;

-- without a target: columns of the source itself
SELECT enrich.start(:town, output => '{"label text": "$.l", "Vector float4[]": "$.v", "\"Odd \"\"Name\"": "$.o"}') AS job \gset
\d town
SELECT target, write_mode FROM enrich.jobs WHERE job = :job;

-- a partitioned source gets them in all its partitions
CREATE TABLE parted (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200);
SELECT enrich.start('parted', 'target_api', '{name}', '{"label text": "$"}', concurrency => 0) AS job \gset
\d parted_2

-- a table of that name elsewhere in the search path is the target, as everywhere in SQL
CREATE SCHEMA regress_target_2;
CREATE TABLE regress_target_2.found (id integer, code varchar(8), label text, PRIMARY KEY (id, code));
SET search_path = regress_target, regress_target_2;
SELECT enrich.start(:town, target => 'found', output => '{"label": "$"}') AS job \gset
SELECT target FROM enrich.jobs WHERE job = :job;
SELECT to_regclass('regress_target.found');

-- what is made belongs to the caller
CREATE ROLE regress_enrich_target LOGIN;
GRANT CREATE, USAGE ON SCHEMA regress_target TO regress_enrich_target;
GRANT SELECT ON town TO regress_enrich_target;
GRANT USAGE ON FOREIGN SERVER target_api TO regress_enrich_target;
-- what foreign keys refer to is updated in place
CREATE TABLE referred (id integer, code varchar(8) COLLATE "C", label text, PRIMARY KEY (id, code));
CREATE TABLE referring (id integer, code varchar(8) COLLATE "C", FOREIGN KEY (id, code) REFERENCES referred);
GRANT SELECT (id, code), INSERT, DELETE ON referred TO regress_enrich_target;
SET ROLE regress_enrich_target;
SELECT enrich.start(:town, target => 'referred', write_mode => 'overwrite', output => '{"label": "$"}');
RESET ROLE;
DROP TABLE referring;
SET ROLE regress_enrich_target;
SELECT enrich.start(:town, target => 'referred', write_mode => 'overwrite', output => '{"label": "$"}') IS NOT NULL AS without_it;
SELECT enrich.start(:town, target => 'owned', output => '{"label text": "$"}') AS job \gset
SELECT relowner::regrole FROM pg_class WHERE oid = 'owned'::regclass;
SELECT enrich.start(:town, target => 'results', output => '{"label text": "$"}') AS job \gset
SELECT enrich.start(:town, target => 'regress_target_2.mine', output => '{"label text": "$"}') AS job \gset
RESET ROLE;

SELECT count(enrich.cancel(job)) FROM enrich.jobs;
SELECT count(enrich.drop(job)) FROM enrich.jobs;
SET client_min_messages = warning;
DROP OWNED BY regress_enrich_target;
DROP ROLE regress_enrich_target;
DROP SCHEMA regress_target, regress_target_2, "Odd Schema" CASCADE;
DROP SERVER target_api;
