/*-------------------------------------------------------------------------
 *
 * server_options.h
 *	  The options of servers and user mappings: one table, and how values are read.
 *
 * The validator, the hints that list options, and the loaders of servers and
 * credentials all follow the table in server_options.c; nothing else knows an
 * option's limits or default.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SERVER_OPTIONS_H
#define PG_ENRICH_SERVER_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "server/server.h"

/* Where an option may stand. */
typedef enum OptionContext
{
	OPTION_SERVER,				/* its field is in Server */
	OPTION_USER_MAPPING			/* its field is in MappingOptions; every value
								 * is a secret */
} OptionContext;

/* A user mapping's options as read.  NULL or NIL: not given.  Text is UTF-8. */
typedef struct MappingOptions
{
	char	   *bearer_token;
	char	   *bearer_token_file;
	char	   *username;
	char	   *password;
	List	   *secret_headers; /* of char *: "Name: value" */
	List	   *secret_query;	/* of char *: "name=value", both
								 * percent-encoded */
} MappingOptions;

/*
 * Read a list of DefElem into a Server or a MappingOptions.  Options that are
 * not in the list get their defaults; fields of options without a default are
 * left as the caller set them.  An option that is unknown in the context
 * raises fdw_invalid_option_name with a hint that lists the valid ones, a bad
 * value invalid_parameter_value with what would be right.  No message of a
 * user mapping's option holds its value, nor does any log line or context that
 * comes with it hold the statement.
 */
extern void server_options_read(OptionContext context, const List *options, void *target);

/* Raises fdw_invalid_option_name for the first of the list: its catalog takes no options. */
extern void server_options_refuse_all(const List *options);

/* Does a list of "Name: value" hold a header of that name?  Case does not count. */
extern bool server_headers_contain(const List *headers, const char *name);

/* Is it a bearer token: visible ASCII without spaces, and not empty? */
extern bool server_token_is_valid(const char *token);

#endif							/* PG_ENRICH_SERVER_OPTIONS_H */
