/*-------------------------------------------------------------------------
 *
 * recipe.c
 *	  Resolving a job's source: relation, key, inputs (columns and expressions).
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/similar.h"
#include "common/pg_compat.h"

/* Columns that a hint lists at most. */
#define COLUMNS_LISTED 20

char *
relation_quoted_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

void
require_columns_privilege(Oid relation, uint64 mode, List *columns)
{
	ListCell   *cell;

	if (pg_class_aclcheck(relation, GetUserId(), (AclMode) mode) == ACLCHECK_OK)
		return;
	foreach(cell, columns)
	{
		const char *column = lfirst(cell);

		if (pg_attribute_aclcheck(relation, get_attnum(relation, column), GetUserId(),
								  (AclMode) mode) != ACLCHECK_OK)
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

/* Can this one be read from by a worker? */
static void
check_source(Oid source)
{
	char		kind = get_rel_relkind(source);

	if (kind == '\0')
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("the source does not exist any more"),
				errhint("Cancel the job, and start one with a table that is there."));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_VIEW &&
		kind != RELKIND_MATVIEW && kind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("\"%s\" is not a table or view", get_rel_name(source)),
				errhint("A source is a table, partitioned table, view, materialized view or "
						"foreign table."));
	if (get_rel_persistence(source) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				errmsg("\"%s\" is a temporary table", get_rel_name(source)),
				errdetail("Background workers cannot see the temporary tables of a session."),
				errhint("Use an ordinary or an unlogged table."));
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

static List *
primary_key_columns(Oid relation)
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
			foreach(column, index_columns(index))
				names = lappend(names,
								get_attname(relation, (AttrNumber) lfirst_int(column), false));
		ReleaseSysCache(tuple);
	}
	relation_close(rel, AccessShareLock);
	return names;
}

/* Does a unique index cover exactly these columns, and always hold? */
static bool
index_covers(Oid relation, Oid index_oid, int count, const KeyColumn *keys, const char *one_more)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index_oid));
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	bool		covers;

	covers = index->indisunique && index->indisvalid && index->indimmediate &&
		index->indnkeyatts == count + (one_more != NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indexprs, NULL);
	for (int i = 0; i < count && covers; i++)
		covers = list_member_int(index_columns(index), get_attnum(relation, keys[i].name));
	if (covers && one_more != NULL)
		covers = list_member_int(index_columns(index), get_attnum(relation, one_more));
	ReleaseSysCache(tuple);
	return covers;
}

bool
relation_has_unique_key(Oid relation, int count, const KeyColumn *keys, const char *one_more)
{
	Relation	rel;
	ListCell   *cell;
	bool		found = false;

	rel = relation_open(relation, AccessShareLock);
	if (rel->rd_rel->relkind == RELKIND_RELATION ||
		rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		rel->rd_rel->relkind == RELKIND_MATVIEW)
		foreach(cell, RelationGetIndexList(rel))
			found |= index_covers(relation, lfirst_oid(cell), count, keys, one_more);
	relation_close(rel, AccessShareLock);
	return found;
}

/* The names of a relation's columns, in order. */
static List *
column_names(Oid relation)
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
nearest_column(Oid relation, const char *name)
{
	Similar		similar = similar_to(name);
	ListCell   *cell;

	foreach(cell, column_names(relation))
		similar_consider(&similar, lfirst(cell));
	return similar.best;
}

/* The first columns of a relation, for a hint. */
static char *
list_columns(Oid relation)
{
	List	   *names = column_names(relation);
	StringInfoData list;
	ListCell   *cell;

	initStringInfo(&list);
	foreach(cell, names)
	{
		if (foreach_current_index(cell) == COLUMNS_LISTED)
		{
			appendStringInfoString(&list, ", ...");
			break;
		}
		appendStringInfo(&list, "%s%s", foreach_current_index(cell) > 0 ? ", " : "",
						 (char *) lfirst(cell));
	}
	return list.data;
}

/* A name in quotes, as in SQL, without them; NULL for any other. */
static char *
without_quotes(const char *name)
{
	size_t		length = strlen(name);

	if (length < 3 || name[0] != '"' || name[length - 1] != '"')
		return NULL;
	return pnstrdup(name + 1, length - 2);
}

