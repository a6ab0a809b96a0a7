/*-------------------------------------------------------------------------
 *
 * server.h
 *	  Foreign servers and user mappings: options, their validator, secrets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SERVER_H
#define PG_ENRICH_SERVER_H

#include "postgres.h"

#include <time.h>

#include "nodes/pg_list.h"

/* A server as a job uses it.  Everything is in the memory context of the call that loaded it. */
typedef struct Server
{
	Oid			oid;
	char	   *name;
	char	   *definition;		/* all options in one text, to see whether any
								 * has changed */
	char	   *url;
	char	   *method;			/* GET, POST, … */

	/* The API's shape: defaults for a job's parameters, or NULL */
	char	   *request;
	char	   *results;
	char	   *result_index;
	char	   *content;
	int			batch_size;		/* 0: not given */
	char	   *usage;

	/* Limits, shared by all jobs and workers; -1: unlimited */
	int			max_concurrency;
	int			requests_per_minute;
	int			tokens_per_minute;
	int			max_request_tokens;

	int			timeout_ms;
	int			connect_timeout_ms;
	int			max_attempts;
	int			backoff_base_ms;
	int			backoff_max_ms;
	int64		max_response_size;	/* bytes */

	List	   *not_found;		/* of int: HTTP statuses */
	List	   *headers;		/* of char *: "Name: value", no secrets */
	char	   *http_version;
	char	   *proxy;
	char	   *ca_file;
	bool		verify_tls;
	bool		follow_redirects;
} Server;

/* What tells one content of a file from another, without reading it. */
typedef struct FileStamp
{
	uint64		device;
	uint64		inode;
	int64		size;
	struct timespec modified;
	struct timespec changed;
} FileStamp;

/* A file that holds a token, as it was when it was read. */
typedef struct TokenFile
{
	char	   *path;			/* NULL: there is none */
	FileStamp	stamp;
	bool		is_fresh;		/* it had just been written: its stamp may not
								 * tell */
} TokenFile;

/* What a user mapping adds to a request.  Never logged, never shown. */
typedef struct Credentials
{
	List	   *headers;		/* of char *: "Name: value" */
	char	   *userpwd;		/* "user:password", or NULL */
	List	   *query;			/* of char *: "name=value", both
								 * percent-encoded */
	TokenFile	token_file;		/* where a token came from */
} Credentials;

/*
 * The server of that name.  Where there is none, or it is of another wrapper:
 * NULL if missing_ok, else an error with a hint.  Does not check USAGE.
 */
extern Server *server_load(const char *name, bool missing_ok);

/*
 * Is there a server of that name, for this role to use, that takes no requests now:
 * max_concurrency is 0?
 */
extern bool server_takes_none(const char *name, Oid owner);

/* Raises insufficient_privilege unless the role has USAGE on the server. */
extern void server_check_usage(const Server *server, Oid role);

/*
 * The role's own mapping, else PUBLIC's, else empty credentials.  Raises
 * errors for files that cannot be read.
 */
extern Credentials *credentials_load(const Server *server, Oid role);

extern bool credentials_equal(const Credentials *a, const Credentials *b);

typedef enum TokenFileState
{
	TOKEN_FILE_SAME,			/* as it was read; or there is none */
	TOKEN_FILE_CHANGED,
	TOKEN_FILE_UNUSABLE			/* not there, or empty: perhaps it is being
								 * replaced */
} TokenFileState;

/* A look at a token's file, which reads nothing. */
extern TokenFileState credentials_look(const TokenFile *file);

#endif							/* PG_ENRICH_SERVER_H */
