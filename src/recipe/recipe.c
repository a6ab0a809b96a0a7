/*-------------------------------------------------------------------------
 *
 * recipe.c
 *	  Resolving a job's source: relation, key, inputs (columns and expressions).
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "common/pg_compat.h"
#include "common/relation.h"

/* Columns that a hint lists at most. */
#define COLUMNS_LISTED 20

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

/* The first columns of a relation, for a hint. */
static char *
list_columns(Oid relation)
{
	List	   *names = relation_columns(relation);
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
	const char *nearest = relation_nearest_column(relation, column);
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
recipe_key_equality(const KeyColumn *key)
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
recipe_key_collation(const KeyColumn *key, Oid relation)
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

	/*
	 * Arrays and composite types have a family, but no order unless all in
	 * them has one.
	 */
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
		job->key = relation_primary_key(job->source);
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
	recipe->key_is_unique = relation_has_unique_key(job->source, job->key) &&
		(get_rel_relkind(job->source) != RELKIND_RELATION || !has_subclass(job->source));
}

bool
recipe_is_expression(const char *input)
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
	{
		names = lappend(names, makeString(lfirst(cell)));
	}
	foreach(cell, job->input)
	{
		char	   *column = lfirst(cell);

		if (recipe_is_expression(column))
		{
			recipe_check_expression(column, "input");
			continue;
		}
		require_column(job->source, column, "input");
		if (!list_member(names, makeString(column)))
			names = lappend(names, makeString(column));
	}
	recipe->fields = palloc(sizeof(char *) * list_length(names));
	foreach(cell, names)
	{
		recipe->fields[recipe->field_count++] = strVal(lfirst(cell));
	}
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
recipe_point_into_expression(void *expression)
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
recipe_check_expression(const char *text, const char *parameter)
{
	ExpressionSubject subject = {text, parameter, 0};
	ErrorContextCallback callback = {error_context_stack, recipe_point_into_expression,
	&subject};
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
	relation_require_privilege(recipe->job->source, ACL_SELECT, columns);
}

Recipe *
recipe_make(Job *job)
{
	Recipe	   *recipe = palloc0(sizeof(Recipe));

	Assert(IsTransactionState());
	recipe->job = job;
	check_source(job->source);	/* before its key is looked for */
	recipe->source = relation_quoted_name(job->source);
	recipe->many = job->result_rows == RESULT_ROWS_MANY;
	recipe->source_alias = quote_identifier(get_rel_name(job->source));
	resolve_key(recipe, job);
	collect_fields(recipe, job);
	recipe_check_source(recipe);
	if (job->where_clause != NULL)
		recipe_check_expression(job->where_clause, "where_clause");
	recipe_read_outputs(recipe);
	recipe_resolve_target(recipe);
	recipe_check_placeholders(recipe);
	recipe_compile_paths(recipe);
	recipe_check_fingerprint(recipe);
	return recipe;
}
