/*-------------------------------------------------------------------------
 *
 * pg_enrich.c
 *	  The library's entry point.
 *
 * Preloaded, it has shared memory and a launcher.  Loaded by a session alone
 * (the foreign-data wrapper's validator during a restore, say) it has neither,
 * and the functions that need them say so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "common/pg_compat.h"
#include "common/pg_enrich.h"
#include "common/settings.h"
#include "shared/shared.h"
#include "worker/launcher.h"
#include "worker/server_watch.h"

PG_MODULE_MAGIC_EXT(
					.name = PG_ENRICH_LIBRARY,
					.version = PG_ENRICH_VERSION
);

void		_PG_init(void);

void
_PG_init(void)
{
	settings_define();
	if (!process_shared_preload_libraries_in_progress)
		return;
	shared_request();
	launcher_register();
	server_watch_register();
}
