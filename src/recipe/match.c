/*-------------------------------------------------------------------------
 *
 * match.c
 *	  Items of an answer to the rows they belong to, by their keys.
 *
 * The request's rows are sorted by their keys, each item's key is looked up
 * among them.  An item's key is whatever JSON the API makes of it, so it goes
 * through the same conversion as a result; that may raise errors, in a
 * subtransaction, which mean that the key is none of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/match.h"

#include "access/xact.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "common/encoding.h"
#include "common/subtransaction.h"
#include "convert/convert.h"
#include "recipe/recipe.h"

/* A key is shown in messages if it is no longer than this. */
#define SHOWN_LENGTH 80

struct Matcher
{
	int			key_count;
	const KeyColumn *keys;
	Converter **converters;
	FmgrInfo  **compare;		/* the types' own, of the type cache */
};

/* A row of the request, or an item, among others with keys. */
typedef struct Keyed
{
	const Datum *keys;
	int			number;
} Keyed;

Matcher *
matcher_create(int key_count, const KeyColumn *keys)
{
	Matcher    *matcher = palloc0(sizeof(Matcher));

	matcher->key_count = key_count;
	matcher->keys = keys;
	matcher->converters = palloc(sizeof(Converter *) * key_count);
	matcher->compare = palloc(sizeof(FmgrInfo *) * key_count);
	for (int i = 0; i < key_count; i++)
	{
		/*
		 * Without the column's modifier: 1.004 is not the row whose
		 * numeric(3,2) is 1.00.
		 */
		matcher->converters[i] = converter_create(keys[i].name, getBaseType(keys[i].type), -1);
		matcher->compare[i] = &lookup_type_cache(keys[i].type,
												 TYPECACHE_CMP_PROC_FINFO)->cmp_proc_finfo;
	}
	return matcher;
}

/* qsort_arg and search */
static int
compare_keys(const void *left, const void *right, void *arg)
{
	const Matcher *matcher = arg;

	for (int i = 0; i < matcher->key_count; i++)
	{
		int			order = DatumGetInt32(FunctionCall2Coll(matcher->compare[i],
															matcher->keys[i].collation,
															((const Keyed *) left)->keys[i],
															((const Keyed *) right)->keys[i]));

		if (order != 0)
			return order;
	}
	return 0;
}

static Keyed *
sort_rows(Matcher *matcher, Datum *const *row_keys, int count)
{
	Keyed	   *rows = palloc(sizeof(Keyed) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		rows[i].keys = row_keys[i];
		rows[i].number = i;
	}
	qsort_arg(rows, count, sizeof(Keyed), compare_keys, matcher);
	return rows;
}

/* The row with these keys; -1: there is none. */
static int
find_row(Matcher *matcher, const Keyed *rows, int count, const Datum *keys)
{
	Keyed		wanted = {keys, 0};
	const Keyed *found = bsearch_arg(&wanted, rows, count, sizeof(Keyed), compare_keys, matcher);

	return found == NULL ? -1 : found->number;
}

/* The parts of a key of several columns: an array's elements, or an object's members. */
static const char *
split_key(const Matcher *matcher, JsonSlice key, JsonSlice *parts)
{
	JsonCursor	cursor;
	JsonSlice	part;
	int			count = 0;

	if (matcher->key_count == 1)
	{
		parts[0] = key;
		return NULL;
	}
	if (json_kind(key) == JSON_OBJECT)
	{
		for (int i = 0; i < matcher->key_count; i++)
		{
			const char *name = text_to_utf8(matcher->keys[i].name);

			if (!json_member(key, name, strlen(name), &parts[i]))
				return psprintf("which has no member \"%s\"", name);
		}
		return NULL;
	}
	if (json_kind(key) != JSON_ARRAY)
		return psprintf("but a key of %d columns is an array or an object", matcher->key_count);
	cursor = json_elements(key);
	while (json_next_element(&cursor, &part))
		if (count++ < matcher->key_count)
			parts[count - 1] = part;
	if (count != matcher->key_count)
		return psprintf("which has %d elements where the key has %d columns", count,
						matcher->key_count);
	return NULL;
}

