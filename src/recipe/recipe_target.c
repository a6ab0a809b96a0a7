/*-------------------------------------------------------------------------
 *
 * recipe_target.c
 *	  Resolving where results go: the target and its columns, and their making.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include "access/htup_details.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "common/pg_compat.h"
#include "common/relation.h"
#include "convert/convert.h"

/* An output column of an existing table: its type, and whether it can be written. */
static void
resolve_existing_column(OutputColumn *output, Oid relation)
{
	AttrNumber	number = get_attnum(relation, output->name);
	HeapTuple	tuple;
	Form_pg_attribute attribute;

	output->missing = number == InvalidAttrNumber;
	if (output->missing)
		return;
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(number));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute %d of relation %u", number, relation);
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	if (attribute->attgenerated != '\0' || attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
		ereport(ERROR,
				errcode(ERRCODE_GENERATED_ALWAYS),
				errmsg("output column \"%s\" is a generated column", output->name),
				errhint("Results can be written to ordinary columns only."));
	if (output->type_given &&
		(output->type != attribute->atttypid ||
		 (output->typmod >= 0 && output->typmod != attribute->atttypmod)))
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of \"%s\" is of type %s, not %s", output->name,
					   get_rel_name(relation),
					   format_type_with_typemod(attribute->atttypid, attribute->atttypmod),
					   format_type_with_typemod(output->type, output->typmod)),
				errhint("Leave the type out of output, or write to another column."));
	output->type = attribute->atttypid;
	output->typmod = attribute->atttypmod;
	ReleaseSysCache(tuple);
}

static void
refuse_system_column(const OutputColumn *output)
{
	if (SystemAttributeByName(output->name) != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				errmsg("output column \"%s\" is a system column", output->name),
				errhint("Choose another name."));
}

static void
check_missing_column(const OutputColumn *output, Oid relation, const char *relation_name)
{
	const char *nearest = OidIsValid(relation)
		? relation_nearest_column(relation, output->name) : NULL;

	if (!output->type_given)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of \"%s\" does not exist", output->name, relation_name),
				nearest != NULL
				? errhint("Perhaps you meant \"%s\". With a type the column is made: '%s text'.",
						  nearest, quote_identifier(output->name))
				: errhint("Give it a type to have it made, such as '%s text'.",
						  quote_identifier(output->name)));
	if (type_aclcheck(output->type, GetUserId()) != ACLCHECK_OK)
		aclcheck_error_type(ACLCHECK_NO_PRIV, output->type);
}

static void
resolve_outputs(Recipe *recipe, Oid relation, const char *relation_name)
{
	bool		any_missing = false;

	for (int i = 0; i < recipe->output_count; i++)
	{
		OutputColumn *output = &recipe->outputs[i];

		refuse_system_column(output);
		if (OidIsValid(relation))
			resolve_existing_column(output, relation);
		else
			output->missing = true;
		if (output->missing)
			check_missing_column(output, relation, relation_name);
		any_missing |= output->missing;
		(void) converter_create(output->name, output->type, output->typmod);
	}
	if (any_missing && OidIsValid(relation) && !class_ownercheck(relation, GetUserId()))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of table %s to add output columns to it", relation_name),
				errhint("Have its owner add the columns, or give a target."));
}

static List *
existing_output_names(const Recipe *recipe)
{
	List	   *names = NIL;

	for (int i = 0; i < recipe->output_count; i++)
		if (!recipe->outputs[i].missing)
			names = lappend(names, recipe->outputs[i].name);
	return names;
}

/* The columns of a target of its own that tell its rows apart. */
static List *
target_key(const Recipe *recipe)
{
	List	   *key = list_copy(recipe->job->key);

	return recipe->many ? lappend(key, ITEM_COLUMN) : key;
}

/* The same, quoted as in SQL. */
static char *
quoted_keys(const Recipe *recipe)
{
	StringInfoData keys;
	ListCell   *cell;

	initStringInfo(&keys);
	foreach(cell, target_key(recipe))
	{
		appendStringInfo(&keys, "%s%s", keys.len > 0 ? ", " : "",
						 quote_identifier(lfirst(cell)));
	}
	return keys.data;
}

