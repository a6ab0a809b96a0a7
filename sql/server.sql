--
-- Options of servers and user mappings: what is taken, what is refused and why
--
CREATE ROLE regress_enrich_owner;
CREATE ROLE regress_enrich_user;
GRANT USAGE ON FOREIGN DATA WRAPPER pg_enrich TO regress_enrich_owner;

-- url
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich;
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (method 'GET');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url '');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'ftp://api.example.com');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://api.example.com:99999');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://{{host}}.example.com');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://bücher.example');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://[::%31]');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://api.example.com/{{id');
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://api.example.com/a b');
DO $$
BEGIN
	EXECUTE format('CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url %L)',
		'https://api.example.com/' || repeat('x', 8192));
END $$;

-- the complete list counts at ALTER, too
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://api.example.com/v1');
ALTER SERVER api OPTIONS (DROP url);
ALTER SERVER api OPTIONS (SET url 'api.example.com');
ALTER SERVER api OPTIONS (SET url 'https://api.example.com/v1/{{category}}?page={{bucket}}');
ALTER SERVER api OPTIONS (ADD url 'https://api.example.com/v2');

-- unknown options, and options in the wrong place
ALTER SERVER api OPTIONS (ADD max_concurency '4');
ALTER SERVER api OPTIONS (ADD username 'me');
CREATE USER MAPPING FOR PUBLIC SERVER api OPTIONS (token 'hush-1');
CREATE USER MAPPING FOR PUBLIC SERVER api OPTIONS (timeout '5s');
ALTER FOREIGN DATA WRAPPER pg_enrich OPTIONS (ADD url 'https://api.example.com');
CREATE FOREIGN TABLE rows (a integer) SERVER api;
CREATE FOREIGN TABLE rows (a integer) SERVER api OPTIONS (path '/rows');

-- words
ALTER SERVER api OPTIONS (ADD method 'DELETE');
ALTER SERVER api OPTIONS (ADD method 'patch');
ALTER SERVER api OPTIONS (ADD http_version '3');
ALTER SERVER api OPTIONS (ADD http_version '2-prior-knowledge');
ALTER SERVER api OPTIONS (ADD verify_tls 'perhaps');
ALTER SERVER api OPTIONS (ADD verify_tls 'off', follow_redirects 'yes');

-- numbers
ALTER SERVER api OPTIONS (ADD max_concurrency 'many');
ALTER SERVER api OPTIONS (ADD max_concurrency '-1');
ALTER SERVER api OPTIONS (ADD max_concurrency '2.5');
ALTER SERVER api OPTIONS (ADD max_concurrency '3000000000');
ALTER SERVER api OPTIONS (ADD max_concurrency '99999999999999999999999999999999999999999999999999999999999999999999');
ALTER SERVER api OPTIONS (ADD requests_per_minute '0');
ALTER SERVER api OPTIONS (ADD tokens_per_minute '0');
ALTER SERVER api OPTIONS (ADD max_request_tokens '');
ALTER SERVER api OPTIONS (ADD batch_size '0');
ALTER SERVER api OPTIONS (ADD max_attempts '1001');
ALTER SERVER api OPTIONS (ADD max_concurrency '0', requests_per_minute '3000', tokens_per_minute '1000000',
	max_request_tokens '8000', batch_size '100', max_attempts '1');

-- durations and sizes
ALTER SERVER api OPTIONS (ADD timeout 'abc');
ALTER SERVER api OPTIONS (ADD timeout '30 parsecs');
ALTER SERVER api OPTIONS (ADD connect_timeout '0');
ALTER SERVER api OPTIONS (ADD backoff_max '2d');
ALTER SERVER api OPTIONS (ADD backoff_base '2min');
ALTER SERVER api OPTIONS (ADD max_response_size '64 mb');
ALTER SERVER api OPTIONS (ADD max_response_size '2048GB');
ALTER SERVER api OPTIONS (ADD max_response_size '0');
ALTER SERVER api OPTIONS (ADD timeout '500ms', connect_timeout '1.5s', backoff_base '2min', backoff_max '1h',
	max_response_size '8GB');
