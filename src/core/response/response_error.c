/*-------------------------------------------------------------------------
 *
 * response_error.c
 *	  The reason in an error answer, for a person.
 *
 * APIs put it in many places; a table lists them, the most telling first.
 * Where the body says nothing at any of them, the body itself must do: all of
 * it that fits where it is JSON, else its first line of text.  What comes out
 * is safe to log, and to store as text in UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response.h"

#include <string.h>

/* Steps of one place at most, with a last [*]. */
#define MAX_STEPS 3

/* Members, outermost first.  Lax paths: an array on the way gives its first element. */
static const char *const places[][MAX_STEPS - 1] = {
	{"error", "message"},
	{"error", "detail"},
	{"error_description"},
	{"error"},
	{"message"},
	{"detail", "msg"},
	{"detail", "message"},
	{"detail"},
	{"errors", "message"},
	{"errors", "detail"},
	{"errors"},
	{"fault", "faultstring"},
	{"Message"},
	{"msg"},
	{"reason"},
	{"description"},
	{"title"},
	{"error", "type"},
	{"error", "code"},
};

#define PLACE_COUNT ((int) (sizeof(places) / sizeof(places[0])))

/* PathVisitor: the first string that is not empty. */
static bool
first_string(JsonSlice found, void *state)
{
	JsonSlice  *string = state;

	if (json_kind(found) != JSON_STRING || found.length <= 2)
		return true;
	*string = found;
	return false;
}

/* The string at the first place that has one; start NULL where none has. */
static JsonSlice
find_reason(JsonSlice body)
{
	JsonSlice	reason = {NULL, 0};

	for (int place = -1; place < PLACE_COUNT && reason.start == NULL; place++)
	{
		PathStep	steps[MAX_STEPS];
		Path		path = {
			.steps = steps,
			.text = ""
		};

		for (int i = 0; place >= 0 && i < MAX_STEPS - 1 && places[place][i] != NULL; i++)
		{
			steps[path.step_count].kind = PATH_MEMBER;
			steps[path.step_count].name = places[place][i];
			steps[path.step_count++].name_length = strlen(places[place][i]);
		}
		steps[path.step_count++].kind = PATH_ALL;
		path_walk(&path, body, first_string, &reason);
	}
	return reason;
}

/* The first line that holds more than white space, without that around it. */
static JsonSlice
first_line(const char *body, size_t length)
{
	JsonSlice	line = {body, 0};
	const char *end = body + length;

	while (line.start < end && (unsigned char) *line.start <= ' ')
		line.start++;
	while (line.start + line.length < end && line.start[line.length] != '\n' &&
		   line.start[line.length] != '\r')
		line.length++;
	while (line.length > 0 && (unsigned char) line.start[line.length - 1] <= ' ')
		line.length--;
	return line;
}

/* Is there a control character at p, and of how many bytes?  C1's take two. */
static size_t
control_length(const unsigned char *p, size_t available)
{
	if (p[0] < 0x20 || p[0] == 0x7f)
		return 1;
	if (p[0] == 0xc2 && available > 1 && p[1] >= 0x80 && p[1] < 0xa0)
		return 2;
	return 0;
}

/* How many bytes the character at p takes; 0 where there is no valid UTF-8. */
static size_t
character_length(const char *p, size_t available)
{
	for (size_t length = 1; length <= 4 && length <= available; length++)
	{
		if (utf8_valid_prefix(p, length) == length)
			return length;
	}
	return 0;
}

/*
 * Copies text: a blank for each control character, a question mark for each
 * byte that is not UTF-8, and only whole characters.
 */
static void
copy_clean(const char *text, size_t length, char *out, size_t size)
{
	const char *end = text + length;
	size_t		used = 0;
	size_t		taken;

	for (const char *p = text; p < end; p += taken)
	{
		const char *written = p;
		size_t		width = 1;

		taken = control_length((const unsigned char *) p, end - p);
		if (taken > 0)
			written = " ";
		else if ((taken = width = character_length(p, end - p)) == 0)
		{
			written = "?";
			taken = width = 1;
		}
		if (used + width >= size)
			break;
		memcpy(out + used, written, width);
		used += width;
	}
	out[used] = '\0';
}

void
response_error_text(const char *body, size_t length, char *out, size_t size)
{
	JsonSlice	value = {NULL, 0};
	JsonSlice	reason = {NULL, 0};
	JsonFault	fault;
	ByteBuffer	decoded = {0};
	const char *why;

	if (size == 0)
		return;
	if (json_parse(body, length, &value, &fault))
		reason = find_reason(value);
	else
		value.start = NULL;
	if (reason.start != NULL && json_decode_string(reason, &decoded, &why) && !decoded.failed)
		reason = json_slice(decoded.data, decoded.length);
	else if (reason.start != NULL)
		reason = json_slice(reason.start + 1, reason.length - 2);	/* as it is written */
	else if (value.start != NULL)
		reason = value;			/* JSON of a shape unknown: as much as fits */
	else
		reason = first_line(body, length);
	copy_clean(reason.start, reason.length, out, size);
	buffer_free(&decoded);
}