static void
require_unique_key(const Recipe *recipe, const char *why)
{
	if (!recipe->target_has_key)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				errmsg("there is no unique index on the key of \"%s\"",
					   get_rel_name(recipe->target)),
				errdetail("%s needs a unique index on exactly the key columns%s, not partial, not "
						  "deferrable.", why, recipe->many ? " and " ITEM_COLUMN : ""),
				errhint("Make one with CREATE UNIQUE INDEX ON %s (%s), or give another %s.",
						recipe->target_name, quoted_keys(recipe),
						recipe->job->target == NULL ? "key or a target" : "key or target"));
}

/* Results update the source itself. */
static void
resolve_source_as_target(Recipe *recipe)
{
	Oid			source = recipe->job->source;
	char		kind = get_rel_relkind(source);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("results cannot be written into \"%s\", which is not a table",
					   get_rel_name(source)),
				errhint("Give a target: target => '%s_enriched'.", get_rel_name(source)));
	if (recipe->many)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("result_rows => 'many' needs a target"),
				errdetail("A row of the source cannot hold any number of results."),
				errhint("Name a table for the items: target => '%s_items'. It is made if it is not "
						"there.", get_rel_name(source)));
	recipe->target = source;
	recipe->target_name = recipe->source;
	recipe->target_has_key = relation_has_unique_key(source, recipe->job->key);
	require_unique_key(recipe, "Updating the source");
	resolve_outputs(recipe, source, get_rel_name(source));
	relation_require_privilege(source, ACL_UPDATE, existing_output_names(recipe));
}

pg_noreturn static void
refuse_temporary_target(const char *name)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			errmsg("target \"%s\" is a temporary table", name),
			errdetail("Background workers cannot see the temporary tables of a session."),
			errhint("Use an ordinary or an unlogged table."));
}

static void
check_target_kind(const Recipe *recipe)
{
	char		kind = get_rel_relkind(recipe->target);
	const char *name = get_rel_name(recipe->target);

	if (recipe->target == recipe->job->source)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("target \"%s\" is the source", name),
				errhint("Leave target out to write results into the source."));
	if (get_rel_persistence(recipe->target) == RELPERSISTENCE_TEMP)
		refuse_temporary_target(name);
	if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
		return;
	if ((kind == RELKIND_FOREIGN_TABLE || kind == RELKIND_VIEW) &&
		recipe->job->write_mode == WRITE_INSERT)
		return;
	ereport(ERROR,
			errcode(ERRCODE_WRONG_OBJECT_TYPE),
			errmsg("results cannot be written into \"%s\" with write_mode %s",
				   name, write_mode_name(recipe->job->write_mode)),
			errhint("Use a table; a view or foreign table takes write_mode 'insert' only."));
}

/* A column of the target that is to hold what the job says must not be computed. */
static void
refuse_generated(const Recipe *recipe, AttrNumber number)
{
	if (get_attgenerated(recipe->target, number) != '\0')
		ereport(ERROR,
				errcode(ERRCODE_GENERATED_ALWAYS),
				errmsg("column \"%s\" of target \"%s\" is a generated column",
					   get_attname(recipe->target, number, false), get_rel_name(recipe->target)),
				errhint("It tells the target's rows apart: make it an ordinary column."));
}

static void
check_target_keys(const Recipe *recipe)
{
	for (int i = 0; i < recipe->key_count; i++)
	{
		const KeyColumn *key = &recipe->keys[i];
		AttrNumber	number = get_attnum(recipe->target, key->name);

		if (number <= 0)
			ereport(ERROR,
					errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("key column \"%s\" does not exist in target \"%s\"",
						   key->name, get_rel_name(recipe->target)),
					errhint("The target has the key columns of the source, under the same names."));
		if (get_atttype(recipe->target, number) != key->type)
			ereport(ERROR,
					errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("key column \"%s\" of target \"%s\" is of type %s, not %s as in the "
						   "source",
						   key->name, get_rel_name(recipe->target),
						   format_type_be(get_atttype(recipe->target, number)),
						   format_type_be(key->type)),
					errhint("Give the target's key columns the types of the source's."));
		refuse_generated(recipe, number);
	}
}