ALTER SERVER api OPTIONS (SET max_response_size '5000000000');

-- the API's shape
ALTER SERVER api OPTIONS (ADD results 'data[');
ALTER SERVER api OPTIONS (ADD results '');
ALTER SERVER api OPTIONS (ADD usage '@.total');
ALTER SERVER api OPTIONS (ADD request '{"input": {{inputs}}}');
ALTER SERVER api OPTIONS (ADD request '{"model": "small", "options": [{"a": 1, "b": 2, "\u0061": 3}]}');
ALTER SERVER api OPTIONS (ADD request '{"model": "small", "input": "{{inputs}}", "a": {"model": 1}}', results '$.data[*]',
	result_index '$.index', content 'strict $.choices[0].message.content', usage '$.usage.total');
ALTER SERVER api OPTIONS (ADD not_found '404,');
ALTER SERVER api OPTIONS (ADD not_found '404 410');
ALTER SERVER api OPTIONS (ADD not_found '40');
ALTER SERVER api OPTIONS (ADD not_found '600');
ALTER SERVER api OPTIONS (ADD not_found ' 404 , 204');
ALTER SERVER api OPTIONS (SET not_found '');

-- headers
ALTER SERVER api OPTIONS (ADD headers 'X-Tier: batch');
ALTER SERVER api OPTIONS (ADD headers '["X-Tier"]');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier": "batch", "X-Count": 3}');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier:": "batch"}');
ALTER SERVER api OPTIONS (ADD headers '{"": "batch"}');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier": "batch\r\nX-Evil: yes"}');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier": "batch\u0000"}');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier": " "}');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier": "batch", "x-tier": "live"}');
ALTER SERVER api OPTIONS (ADD headers '{"Content-length": "3"}');
ALTER SERVER api OPTIONS (ADD headers '{"Authorization": "Bearer hush-2"}');
ALTER SERVER api OPTIONS (ADD headers '{"proxy-authorization": "Basic hush-2"}');
ALTER SERVER api OPTIONS (ADD headers '{"api-key": "hush-2"}');
ALTER SERVER api OPTIONS (ADD headers '{"X-API-Key": "hush-2"}');
ALTER SERVER api OPTIONS (ADD headers '{"Cookie": "hush-2"}');
ALTER SERVER api OPTIONS (ADD headers '{"X-Tier": "batch", "OpenAI-Organization": "org-1", "Accept": "text/*;q=0.5"}');

-- credentials do not belong into what everyone can read
ALTER SERVER api OPTIONS (SET url 'https://me:hush-3@api.example.com/v1');
ALTER SERVER api OPTIONS (ADD proxy 'http://me:hush-3@proxy.example.com:3128');
ALTER SERVER api OPTIONS (ADD proxy 'proxy.example.com:3128');
ALTER SERVER api OPTIONS (ADD proxy 'http://:3128');
ALTER SERVER api OPTIONS (ADD proxy 'http://proxy.example.com/path');
ALTER SERVER api OPTIONS (ADD proxy 'socks5h://proxy.example.com:1080');

-- files
ALTER SERVER api OPTIONS (ADD ca_file 'ca.pem');
ALTER SERVER api OPTIONS (ADD ca_file '/etc/ssl/ca.pem');
ALTER SERVER api OWNER TO regress_enrich_owner;
SET ROLE regress_enrich_owner;
ALTER SERVER api OPTIONS (SET max_concurrency '8');
ALTER SERVER api OPTIONS (DROP ca_file, SET max_concurrency '8');
ALTER SERVER api OPTIONS (ADD ca_file '/etc/ssl/ca.pem');
RESET ROLE;
GRANT pg_read_server_files TO regress_enrich_owner;
SET ROLE regress_enrich_owner;
ALTER SERVER api OPTIONS (ADD ca_file '/etc/ssl/ca.pem');
RESET ROLE;

SELECT o.option_name, o.option_value
FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
WHERE s.srvname = 'api'
ORDER BY o.option_name COLLATE "C";

