/*-------------------------------------------------------------------------
 *
 * path_walk.c
 *	  Walking a plain path over JSON text, with jsonb_path_query's meaning.
 *
 * Owns no memory and does not recurse.  A step that has several results (an
 * array's elements) opens a frame and goes on with the first; when that is
 * done the innermost frame gives the next.  Each open frame stands one level
 * deeper in the text, so JSON_MAX_DEPTH of them are enough.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response.h"

/* The elements of an array that are still to come, and the step they go to. */
typedef struct Frame
{
	JsonCursor	elements;
	int			step;
	bool		unwrapped;		/* lax mode took the array apart for a member */
} Frame;

typedef enum StepResult
{
	STEP_ONE,					/* *value is what it leads to */
	STEP_EACH,					/* *value is an array: its elements are */
	STEP_UNWRAP,				/* the same, and each takes this step again */
	STEP_NOTHING,
	STEP_MISFIT					/* strict mode: the path does not fit the
								 * value */
} StepResult;

/* An array's nth element.  Walks over those before. */
static bool
array_element(JsonSlice array, int index, JsonSlice *value)
{
	JsonCursor	cursor = json_elements(array);

	for (int i = 0; json_next_element(&cursor, value); i++)
	{
		if (i == index)
			return true;
	}
	return false;
}

/* Takes one step from *value.  "Absent" is what strict mode calls a misfit. */
static StepResult
take_step(const PathStep *step, bool strict, bool unwrapped, JsonSlice *value)
{
	JsonKind	kind = json_kind(*value);
	StepResult	absent = strict ? STEP_MISFIT : STEP_NOTHING;
	JsonSlice	found;

	switch (step->kind)
	{
		case PATH_MEMBER:
			if (kind == JSON_ARRAY && !strict && !unwrapped)
				return STEP_UNWRAP;
			if (kind != JSON_OBJECT ||
				!json_member(*value, step->name, step->name_length, &found))
				return absent;
			break;
		case PATH_ELEMENT:
			if (kind != JSON_ARRAY)
				return !strict && step->index == 0 ? STEP_ONE : absent;
			if (!array_element(*value, step->index, &found))
				return absent;
			break;
		case PATH_ALL:
			if (kind == JSON_ARRAY)
				return STEP_EACH;
			return strict ? STEP_MISFIT : STEP_ONE;
		default:
			return absent;
	}
	*value = found;
	return STEP_ONE;
}

/* The next value of the innermost frame that has one. */
static bool
next_of_frames(Frame *frames, int *depth, JsonSlice *value, int *step, bool *unwrapped)
{
	while (*depth > 0)
	{
		Frame	   *frame = &frames[*depth - 1];

		if (json_next_element(&frame->elements, value))
		{
			*step = frame->step;
			*unwrapped = frame->unwrapped;
			return true;
		}
		(*depth)--;
	}
	return false;
}

bool
path_walk(const Path *path, JsonSlice value, PathVisitor visit, void *state)
{
	Frame		frames[JSON_MAX_DEPTH];
	int			depth = 0;
	int			step = 0;
	bool		unwrapped = false;

	do
	{
		StepResult	result = STEP_ONE;

		while (result == STEP_ONE && step < path->step_count)
		{
			result = take_step(&path->steps[step], path->strict, unwrapped, &value);
			if (result == STEP_ONE)
			{
				step++;
				unwrapped = false;
			}
		}
		if (result == STEP_MISFIT)
			return false;
		if (result == STEP_ONE && !visit(value, state))
			return true;
		if (result == STEP_EACH || result == STEP_UNWRAP)
		{
			frames[depth].elements = json_elements(value);
			frames[depth].unwrapped = result == STEP_UNWRAP;
			frames[depth].step = result == STEP_UNWRAP ? step : step + 1;
			depth++;
		}
	} while (next_of_frames(frames, &depth, &value, &step, &unwrapped));
	return true;
}
