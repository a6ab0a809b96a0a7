/*-------------------------------------------------------------------------
 *
 * server.c
 *	  Foreign servers: the validator of their options, and loading them.
 *
 * The validator sees the complete resulting list of options of one server or
 * user mapping, at CREATE and at ALTER, in any session, preloaded or not.
 * Messages about user mappings never hold a value.
 *
 *-------------------------------------------------------------------------
 */
#include "server/server.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "common/pg_compat.h"
#include "common/pg_enrich.h"
#include "server/option_reader.h"
#include "server/server_options.h"

#define UNLIMITED (-1)

PG_FUNCTION_INFO_V1(pg_enrich_fdw_validator);

/*
 * The validator
 */

static Server *
read_server(const List *options)
{
	Server	   *server = palloc0(sizeof(Server));

	server->max_concurrency = UNLIMITED;
	server->requests_per_minute = UNLIMITED;
	server->tokens_per_minute = UNLIMITED;
	server->max_request_tokens = UNLIMITED;
	server_options_read(OPTION_SERVER, options, server);
	return server;
}

static void
validate_server(const List *options)
{
	Server	   *server = read_server(options);

	if (server->url == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				errmsg("option \"url\" is required"),
				errhint("Give the API's address: OPTIONS (url 'https://api.example.com/v1')."));
	if (server->request != NULL && strcmp(server->method, "GET") == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("option \"request\" is given, but method GET sends no body"),
				errhint("Drop it and put placeholders into the url, or set method to POST."));
	if (server->backoff_base_ms > server->backoff_max_ms)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("option \"backoff_base\" must not be greater than \"backoff_max\""),
				errdetail("They are %d ms and %d ms.",
						  server->backoff_base_ms, server->backoff_max_ms),
				errhint("Set both."));

	/*
	 * Else errors of TLS would tell about files to those who may not read
	 * them.
	 */
	if (server->ca_file != NULL && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to set option \"ca_file\""),
				errhint("Only superusers and members of pg_read_server_files may set it, and "
						"change a server that has it."));
}

pg_noreturn static void
refuse_mapping(int sqlstate, const char *message, const char *hint)
{
	option_drop_context();
	ereport(ERROR,
			errcode(sqlstate),
			errmsg_internal("%s", message),
			errhint("%s", hint),
			errhidestmt(true),
			errhidecontext(true));
}

pg_noreturn static void
refuse_both(const char *one, const char *other)
{
	refuse_mapping(ERRCODE_INVALID_PARAMETER_VALUE,
				   psprintf("%s and %s exclude each other", one, other),
				   "A request has one Authorization header. To go from one to the other, "
				   "DROP and ADD in the same ALTER USER MAPPING.");
}

/* Each way to authenticate makes the Authorization header. */
static void
validate_mapping(const List *options)
{
	MappingOptions mapping = {0};

	server_options_read(OPTION_USER_MAPPING, options, &mapping);

	if ((mapping.username == NULL) != (mapping.password == NULL))
		refuse_mapping(ERRCODE_INVALID_PARAMETER_VALUE,
					   mapping.password == NULL ?
					   "option \"username\" needs option \"password\"" :
					   "option \"password\" needs option \"username\"",
					   "Give both; either may be empty.");
	if (mapping.bearer_token != NULL && mapping.bearer_token_file != NULL)
		refuse_both("options \"bearer_token\"", "\"bearer_token_file\"");
	if (mapping.bearer_token != NULL && mapping.username != NULL)
		refuse_both("options \"bearer_token\"", "\"username\"");
	if (mapping.bearer_token_file != NULL && mapping.username != NULL)
		refuse_both("options \"bearer_token_file\"", "\"username\"");
	if (server_headers_contain(mapping.secret_headers, "Authorization") &&
		(mapping.bearer_token != NULL || mapping.bearer_token_file != NULL ||
		 mapping.username != NULL))
		refuse_both("an Authorization header in option \"secret_headers\"",
					"the other ways to authenticate");
	if (mapping.bearer_token_file != NULL && !superuser())
		refuse_mapping(ERRCODE_INSUFFICIENT_PRIVILEGE,
					   "permission denied to set option \"bearer_token_file\"",
					   "Only superusers may set it, and change a user mapping that has it.");
}