/* The values of one item's key.  Returns why it has none, or NULL; or raises why. */
static const char *
convert_key(const Matcher *matcher, JsonSlice key, Datum *values)
{
	JsonSlice  *parts = palloc(sizeof(JsonSlice) * matcher->key_count);
	const char *why = split_key(matcher, key, parts);

	for (int i = 0; why == NULL && i < matcher->key_count; i++)
	{
		bool		is_null;

		values[i] = converter_apply(matcher->converters[i], parts[i], &is_null);
		if (is_null)
			why = psprintf("in which \"%s\" is null", text_to_utf8(matcher->keys[i].name));
	}
	return why;
}

static Datum *
keys_of(const Matcher *matcher, Datum *all, int item)
{
	return all + (Size) item * matcher->key_count;
}

/* The keys of all items, to be converted. */
typedef struct KeyConversion
{
	const Matcher *matcher;
	const Response *response;
	Datum	   *all;
	int			item;			/* the one that comes next, or has failed */
	const char *why;			/* it has no key; or NULL */
} KeyConversion;

static void
convert_keys(void *arg)
{
	KeyConversion *keys = arg;
	const Response *response = keys->response;

	for (; keys->item < response->item_count; keys->item++)
	{
		keys->why = convert_key(keys->matcher, response->keys[keys->item],
								keys_of(keys->matcher, keys->all, keys->item));
		if (keys->why != NULL)
			return;
	}
}

/* Converts them; returns why the item *failed has no key, or NULL.  Errors are reasons. */
static const char *
try_convert_keys(const Matcher *matcher, const Response *response, Datum *all, int *failed)
{
	KeyConversion keys = {matcher, response, all, 0, NULL};
	ErrorData  *error = subtransaction_run(convert_keys, &keys, NULL);

	*failed = keys.item;
	return error == NULL ? keys.why
		: psprintf("which cannot be one: %s", text_to_utf8(error->message));
}

/* "item 3 of the answer has the key 17, …" */
static void
reject(Response *response, int item, const char *why)
{
	JsonSlice	key = response->keys[item];
	bool		shown = key.length <= SHOWN_LENGTH;

	response_reject(response,
					psprintf("item %d of the answer, counted from 0, has the key %s%s, %s", item,
							 pnstrdup(key.start,
									  shown ? key.length
									  : utf8_valid_prefix(key.start, SHOWN_LENGTH)),
							 shown ? "" : "...", why));
}

/* Look each item's row up.  False after rejecting the answer. */
static bool
find_rows(Matcher *matcher, Datum *const *row_keys, bool many, Datum *all, int *found,
		  Response *response)
{
	Keyed	   *rows = sort_rows(matcher, row_keys, response->row_count);
	bool	   *taken = palloc0(Max(response->row_count, 1));

	for (int i = 0; i < response->item_count; i++)
	{
		found[i] = find_row(matcher, rows, response->row_count, keys_of(matcher, all, i));
		if (found[i] < 0)
		{
			reject(response, i, "which no row of the request has");
			return false;
		}
		if (taken[found[i]] && !many)
		{
			reject(response, i, "as an item before it has");
			return false;
		}
		taken[found[i]] = true;
	}
	return true;
}

void
matcher_assign(Matcher *matcher, Datum *const *row_keys, bool many, Response *response)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_enrich match",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Size		count = Max(response->item_count, 1);
	Datum	   *all = MemoryContextAllocHuge(context, sizeof(Datum) * count * matcher->key_count);
	int		   *found = palloc(sizeof(int) * count);
	int			failed;
	const char *why;

	Assert(IsTransactionState() && response->row_count > 0);
	why = try_convert_keys(matcher, response, all, &failed);
	if (why != NULL)
		reject(response, failed, why);
	else if (find_rows(matcher, row_keys, many, all, found, response))
		response_assign(response, found);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
