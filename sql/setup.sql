--
-- The extension's objects: what there is, that it is described, and who may use it
--

-- it leaves nothing behind, and can be had again
DROP EXTENSION pg_enrich;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'enrich%';
SELECT fdwname FROM pg_foreign_data_wrapper;
CREATE EXTENSION pg_enrich;

-- its schemas are its own
CREATE SCHEMA elsewhere;
ALTER EXTENSION pg_enrich SET SCHEMA elsewhere;
DROP SCHEMA elsewhere;

-- functions
SELECT p.proname AS name, p.prokind AS kind, obj_description(p.oid, 'pg_proc') AS description
FROM pg_proc p
WHERE p.pronamespace = 'enrich'::regnamespace
ORDER BY p.proname COLLATE "C";

-- the parameters that callers name
SELECT regexp_split_to_table(pg_get_function_arguments('enrich.start'::regproc), ', ') AS start;
SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS parameters,
	pg_get_function_result(p.oid) AS result
FROM pg_proc p
WHERE p.pronamespace = 'enrich'::regnamespace
	AND p.proname IN ('pause', 'resume', 'cancel', 'retry', 'alter', 'drop', 'wait')
ORDER BY p.proname COLLATE "C";

-- whatever start takes, preview takes
SELECT p.proargnames[1:27] = s.proargnames AS same_names,
	p.proargtypes::oid[] = s.proargtypes::oid[] AS same_types,
	pg_get_expr(p.proargdefaults, 0) = pg_get_expr(s.proargdefaults, 0) AS same_defaults,
	p.proargnames[28:] AS preview_columns
FROM pg_proc p, pg_proc s
WHERE p.oid = 'enrich.preview'::regproc AND s.oid = 'enrich.start'::regproc;

-- views and tables
SELECT c.relname AS name, c.relkind AS kind, obj_description(c.oid, 'pg_class') AS description
FROM pg_class c
WHERE c.relnamespace = 'enrich'::regnamespace AND c.relkind IN ('v', 'r')
ORDER BY c.relkind DESC, c.relname COLLATE "C";

-- the columns of the views
\pset format unaligned
SELECT c.relname AS view,
	string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
FROM pg_class c
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'enrich'::regnamespace AND c.relkind = 'v'
GROUP BY c.relname
ORDER BY c.relname COLLATE "C";
\pset format aligned

-- members without a description: none
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS undescribed
FROM pg_depend d
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.deptype = 'e' AND e.extname = 'pg_enrich'
	AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass,
		'pg_foreign_data_wrapper'::regclass)
	AND c.relkind IS DISTINCT FROM 'S'
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 1;

-- the wrapper has a validator and no handler
SELECT fdwname, fdwhandler::regproc, fdwvalidator::regproc FROM pg_foreign_data_wrapper;

-- privileges of everybody: the schema enrich, its views, nothing else
CREATE ROLE regress_enrich_nobody;
SELECT nspname AS schema,
	has_schema_privilege('regress_enrich_nobody', oid, 'USAGE') AS usage,
	has_schema_privilege('regress_enrich_nobody', oid, 'CREATE') AS create
FROM pg_namespace
WHERE nspname LIKE 'enrich%'
ORDER BY nspname COLLATE "C";
SELECT c.relname AS relation, c.relkind AS kind,
	string_agg(privilege, ', ' ORDER BY privilege)
		FILTER (WHERE CASE
			WHEN c.relkind = 'S' THEN
				privilege IN ('SELECT', 'UPDATE')
				AND has_sequence_privilege('regress_enrich_nobody', c.oid, privilege)
			ELSE has_table_privilege('regress_enrich_nobody', c.oid, privilege) END) AS may
FROM pg_class c,
	unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
WHERE c.relnamespace = 'enrich'::regnamespace AND c.relkind IN ('v', 'r', 'S')
GROUP BY c.relname, c.relkind
ORDER BY c.relname COLLATE "C";
SELECT has_foreign_data_wrapper_privilege('regress_enrich_nobody', 'pg_enrich', 'USAGE') AS may_create_servers;
SET ROLE regress_enrich_nobody;
SELECT count(*) FROM enrich.jobs;
SELECT count(*) FROM enrich.progress;
SELECT count(*) FROM enrich.buckets;
SELECT count(*) FROM enrich.failures;
SELECT count(*) FROM enrich.servers;
SELECT count(*) FROM enrich.catalog_job;
INSERT INTO enrich.catalog_job (owner, source, source_name) VALUES (10, 0, 'x');
CREATE TABLE enrich_staging.mine (a integer);
RESET ROLE;
DROP ROLE regress_enrich_nobody;

-- a job that is not there
SELECT enrich.pause(1);
SELECT enrich.resume(1);
SELECT enrich.cancel(1);
SELECT enrich.retry(1);
SELECT enrich.alter(1, concurrency => 2);
SELECT enrich.drop(1);
CALL enrich.wait(1);
