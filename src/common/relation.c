/*-------------------------------------------------------------------------
 *
 * relation.c
 *	  Questions about tables and views: their columns, keys and rights.
 *
 *-------------------------------------------------------------------------
 */
#include "common/relation.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "base/similar.h"
#include "common/pg_compat.h"

char *
relation_quoted_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

void
relation_require_privilege(Oid relation, AclMode mode, List *columns)
{
	ListCell   *cell;

	if (pg_class_aclcheck(relation, GetUserId(), mode) == ACLCHECK_OK)
		return;
	foreach(cell, columns)
	{
		const char *column = lfirst(cell);

		if (pg_attribute_aclcheck(relation, get_attnum(relation, column), GetUserId(),
								  mode) != ACLCHECK_OK)
			ereport(ERROR,
					errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied for table %s", get_rel_name(relation)),
					errdetail("The job needs %s on column \"%s\".",
							  mode == ACL_SELECT ? "SELECT" : mode == ACL_INSERT ? "INSERT"
							  : "UPDATE",
							  column),
					errhint("Grant it to \"%s\".", GetUserNameFromId(GetUserId(), false)));
	}
}

/* The columns of an index, by attribute number, in its order. */
static List *
index_columns(Form_pg_index index)
{
	List	   *columns = NIL;

	for (int i = 0; i < index->indnkeyatts; i++)
		columns = lappend_int(columns, index->indkey.values[i]);
	return columns;
}

List *
relation_primary_key(Oid relation)
{
	Relation	rel = relation_open(relation, AccessShareLock);
	List	   *names = NIL;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
		ListCell   *column;

		if (index->indisprimary)
		{
			foreach(column, index_columns(index))
			{
				names = lappend(names,
								get_attname(relation, (AttrNumber) lfirst_int(column), false));
			}
		}
		ReleaseSysCache(tuple);
	}
	relation_close(rel, AccessShareLock);
	return names;
}

/* Does a unique index cover exactly these columns, and always hold? */
static bool
index_covers(Oid relation, Oid index_oid, List *columns)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index_oid));
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	ListCell   *cell;
	bool		covers;

	covers = index->indisunique && index->indisvalid && index->indimmediate &&
		index->indnkeyatts == list_length(columns) &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indexprs, NULL);
	foreach(cell, columns)
	{
		covers = covers && list_member_int(index_columns(index),
										   get_attnum(relation, lfirst(cell)));
	}
	ReleaseSysCache(tuple);
	return covers;
}

bool
relation_has_unique_key(Oid relation, List *columns)
{
	Relation	rel;
	ListCell   *cell;
	bool		found = false;

	rel = relation_open(relation, AccessShareLock);
	if (rel->rd_rel->relkind == RELKIND_RELATION ||
		rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		rel->rd_rel->relkind == RELKIND_MATVIEW)
	{
		foreach(cell, RelationGetIndexList(rel))
		{
			found |= index_covers(relation, lfirst_oid(cell), columns);
		}
	}
	relation_close(rel, AccessShareLock);
	return found;
}

List *
relation_columns(Oid relation)
{
	Relation	rel = relation_open(relation, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(rel);
	List	   *names = NIL;

	for (int i = 0; i < descriptor->natts; i++)
		if (!TupleDescAttr(descriptor, i)->attisdropped)
			names = lappend(names, pstrdup(NameStr(TupleDescAttr(descriptor, i)->attname)));
	relation_close(rel, AccessShareLock);
	return names;
}

const char *
relation_nearest_column(Oid relation, const char *name)
{
	Similar		similar = similar_to(name);
	ListCell   *cell;

	foreach(cell, relation_columns(relation))
	{
		similar_consider(&similar, lfirst(cell));
	}
	return similar.best;
}

bool
relation_is_referenced(Oid relation)
{
	Relation	rel = relation_open(relation, AccessShareLock);
	bool		referenced = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		referenced |= RI_FKey_trigger_type(rel->trigdesc->triggers[i].tgfoid) == RI_TRIGGER_PK;
	relation_close(rel, NoLock);
	return referenced;
}