/* What should stand in place of a column that is none. */
static char *
missing_column_hint(Oid relation, const char *column, bool takes_expressions)
{
	const char *nearest = nearest_column(relation, column);
	char	   *inside = without_quotes(column);

	if (get_attnum(relation, column) < 0)
		return "System columns are not taken.";
	if (inside != NULL && get_attnum(relation, inside) > 0)
		return psprintf("Names are written without quotes here: %s.", inside);
	if (nearest != NULL)
		return psprintf("Perhaps you meant \"%s\".", nearest);
	if (column[strcspn(column, "()|+*/=<>:'")] == '\0')
		return psprintf("\"%s\" has the columns %s.", get_rel_name(relation),
						list_columns(relation));
	if (takes_expressions)
		return psprintf("Write an expression within parentheses, as in CREATE INDEX: (%s).",
						column);
	return "A key consists of columns, not of expressions.";
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

static AttrNumber
require_column(Oid relation, const char *column, const char *parameter)
{
	AttrNumber	number = get_attnum(relation, column);

	if (number <= 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of %s does not exist in \"%s\"",
					   column, parameter, get_rel_name(relation)),
				errhint("%s", missing_column_hint(relation, column,
												  strcmp(parameter, "input") == 0)));
	return number;
}

char *
key_equality(const KeyColumn *key)
{
	Oid			operator = lookup_type_cache(key->type, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *sql;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	sql = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
				   NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return sql;
}

const char *
key_collation(const KeyColumn *key, Oid relation)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	/* Beside the default one any other counts. */
	if (!OidIsValid(relation) || key->collation == DEFAULT_COLLATION_OID)
		return "";
	get_atttypetypmodcoll(relation, get_attnum(relation, key->name), &type, &typmod, &collation);
	if (!OidIsValid(collation) || collation == key->collation)
		return "";
	return psprintf(" COLLATE %s", generate_collation_name(collation));
}

static void
require_equality(const KeyColumn *key)
{
	TypeCacheEntry *type = lookup_type_cache(key->type, TYPECACHE_EQ_OPR | TYPECACHE_CMP_PROC);

	/* Arrays and composite types have a family, but no order unless all in them has one. */
	if (!OidIsValid(type->eq_opr) || !OidIsValid(type->cmp_proc))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_FUNCTION),
				errmsg("key column \"%s\" is of type %s, which has no ordering",
					   key->name, format_type_be(key->type)),
				errhint("Use key columns whose values can be compared and sorted."));
}

static void
resolve_key(Recipe *recipe, Job *job)
{
	ListCell   *cell;
	int			count = 0;

	if (job->key == NIL)
		job->key = primary_key_columns(job->source);
	if (job->key == NIL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("\"%s\" has no primary key", get_rel_name(job->source)),
				errhint("Name the columns that identify a row: key => '{...}'."));
	recipe->keys = palloc0(sizeof(KeyColumn) * list_length(job->key));
	foreach(cell, job->key)
	{
		KeyColumn  *key = &recipe->keys[count++];
		AttrNumber	number = require_column(job->source, lfirst(cell), "key");

		key->name = lfirst(cell);
		get_atttypetypmodcoll(job->source, number, &key->type, &key->typmod, &key->collation);
		require_equality(key);
		for (int i = 0; i < count - 1; i++)
			if (strcmp(recipe->keys[i].name, key->name) == 0)
				ereport(ERROR,
						errcode(ERRCODE_DUPLICATE_COLUMN),
						errmsg("key names column \"%s\" twice", key->name),
						errhint("Name each key column once."));
	}
	recipe->key_count = count;
	/*
	 * An index says nothing of the tables that inherit from the source, whose
	 * rows are taken too.
	 */
	recipe->key_is_unique = relation_has_unique_key(job->source, count, recipe->keys, NULL) &&
		(get_rel_relkind(job->source) != RELKIND_RELATION || !has_subclass(job->source));
}

bool
input_is_expression(const char *input)
{
	return input[0] == '(';
}

/* Key and input columns, each once. */
static void
collect_fields(Recipe *recipe, const Job *job)
{
	ListCell   *cell;
	List	   *names = NIL;

	foreach(cell, job->key)
		names = lappend(names, makeString(lfirst(cell)));
	foreach(cell, job->input)
	{
		char	   *column = lfirst(cell);

		if (input_is_expression(column))
		{
			check_is_expression(column, "input");
			continue;
		}
		require_column(job->source, column, "input");
		if (!list_member(names, makeString(column)))
			names = lappend(names, makeString(column));
	}
	recipe->fields = palloc(sizeof(char *) * list_length(names));
	foreach(cell, names)
		recipe->fields[recipe->field_count++] = strVal(lfirst(cell));
}