/* With many: the column that numbers a row's items. */
static void
check_item_column(const Recipe *recipe)
{
	AttrNumber	number = get_attnum(recipe->target, ITEM_COLUMN);

	if (!recipe->many)
		return;
	if (number <= 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("target \"%s\" has no column \"%s\"", get_rel_name(recipe->target),
					   ITEM_COLUMN),
				errdetail("With result_rows => 'many' it numbers the items of a row, from 0."),
				errhint("Add it, as integer, with a unique index on the key and \"%s\"; or name a "
						"target that is not there yet.", ITEM_COLUMN));
	if (get_atttype(recipe->target, number) != INT4OID)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of target \"%s\" is of type %s, not integer", ITEM_COLUMN,
					   get_rel_name(recipe->target),
					   format_type_be(get_atttype(recipe->target, number))),
				errhint("With result_rows => 'many' it numbers the items of a row, from 0."));
	refuse_generated(recipe, number);
}

/* With many an upsert also removes the items that a row has no more. */
static void
require_delete(const Recipe *recipe, const char *what)
{
	if (pg_class_aclcheck(recipe->target, GetUserId(), ACL_DELETE) != ACLCHECK_OK)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for table %s", get_rel_name(recipe->target)),
				errdetail("%s needs DELETE.", what),
				errhint("Grant it to \"%s\".", GetUserNameFromId(GetUserId(), false)));
}

static void
check_target_privileges(const Recipe *recipe)
{
	List	   *keys = target_key(recipe);
	List	   *outputs = existing_output_names(recipe);
	bool		updates = recipe->job->write_mode == WRITE_UPSERT;

	/*
	 * Rows that foreign keys refer to are updated where their keys come back:
	 * see store_write.c.
	 */
	if (recipe->job->write_mode == WRITE_OVERWRITE)
		updates = recipe->target_has_key && relation_is_referenced(recipe->target);

	relation_require_privilege(recipe->target, ACL_INSERT, list_concat_copy(keys, outputs));
	if (updates)
	{
		relation_require_privilege(recipe->target, ACL_UPDATE, outputs);

		/*
		 * ON CONFLICT reads EXCLUDED, and that takes SELECT on the outputs,
		 * too.
		 */
		relation_require_privilege(recipe->target, ACL_SELECT, list_concat_copy(keys, outputs));
	}
	if (recipe->job->write_mode == WRITE_OVERWRITE)
		require_delete(recipe, "write_mode overwrite");
	else if (recipe->many && recipe->job->write_mode == WRITE_UPSERT)
		require_delete(recipe, "write_mode upsert with result_rows => 'many'");
}

static void
resolve_existing_target(Recipe *recipe)
{
	check_target_kind(recipe);
	check_target_keys(recipe);
	check_item_column(recipe);
	recipe->target_name = relation_quoted_name(recipe->target);
	recipe->target_has_key = relation_has_unique_key(recipe->target, target_key(recipe));
	if (recipe->job->write_mode == WRITE_UPSERT)
		require_unique_key(recipe, "write_mode upsert");
	resolve_outputs(recipe, recipe->target, get_rel_name(recipe->target));
	check_target_privileges(recipe);
}

static void
resolve_new_target(Recipe *recipe, RangeVar *name)
{
	Oid			schema = RangeVarGetCreationNamespace(name);

	if (isAnyTempNamespace(schema))
		refuse_temporary_target(name->relname);
	recipe->target_name = quote_qualified_identifier(get_namespace_name(schema), name->relname);
	recipe->target_has_key = true;
	resolve_outputs(recipe, InvalidOid, name->relname);
}

static void
hint_at_target(void *target)
{
	errhint("Write a table's name as in SQL: 'results', 'my_schema.results' or '\"My Results\"'.");
	errcontext("target \"%s\"", (const char *) target);
}

static RangeVar *
read_target_name(char *target)
{
	ErrorContextCallback callback = {error_context_stack, hint_at_target, target};
	RangeVar   *name;

	error_context_stack = &callback;
	name = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(target)));
	error_context_stack = callback.previous;
	return name;
}

