--
-- A role that may not log in starts jobs from PostgreSQL 17 on; before, no worker can act as it
--
CREATE ROLE regress_enrich_group NOLOGIN;
CREATE SERVER nologin_api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1:9', max_concurrency '0');
GRANT USAGE ON FOREIGN SERVER nologin_api TO regress_enrich_group;
CREATE SCHEMA regress_nologin AUTHORIZATION regress_enrich_group;
SET ROLE regress_enrich_group;
CREATE TABLE regress_nologin.town AS SELECT i AS id, 'town ' || i AS name FROM generate_series(1, 5) i;
ALTER TABLE regress_nologin.town ADD PRIMARY KEY (id);
SELECT enrich.start('regress_nologin.town', 'nologin_api', '{name}', '{"label text": "$.label"}') > 0 AS started;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM enrich.jobs;
SELECT count(enrich.cancel(job)) FROM enrich.jobs;
SELECT count(enrich.drop(job)) FROM enrich.jobs;
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA regress_nologin CASCADE;
DROP SERVER nologin_api;
DROP ROLE regress_enrich_group;
