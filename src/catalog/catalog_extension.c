/*-------------------------------------------------------------------------
 *
 * catalog_extension.c
 *	  The extension itself: whose its tables are, and whether it is here to stay.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_extension.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/pg_enrich.h"

Oid
catalog_owner(void)
{
	Oid			schema = get_namespace_oid("enrich", true);
	Oid			table = OidIsValid(schema) ? get_relname_relid("catalog_job", schema) : InvalidOid;
	Oid			owner;
	HeapTuple	tuple;

	if (!OidIsValid(table) ||
		getExtensionOfObject(RelationRelationId, table) !=
		get_extension_oid(PG_ENRICH_EXTENSION, true))
		return InvalidOid;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

Oid
catalog_relation(const char *name)
{
	return get_relname_relid(name, get_namespace_oid("enrich", false));
}

bool
catalog_lock_extension(void)
{
	Oid			extension = get_extension_oid(PG_ENRICH_EXTENSION, true);

	if (!OidIsValid(extension))
		return false;

	/*
	 * DROP EXTENSION holds this object's lock exclusively while it waits for
	 * our tables: waiting here, with some of them locked, would be a
	 * deadlock.
	 */
	if (!ConditionalLockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock))
		return false;
	return get_extension_oid(PG_ENRICH_EXTENSION, true) == extension;
}

bool
catalog_extension_is_wanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
					   get_extension_oid(PG_ENRICH_EXTENSION, true), 0);
	return LockHasWaiters(&tag, AccessShareLock, false);
}
