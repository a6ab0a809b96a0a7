-- What SQL declares is what the library's tables say: the parameters of a job, and its counters.
-- A difference is a row here.
CREATE FUNCTION pg_temp.job_columns(OUT name text, OUT type oid, OUT argument text, OUT argument_type oid, OUT required boolean, OUT default_value text)
	RETURNS SETOF record LANGUAGE C STRICT AS '$libdir/pg_enrich', 'enrich_job_columns';
CREATE FUNCTION pg_temp.counters(OUT name text, OUT type oid)
	RETURNS SETOF record LANGUAGE C STRICT AS '$libdir/pg_enrich', 'enrich_counters';
CREATE TEMP VIEW parameters AS
	SELECT row_number() OVER () AS place, * FROM pg_temp.job_columns() WHERE argument IS NOT NULL;
CREATE TEMP VIEW columns AS
	SELECT attrelid::regclass::text AS relation, attname::text AS name, atttypid AS type
	FROM pg_attribute
	WHERE attrelid IN ('enrich.catalog_job'::regclass, 'enrich.catalog_job_counters'::regclass, 'enrich.jobs'::regclass, 'enrich.progress'::regclass)
		AND attnum > 0 AND NOT attisdropped;
SELECT count(*) AS parameters FROM parameters;
SELECT count(*) AS counters FROM pg_temp.counters();

-- start and preview: names, types and defaults, in this order; both have if_not_exists behind them
SELECT f.proname, a.argument, a.type, a.default_value, p.argument, p.type, p.default_value
FROM (VALUES ('start'), ('preview')) v (proname)
	JOIN pg_proc f ON f.proname = v.proname AND f.pronamespace = 'enrich'::regnamespace
	CROSS JOIN LATERAL (
		SELECT place, f.proargnames[place] AS argument, f.proargtypes[place - 1]::regtype AS type,
			pg_get_function_arg_default(f.oid, place) AS default_value
		FROM generate_series(1, f.pronargs) place) a
	FULL JOIN LATERAL (
		SELECT place, argument, argument_type::regtype AS type,
			CASE WHEN required THEN NULL
				WHEN default_value IS NULL THEN 'NULL::' || argument_type::regtype
				WHEN argument_type = 'text'::regtype THEN quote_literal(default_value) || '::text'
				ELSE default_value END AS default_value
		FROM parameters) p USING (place)
WHERE (a.argument, a.type, a.default_value) IS DISTINCT FROM (p.argument, p.type, p.default_value)
ORDER BY 1, 2;

-- the table of jobs: what the library writes and reads is there, and no other parameter is
SELECT p.name, p.type::regtype, c.type::regtype AS declared
FROM pg_temp.job_columns() p
	LEFT JOIN columns c ON c.relation = 'enrich.catalog_job' AND c.name = p.name
WHERE c.type IS DISTINCT FROM p.type
ORDER BY 1;
SELECT c.name
FROM columns c
WHERE c.relation = 'enrich.catalog_job' AND c.name NOT IN (SELECT name FROM pg_temp.job_columns())
ORDER BY 1;

-- the view: as start takes them, but for paths, which are text, and a relation, which is its name
SELECT p.argument, p.type::regtype, c.type::regtype AS shown
FROM (
	SELECT argument, CASE WHEN argument_type IN ('jsonpath'::regtype, 'regclass'::regtype)
		THEN 'text'::regtype ELSE argument_type END AS type FROM parameters) p
	LEFT JOIN columns c ON c.relation = 'enrich.jobs' AND c.name = p.argument
WHERE c.type IS DISTINCT FROM p.type
ORDER BY 1;

-- counters: in their table, which has others of its own; and their sums in the view
SELECT n.name, n.type::regtype, c.name AS column, c.type::regtype AS declared
FROM pg_temp.counters() n
	FULL JOIN (SELECT * FROM columns WHERE relation = 'enrich.catalog_job_counters') c ON c.name = n.name
WHERE c.type IS DISTINCT FROM n.type
ORDER BY 1, c.name COLLATE "C";
SELECT n.name, n.type::regtype, c.type::regtype AS shown
FROM pg_temp.counters() n
	LEFT JOIN columns c ON c.relation = 'enrich.progress' AND c.name = n.name
WHERE c.type IS DISTINCT FROM n.type
ORDER BY 1;

-- a catalog of another version
CREATE FUNCTION pg_temp.start(source regclass, server name, input text[], output json)
	RETURNS bigint LANGUAGE C AS '$libdir/pg_enrich', 'enrich_start';
SELECT pg_temp.start('pg_class', 'api', '{relname}', '{}');