/* Outside of strings, whose parentheses mean nothing. */
static bool
has_open_parenthesis(const char *sql)
{
	bool		in_string = false;
	int			open = 0;

	for (; *sql != '\0'; sql++)
	{
		if (*sql == '\'')
			in_string = !in_string;
		else if (!in_string)
			open += (*sql == '(') - (*sql == ')');
	}
	return open > 0;
}

void
point_into_expression(void *expression)
{
	const ExpressionSubject *subject = expression;
	int			position = geterrposition() > 0 ? geterrposition() : getinternalerrposition();

	position -= subject->offset;
	if (position < 1 || position > pg_mbstrlen(subject->text) + 1)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(subject->text);
	errcontext("%s", subject->parameter);
	if (geterrcode() == ERRCODE_SYNTAX_ERROR && strcmp(subject->parameter, "input") == 0 &&
		has_open_parenthesis(subject->text))
		errhint("Close the parenthesis. An expression with a comma stands in double quotes in the "
				"array: '{\"(left(title, 9))\"}'.");
}

/* What the parser takes for an expression may have more behind it: FROM, ORDER BY and the like. */
static bool
is_bare_expression(const SelectStmt *select)
{
	return list_length(select->targetList) == 1 &&
		linitial_node(ResTarget, select->targetList)->name == NULL &&
		!select->distinctClause && !select->fromClause && !select->whereClause &&
		!select->groupClause && !select->havingClause && !select->windowClause &&
		!select->sortClause && !select->limitOffset && !select->limitCount &&
		!select->lockingClause;
}

void
check_is_expression(const char *text, const char *parameter)
{
	ExpressionSubject subject = {text, parameter, 0};
	ErrorContextCallback callback = {error_context_stack, point_into_expression, &subject};
	List	   *statements;

	error_context_stack = &callback;
	statements = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	error_context_stack = callback.previous;
	if (!is_bare_expression((SelectStmt *) linitial_node(RawStmt, statements)->stmt))
		ereport(ERROR,
				errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("%s is not a single SQL expression", parameter),
				strcmp(parameter, "input") == 0
				? errhint("Write an element of input as in CREATE INDEX, such as (lower(name)).")
				: errhint("Write a condition as it stands behind WHERE, such as price > 10."),
				text[0] != '\0' ? internalerrposition(1) : 0,
				text[0] != '\0' ? internalerrquery(text) : 0,
				errcontext("%s", parameter));
}

void
recipe_check_source(const Recipe *recipe)
{
	List	   *columns = NIL;

	check_source(recipe->job->source);
	for (int i = 0; i < recipe->field_count; i++)
		columns = lappend(columns, recipe->fields[i]);
	require_columns_privilege(recipe->job->source, ACL_SELECT, columns);
}

/* Templates are malloc'd: they go with the memory context of their recipe. */
static void
free_with_context(void *recipe)
{
	recipe_free(recipe);
}

Recipe *
recipe_make(Job *job, const Server *server)
{
	Recipe	   *recipe = palloc0(sizeof(Recipe));

	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_with_context;
	callback->arg = recipe;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	server_check_usage(server, GetUserId());
	recipe->job = job;
	recipe->server = server;
	check_source(job->source);	/* before its key is looked for */
	recipe->source = relation_quoted_name(job->source);
	recipe->many = strcmp(job->result_rows, "many") == 0;
	recipe->source_alias = quote_identifier(get_rel_name(job->source));
	resolve_key(recipe, job);
	collect_fields(recipe, job);
	recipe_check_source(recipe);
	if (job->where_clause != NULL)
		check_is_expression(job->where_clause, "where_clause");
	recipe_read_outputs(recipe);
	recipe_resolve_target(recipe);
	recipe_check_placeholders(recipe);
	recipe_compile_shape(recipe);
	return recipe;
}

void
recipe_free(Recipe *recipe)
{
	template_free(recipe->body);
	template_free(recipe->url);
	recipe->body = recipe->url = NULL;
}