Datum
pg_enrich_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	switch (catalog)
	{
		case ForeignServerRelationId:
			validate_server(options);
			break;
		case UserMappingRelationId:
			validate_mapping(options);
			break;
		case ForeignTableRelationId:
		case AttributeRelationId:
			ereport(ERROR,
					errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("foreign-data wrapper \"%s\" has no foreign tables", PG_ENRICH_WRAPPER),
					errhint("Name the server in a job: SELECT enrich.start(..., "
							"server => 'name', ...);"));
			break;
		default:
			if (options != NIL)
				server_options_refuse_all(options);
	}
	PG_RETURN_VOID();
}

/*
 * Loading
 */

static void
complain_missing(const char *name)
{
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("server \"%s\" does not exist", name),
			errhint("CREATE SERVER %s FOREIGN DATA WRAPPER %s OPTIONS (url 'https://...');",
					quote_identifier(name), PG_ENRICH_WRAPPER));
}

static void
complain_wrapper(const char *name, const char *wrapper)
{
	ereport(ERROR,
			errcode(ERRCODE_WRONG_OBJECT_TYPE),
			errmsg("server \"%s\" does not belong to foreign-data wrapper \"%s\"",
				   name, PG_ENRICH_WRAPPER),
			errdetail("It belongs to \"%s\".", wrapper),
			errhint("Name a server that was made by CREATE SERVER ... FOREIGN DATA WRAPPER %s.",
					PG_ENRICH_WRAPPER));
}

/* Servers hold no secrets: those are in user mappings. */
static char *
describe_options(const List *options)
{
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		appendStringInfo(&out, "%s=%s\n", option->defname, defGetString(option));
	}
	return out.data;
}

Server *
server_load(const char *name, bool missing_ok)
{
	ForeignServer *foreign = GetForeignServerByName(name, true);
	ForeignDataWrapper *wrapper;
	Server	   *server;

	if (foreign == NULL)
	{
		if (!missing_ok)
			complain_missing(name);
		return NULL;
	}
	wrapper = GetForeignDataWrapper(foreign->fdwid);
	if (strcmp(wrapper->fdwname, PG_ENRICH_WRAPPER) != 0)
	{
		if (!missing_ok)
			complain_wrapper(name, wrapper->fdwname);
		return NULL;
	}
	server = read_server(foreign->options);
	server->oid = foreign->serverid;
	server->name = pstrdup(foreign->servername);
	server->definition = describe_options(foreign->options);
	return server;
}

bool
server_takes_none(const char *name, Oid owner)
{
	ForeignServer *foreign = GetForeignServerByName(name, true);
	Server		server = {.max_concurrency = UNLIMITED};
	ListCell   *cell;

	if (foreign == NULL ||
		strcmp(GetForeignDataWrapper(foreign->fdwid)->fdwname, PG_ENRICH_WRAPPER) != 0)
		return false;
	/* It may be somebody else's, of the same name: a worker will say so. */
	if (server_aclcheck(foreign->serverid, owner) != ACLCHECK_OK)
		return false;

	/*
	 * Nothing else of it is read, lest one server's options keep all jobs
	 * waiting.
	 */
	foreach(cell, foreign->options)
	{
		if (strcmp(((DefElem *) lfirst(cell))->defname, "max_concurrency") == 0)
			server_options_read(OPTION_SERVER, list_make1(lfirst(cell)), &server);
	}
	return server.max_concurrency == 0;
}

void
server_check_usage(const Server *server, Oid role)
{
	const char *role_name;

	if (server_aclcheck(server->oid, role) == ACLCHECK_OK)
		return;
	role_name = GetUserNameFromId(role, true);
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied for foreign server %s", server->name),
			errhint("GRANT USAGE ON FOREIGN SERVER %s TO %s;", quote_identifier(server->name),
					role_name != NULL ? quote_identifier(role_name) : "..."));
}
