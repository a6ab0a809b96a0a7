/*-------------------------------------------------------------------------
 *
 * server_watch.c
 *	  Hearing of foreign servers that are made, altered or dropped.
 *
 * Workers hear of that by invalidations.  But a job whose server takes no requests has no
 * worker, and the launcher, which is connected to no database, gets none: so
 * whoever changes a server calls for a clerk at commit.  What changes it unheard (the commit of a
 * prepared transaction, an UPDATE of the system catalog) a clerk finds within a minute.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_foreign_server.h"

#include "shared/shared.h"
#include "worker/server_watch.h"

static object_access_hook_type previous_hook = NULL;

static void
note_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_hook)
		previous_hook(access, class, object, sub, argument);
	if (class == ForeignServerRelationId &&
		(access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP))
		shared_visit_at_commit();
}

void
server_watch_register(void)
{
	previous_hook = object_access_hook;
	object_access_hook = note_access;
}