void
recipe_resolve_target(Recipe *recipe)
{
	RangeVar   *name;

	for (int i = 0; recipe->many && i < recipe->key_count; i++)
		if (strcmp(recipe->keys[i].name, ITEM_COLUMN) == 0)
			ereport(ERROR,
					errcode(ERRCODE_DUPLICATE_COLUMN),
					errmsg("key column \"%s\" has the name of the number of the item", ITEM_COLUMN),
					errhint("With result_rows => 'many' the target has a column of that name: give "
							"the key column another one in a view, and start from that."));
	if (recipe->job->target == NULL)
	{
		resolve_source_as_target(recipe);
		return;
	}
	name = read_target_name(recipe->job->target);
	recipe->target = RangeVarGetRelid(name, NoLock, true);
	if (OidIsValid(recipe->target))
		resolve_existing_target(recipe);
	else
		resolve_new_target(recipe, name);
}

static void
append_type(StringInfo sql, Oid type, int32 typmod, Oid collation)
{
	appendStringInfoString(sql, format_type_extended(type, typmod,
													 FORMAT_TYPE_TYPEMOD_GIVEN |
													 FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation) && collation != get_typcollation(type))
		appendStringInfo(sql, " COLLATE %s", generate_collation_name(collation));
}

static void
append_create_table(StringInfo sql, const Recipe *recipe)
{
	appendStringInfo(sql, "CREATE TABLE %s (", recipe->target_name);
	for (int i = 0; i < recipe->key_count; i++)
	{
		const KeyColumn *key = &recipe->keys[i];

		appendStringInfo(sql, "%s ", quote_identifier(key->name));
		append_type(sql, key->type, key->typmod, key->collation);
		appendStringInfoString(sql, ", ");
	}
	if (recipe->many)
		appendStringInfo(sql, "%s pg_catalog.int4, ", ITEM_COLUMN);
	for (int i = 0; i < recipe->output_count; i++)
	{
		const OutputColumn *output = &recipe->outputs[i];

		appendStringInfo(sql, "%s ", quote_identifier(output->name));
		append_type(sql, output->type, output->typmod, InvalidOid);
		appendStringInfoString(sql, ", ");
	}
	appendStringInfo(sql, "PRIMARY KEY (%s))", quoted_keys(recipe));
}

/* False: nothing is missing. */
static bool
append_add_columns(StringInfo sql, const Recipe *recipe)
{
	bool		any = false;

	appendStringInfo(sql, "ALTER TABLE %s ", recipe->target_name);
	for (int i = 0; i < recipe->output_count; i++)
	{
		const OutputColumn *output = &recipe->outputs[i];

		if (!output->missing)
			continue;
		appendStringInfo(sql, "%sADD COLUMN %s ", any ? ", " : "", quote_identifier(output->name));
		append_type(sql, output->type, output->typmod, InvalidOid);
		any = true;
	}
	return any;
}

/*
 * Columns of many floating-point numbers that this makes are not compressed
 * where they are too long for a row: such numbers hardly get shorter, but
 * trying to takes as long as reading them.  False: there is none.
 */
static bool
append_set_storage(StringInfo sql, const Recipe *recipe, bool all)
{
	bool		any = false;

	appendStringInfo(sql, "ALTER TABLE %s ", recipe->target_name);
	for (int i = 0; i < recipe->output_count; i++)
	{
		const OutputColumn *output = &recipe->outputs[i];

		if (!(all || output->missing) ||
			(output->type != FLOAT4ARRAYOID && output->type != FLOAT8ARRAYOID))
			continue;
		appendStringInfo(sql, "%sALTER COLUMN %s SET STORAGE EXTERNAL", any ? ", " : "",
						 quote_identifier(output->name));
		any = true;
	}
	return any;
}

static void
run_utility(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "could not make the target: %s", SPI_result_code_string(result));
}

void
recipe_make_target(Recipe *recipe)
{
	bool		is_new = !OidIsValid(recipe->target);
	StringInfoData make;
	StringInfoData set_storage;

	initStringInfo(&make);
	if (is_new)
		append_create_table(&make, recipe);
	else if (!append_add_columns(&make, recipe))
		return;
	SPI_connect();
	run_utility(make.data);
	initStringInfo(&set_storage);
	if (append_set_storage(&set_storage, recipe, is_new))
		run_utility(set_storage.data);
	SPI_finish();
	if (is_new)
	{
		List	   *name = textToQualifiedNameList(cstring_to_text(recipe->target_name));

		recipe->target = RangeVarGetRelid(makeRangeVarFromNameList(name), NoLock, false);
	}
}
