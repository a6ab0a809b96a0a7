/*-------------------------------------------------------------------------
 *
 * staging.c
 *	  The relations of schema enrich_staging: making and dropping them.
 *
 * They are made as the extension's owner, since nobody else may create in that
 * schema, and handed to the job's owner in the next statement.  Making them
 * runs no user code: there are no defaults, checks or expressions in them.
 *
 * A partition is made beside a parent that is the job owner's by then.  It inherits triggers,
 * checks and defaults that the owner may have added, none of which is evaluated for that.  An
 * index on an expression would be, but to make one takes CREATE on enrich_staging, which
 * nobody may be given.
 *
 * Making or dropping a partition takes an ACCESS EXCLUSIVE lock on the table:
 * so whoever reads, reads partitions by name, and drops are conditional.
 *
 *-------------------------------------------------------------------------
 */
#include "staging/staging.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/catalog_bucket.h"
#include "catalog/catalog_extension.h"
#include "common/pg_compat.h"
#include "common/pg_enrich.h"
#include "common/settings.h"

static char *
bare_name(int64 job, int partition)
{
	if (partition < 0)
		return psprintf("job_" INT64_FORMAT, job);
	if (partition == STAGING_FAILED)
		return psprintf("job_" INT64_FORMAT "_failed", job);
	return psprintf("job_" INT64_FORMAT "_%d", job, partition);
}

static char *
bare_results_name(int64 job)
{
	return psprintf("job_" INT64_FORMAT "_results", job);
}

char *
staging_name(int64 job, int partition)
{
	return quote_qualified_identifier(STAGING_SCHEMA, bare_name(job, partition));
}

char *
staging_results_name(int64 job)
{
	return quote_qualified_identifier(STAGING_SCHEMA, bare_results_name(job));
}

static Oid
find_relation(const char *name)
{
	Oid			schema = get_namespace_oid(STAGING_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

Oid
staging_relation(int64 job, int partition)
{
	return find_relation(bare_name(job, partition));
}

static Oid
results_relation(int64 job)
{
	return find_relation(bare_results_name(job));
}

static void
run(const char *sql)
{
	int			level = settings_without_query_ids();
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
	AtEOXact_GUC(true, level);
}

/*
 * Whoever the extension's owner gives rights on its new tables by ALTER DEFAULT
 * PRIVILEGES: they are not to read what belongs to the job's owner.
 */
static List *
default_grantees(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	List	   *grantees = NIL;
	bool		is_null;
	Datum		datum;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	datum = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &is_null);
	if (!is_null)
	{
		Acl		   *acl = DatumGetAclPCopy(datum);

		for (int i = 0; i < ACL_NUM(acl); i++)
			if (ACL_DAT(acl)[i].ai_grantee != GetUserId())
				grantees = list_append_unique_oid(grantees, ACL_DAT(acl)[i].ai_grantee);
	}
	ReleaseSysCache(tuple);
	return grantees;
}

/* Run CREATE TABLE sql as the extension's owner, then hand the table over. */
static Oid
create_for(Oid owner, const char *name, const char *sql)
{
	const char *table = quote_qualified_identifier(STAGING_SCHEMA, name);
	Oid			caller;
	int			context;
	Oid			relation;
	ListCell   *cell;
	ObjectAddress address;
	ObjectAddress extension;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(catalog_owner(), context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	run(sql);
	relation = find_relation(name);
	foreach(cell, default_grantees(relation))
	{
		run(psprintf("REVOKE ALL ON TABLE %s FROM %s", table, lfirst_oid(cell) == ACL_ID_PUBLIC
					 ? "PUBLIC"
					 : quote_identifier(GetUserNameFromId(lfirst_oid(cell), false))));
	}
	run(psprintf("ALTER TABLE %s OWNER TO %s", table,
				 quote_identifier(GetUserNameFromId(owner, false))));
	SPI_finish();
	SetUserIdAndSecContext(caller, context);

	ObjectAddressSet(address, RelationRelationId, relation);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid(PG_ENRICH_EXTENSION, false));
	recordDependencyOn(&address, &extension, DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
	return relation;
}

/* Qualified in any case: another user's search_path may find another one, or none. */
static char *
collation_qualified_name(Oid collation)
{
	HeapTuple	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->collnamespace),
									  NameStr(form->collname));
	ReleaseSysCache(tuple);
	return name;
}

static void
append_column(StringInfo sql, const char *name, Oid type, int32 typmod, Oid collation)
{
	appendStringInfo(sql, ", %s %s", name,
					 format_type_extended(type, typmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation) && collation != get_typcollation(type))
		appendStringInfo(sql, " COLLATE %s", collation_qualified_name(collation));
}

