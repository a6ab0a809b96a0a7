/*-------------------------------------------------------------------------
 *
 * response_find.c
 *	  What a path finds, in a value or in an item of an answer.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response_internal.h"

bool
path_find(const Path *path, JsonSlice value, Arena *arena, PathVisitor visit, void *state)
{
	if (path->evaluate != NULL)
		return path->evaluate(path, value, arena, visit, state);
	return path_walk(path, value, visit, state);
}

static void
note_members(ItemMembers *members, JsonSlice item)
{
	JsonCursor	cursor = json_members(item);
	JsonSlice	name;
	JsonSlice	value;

	members->item = item.start;
	members->count = 0;
	while (json_next_member(&cursor, &name, &value))
	{
		if (members->count == ITEM_MEMBERS)
		{
			members->count = -1;
			return;
		}
		members->names[members->count] = name;
		members->values[members->count++] = value;
	}
}

/* Of a repeated name the last counts. */
static bool
find_member(const ItemMembers *members, const PathStep *step, JsonSlice *value)
{
	for (int i = members->count - 1; i >= 0; i--)
		if (json_string_equals(members->names[i], step->name, step->name_length))
		{
			*value = members->values[i];
			return true;
		}
	return false;
}

bool
find_in_item(Decoder *decoder, const Path *path, JsonSlice item, PathVisitor visit, void *state)
{
	ItemMembers *members = &decoder->members;
	Path		rest = *path;

	if (path->evaluate != NULL || path->step_count == 0 || path->steps[0].kind != PATH_MEMBER ||
		json_kind(item) != JSON_OBJECT)
		return path_find(path, item, &decoder->response->arena, visit, state);
	if (members->item != item.start)
		note_members(members, item);
	if (members->count < 0)
		return path_walk(path, item, visit, state);
	if (!find_member(members, &path->steps[0], &item))
		return !path->strict;
	rest.steps++;
	rest.step_count--;
	return path_walk(&rest, item, visit, state);
}

bool
first_find(JsonSlice found, void *state)
{
	Finds	   *finds = state;

	if (finds->count++ == 0)
		finds->value = found;
	return finds->count < 2;
}