-- user mappings: no message holds a value
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token '');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token 'Bearer hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token E'hush-4\r\nX-Evil: yes');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers 'hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"X-API-Key": "hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"X-API-Key": hush-4}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"X-API-Key": ["hush-4"]}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"hush 4": "X-API-Key"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"X-API-Key": "hush-4\n"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"X-API-Key": "hush-4\ud800"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"hush-4": "a", "Hush-4": "b"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_headers '{"X-API-Key": "a", "host": "hush-4.example.com"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_query 'key=hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_query '{"": "hush-4"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (secret_query '{"key": 4}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (username 'hush:4', password '');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (username 'me', password E'hush\n4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (username 'hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (password 'hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token 'hush-4', username 'me', password 'hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token 'hush-4', bearer_token_file '/hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token_file '/hush-4', username 'me', password 'hush-4');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token 'hush-4', secret_headers '{"authorization": "hush-4"}');
CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token_file 'hush-4');

-- nor does the context of a statement that PL/pgSQL runs
DO $$
BEGIN
	EXECUTE 'CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer_token ''hush 5'')';
END $$;
DO $$
BEGIN
	EXECUTE 'CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (bearer ''hush-5'')';
END $$;
DO $$
BEGIN
	EXECUTE 'CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (username ''hush-5'')';
END $$;
-- while an error that comes after one that was caught has its context
DO $$
BEGIN
	BEGIN
		EXECUTE 'CREATE USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (username ''hush-5'')';
	EXCEPTION WHEN invalid_parameter_value THEN
		RAISE NOTICE 'caught: %', SQLERRM;
	END;
	EXECUTE 'ALTER SERVER api OPTIONS (SET timeout ''never'')';
END $$;

-- what is taken
CREATE USER MAPPING FOR CURRENT_USER SERVER api;
ALTER USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (ADD bearer_token 'not-a-real-token');
ALTER USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (ADD username 'me', password '');
ALTER USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (DROP bearer_token, ADD username 'me', password '');
ALTER USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (DROP username);
ALTER USER MAPPING FOR CURRENT_USER SERVER api
	OPTIONS (ADD secret_headers '{"X-API-Key": "not-a-real-key"}', secret_query '{"key": "a&b=c", "empty": ""}');
CREATE USER MAPPING FOR PUBLIC SERVER api OPTIONS (bearer_token_file '/etc/enrich/token');

-- a file of the database server's is a superuser's to name
SET ROLE regress_enrich_owner;
CREATE USER MAPPING FOR regress_enrich_user SERVER api OPTIONS (bearer_token_file '/etc/enrich/token');
ALTER USER MAPPING FOR PUBLIC SERVER api OPTIONS (SET bearer_token_file '/etc/passwd');
CREATE USER MAPPING FOR regress_enrich_user SERVER api OPTIONS (bearer_token 'not-a-real-token');
RESET ROLE;

-- error codes
\set VERBOSITY sqlstate
CREATE SERVER other FOREIGN DATA WRAPPER pg_enrich;
ALTER SERVER api OPTIONS (ADD max_concurency '4');
ALTER SERVER api OPTIONS (SET timeout 'never');
ALTER SERVER api OPTIONS (SET results 'data[');
ALTER USER MAPPING FOR CURRENT_USER SERVER api OPTIONS (ADD bearer_token 'not-a-real-token');
CREATE FOREIGN TABLE rows (a integer) SERVER api;
SET ROLE regress_enrich_owner;
ALTER USER MAPPING FOR PUBLIC SERVER api OPTIONS (SET bearer_token_file '/etc/passwd');
RESET ROLE;
\set VERBOSITY default

DROP USER MAPPING FOR PUBLIC SERVER api;
DROP USER MAPPING FOR CURRENT_USER SERVER api;
DROP USER MAPPING FOR regress_enrich_user SERVER api;
DROP SERVER api;
REVOKE USAGE ON FOREIGN DATA WRAPPER pg_enrich FROM regress_enrich_owner;
REVOKE pg_read_server_files FROM regress_enrich_owner;
DROP ROLE regress_enrich_owner, regress_enrich_user;
