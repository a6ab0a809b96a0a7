/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  What a user mapping adds to requests: headers, basic auth, query.
 *
 * The role's own mapping counts, else PUBLIC's.  A file is read at each load,
 * and a look at its stamp says whether it is worth another.  Nothing is kept
 * here: the results are in the caller's memory context.
 *
 * Errors hold no secret, and of a token's file not even the name, which a role
 * that merely uses PUBLIC's mapping cannot see either; the log has it.
 *
 *-------------------------------------------------------------------------
 */
#include "server/server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_user_mapping.h"
#include "storage/fd.h"
#include "utils/syscache.h"

#include "server/server_options.h"

#define MAX_TOKEN_FILE_SIZE (64 * 1024)

/*
 * Two writes within one tick of a file system's clock leave the same stamp
 * (some have ticks of two seconds).
 */
#define STAMP_SETTLES_S 3

/* Options of the mapping of that very role (InvalidOid: PUBLIC's).  False: there is none. */
static bool
find_mapping(Oid server, Oid role, List **options)
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
										ObjectIdGetDatum(role), ObjectIdGetDatum(server));
	Datum		datum;
	bool		is_null;

	if (!HeapTupleIsValid(tuple))
		return false;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &is_null);
	*options = is_null ? NIL : untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return true;
}

static void
complain_file(const Server *server, const char *path)
{
	ereport(ERROR,
			errcode(ERRCODE_CONFIG_FILE_ERROR),
			errmsg("could not read the bearer token file of server \"%s\": %m", server->name),
			errdetail_log("The file is \"%s\".", path),
			errhint("Check the file that option bearer_token_file of the user mapping names: the "
					"server's operating-system user must be able to read it."));
}

static void
complain_content(const Server *server, const char *path, const char *detail)
{
	ereport(ERROR,
			errcode(ERRCODE_CONFIG_FILE_ERROR),
			errmsg("the bearer token file of server \"%s\" holds no token", server->name),
			errdetail_internal("%s", detail),
			errdetail_log("%s The file is \"%s\".", detail, path),
			errhint("It should hold the token alone: visible ASCII characters, no spaces."));
}

static FileStamp
stamp_of(const struct stat *status)
{
	FileStamp	stamp;

	memset(&stamp, 0, sizeof(stamp));	/* padding, too: stamps are compared
										 * as bytes */
	stamp.device = (uint64) status->st_dev;
	stamp.inode = (uint64) status->st_ino;
	stamp.size = (int64) status->st_size;
	stamp.modified = status->st_mtim;
	stamp.changed = status->st_ctim;
	return stamp;
}

/*
 * Opens a regular file only: opening a FIFO would wait for its writer.  Its
 * stamp is that of before it is read, so that what is written meanwhile shows.
 */
static int
open_token_file(const Server *server, const char *path, Credentials *credentials)
{
	int			descriptor = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	struct stat status;

	if (descriptor < 0 || fstat(descriptor, &status) != 0)
		complain_file(server, path);
	if (!S_ISREG(status.st_mode))
		complain_content(server, path, "It is not a regular file.");
	credentials->token_file.path = pstrdup(path);
	credentials->token_file.stamp = stamp_of(&status);
	credentials->token_file.is_fresh = time(NULL) - status.st_ctim.tv_sec < STAMP_SETTLES_S;
	return descriptor;
}

/* The transaction's end closes the descriptor where an error leaves it open. */
static char *
read_token_file(const Server *server, const char *path, Credentials *credentials)
{
	int			descriptor = open_token_file(server, path, credentials);
	char	   *content = palloc(MAX_TOKEN_FILE_SIZE + 2);
	size_t		length = 0;
	ssize_t		got;

	/* one byte more than is allowed tells that there is more */
	do
	{
		got = read(descriptor, content + length, MAX_TOKEN_FILE_SIZE + 1 - length);
		if (got < 0)
			complain_file(server, path);
		length += got;
	} while (got > 0 && length <= MAX_TOKEN_FILE_SIZE);
	CloseTransientFile(descriptor);

	if (length > MAX_TOKEN_FILE_SIZE)
		complain_content(server, path, "It is larger than 64 kB.");
	if (memchr(content, '\0', length) != NULL)
		complain_content(server, path, "It holds a zero byte.");
	while (length > 0 && strchr(" \t\r\n", content[length - 1]) != NULL)
		length--;
	content[length] = '\0';
	if (!server_token_is_valid(content))
		complain_content(server, path, length > 0 ?
						 "It holds a space, a control character or one that is not ASCII." :
						 "It is empty.");
	return content;
}

Credentials *
credentials_load(const Server *server, Oid role)
{
	Credentials *credentials = palloc0(sizeof(Credentials));
	MappingOptions mapping = {0};
	List	   *options = NIL;
	const char *token;

	if (!find_mapping(server->oid, role, &options) &&
		!find_mapping(server->oid, InvalidOid, &options))
		return credentials;
	server_options_read(OPTION_USER_MAPPING, options, &mapping);

	credentials->headers = mapping.secret_headers;
	credentials->query = mapping.secret_query;
	if (mapping.username != NULL && mapping.password != NULL)
		credentials->userpwd = psprintf("%s:%s", mapping.username, mapping.password);
	token = mapping.bearer_token;
	if (mapping.bearer_token_file != NULL)
		token = read_token_file(server, mapping.bearer_token_file, credentials);
	if (token != NULL)
		credentials->headers = lappend(credentials->headers,
									   psprintf("Authorization: Bearer %s", token));
	return credentials;
}

static bool
same_strings(const List *a, const List *b)
{
	if (list_length(a) != list_length(b))
		return false;
	for (int i = 0; i < list_length(a); i++)
		if (strcmp(list_nth(a, i), list_nth(b, i)) != 0)
			return false;
	return true;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
credentials_equal(const Credentials *a, const Credentials *b)
{
	return same_strings(a->headers, b->headers) && same_strings(a->query, b->query) &&
		same_text(a->userpwd, b->userpwd) && same_text(a->token_file.path, b->token_file.path);
}

TokenFileState
credentials_look(const TokenFile *file)
{
	struct stat status;
	FileStamp	stamp;

	if (file->path == NULL)
		return TOKEN_FILE_SAME;
	if (stat(file->path, &status) != 0 || status.st_size == 0)
		return TOKEN_FILE_UNUSABLE;
	stamp = stamp_of(&status);
	return file->is_fresh || memcmp(&stamp, &file->stamp, sizeof(stamp)) != 0
		? TOKEN_FILE_CHANGED : TOKEN_FILE_SAME;
}