void
staging_create(const Recipe *recipe)
{
	int64		job = recipe->job->id;
	Oid			owner = recipe->job->owner;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "CREATE TABLE %s (partition integer NOT NULL, row_number bigint NOT NULL",
					 staging_name(job, -1));
	for (int i = 0; i < recipe->key_count; i++)
		append_column(&sql, psprintf("key_%d", i + 1), recipe->keys[i].type,
					  recipe->keys[i].typmod, recipe->keys[i].collation);
	appendStringInfoString(&sql,
						   ", input pg_catalog.text, fields pg_catalog.text[], fingerprint"
						   " pg_catalog.text)"
						   " PARTITION BY LIST (partition)");
	create_for(owner, bare_name(job, -1), sql.data);
	staging_create_partition(recipe, STAGING_FAILED);
}

Oid
staging_create_partition(const Recipe *recipe, int partition)
{
	int64		job = recipe->job->id;
	Oid			relation;

	relation = create_for(recipe->job->owner, bare_name(job, partition),
						  psprintf("CREATE TABLE %s PARTITION OF %s FOR VALUES IN (%d)"
								   " WITH (autovacuum_enabled = false,"
								   " toast.autovacuum_enabled = false)",
								   staging_name(job, partition), staging_name(job, -1), partition));
	return relation;
}

void
staging_create_results(const Recipe *recipe)
{
	int64		job = recipe->job->id;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (row_number bigint NOT NULL",
					 staging_results_name(job));
	for (int i = 0; i < recipe->key_count; i++)
		append_column(&sql, psprintf("key_%d", i + 1), recipe->keys[i].type,
					  recipe->keys[i].typmod, recipe->keys[i].collation);
	if (recipe->many)
		append_column(&sql, ITEM_COLUMN, INT4OID, -1, InvalidOid);
	for (int i = 0; i < recipe->output_count; i++)
		append_column(&sql, psprintf("output_%d", i + 1), recipe->outputs[i].type,
					  recipe->outputs[i].typmod, InvalidOid);
	appendStringInfoString(&sql, ")");
	create_for(recipe->job->owner, bare_results_name(job), sql.data);
}

static void
remove_from_extension(Oid catalog, Oid object)
{
	deleteDependencyRecordsForClass(catalog, object, ExtensionRelationId, DEPENDENCY_EXTENSION);
}

/*
 * Drop a relation of ours; its locks are held.  As a member of the extension it
 * would take that along.  We make only the table a member, but since 17 ALTER
 * EXTENSION ADD, which pg_upgrade does, makes its types members too.
 */
static void
drop_relation(Oid relation)
{
	Oid			type = get_rel_type_id(relation);
	ObjectAddress table;

	remove_from_extension(RelationRelationId, relation);
	remove_from_extension(TypeRelationId, type);
	remove_from_extension(TypeRelationId, get_array_type(type));
	CommandCounterIncrement();
	ObjectAddressSet(table, RelationRelationId, relation);
	performDeletion(&table, DROP_CASCADE, PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
}

static bool
lock_relation(Oid relation, bool conditionally)
{
	if (conditionally)
		return ConditionalLockRelationOid(relation, AccessExclusiveLock);
	LockRelationOid(relation, AccessExclusiveLock);
	return true;
}

/* Is it still there, now that it is locked?  Somebody else may have dropped it meanwhile. */
static bool
still_there(Oid relation)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
}

bool
staging_drop_partition(int64 job, int partition)
{
	Oid			parent = staging_relation(job, -1);
	Oid			relation = staging_relation(job, partition);

	if (OidIsValid(relation))
	{
		if (!lock_relation(parent, true) || !lock_relation(relation, true))
			return false;
		if (still_there(relation))
			drop_relation(relation);
	}
	catalog_delete_partition(job, partition);
	return true;
}

bool
staging_drop(int64 job, bool conditionally)
{
	Oid			parent = staging_relation(job, -1);
	Oid			results = results_relation(job);

	if (OidIsValid(results))
	{
		if (!lock_relation(results, conditionally))
			return false;
		if (still_there(results))
			drop_relation(results);
	}
	if (OidIsValid(parent))
	{
		List	   *children;
		ListCell   *cell;

		if (!lock_relation(parent, conditionally))
			return false;
		children = still_there(parent) ? find_inheritance_children(parent, NoLock) : NIL;
		foreach(cell, children)
		{
			if (!lock_relation(lfirst_oid(cell), conditionally))
				return false;
		}
		foreach(cell, children)
		{
			drop_relation(lfirst_oid(cell));
		}
		if (still_there(parent))
			drop_relation(parent);
	}
	catalog_delete_partitions(job);
	return true;
}
