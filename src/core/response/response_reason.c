/*-------------------------------------------------------------------------
 *
 * response_reason.c
 *	  Why an answer is of no use, for a person.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How much of an object a reason shows: members, and bytes of each one's name. */
#define MEMBERS_SHOWN 8
#define NAME_SHOWN 40

bool
response_fail(Response *response, ResponseStatus status, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(response->error, sizeof(response->error), format, args);
	va_end(args);
	response->error[utf8_valid_prefix(response->error, strlen(response->error))] = '\0';
	response->status = status;
	return false;
}

bool
response_out_of_memory(Response *response)
{
	return response_fail(response, RESPONSE_OUT_OF_MEMORY, "out of memory for an answer to %d rows",
						 response->row_count);
}

bool
response_add_reason(Response *response, const char *format,...)
{
	size_t		used = strlen(response->error);
	va_list		args;

	va_start(args, format);
	vsnprintf(response->error + used, sizeof(response->error) - used, format, args);
	va_end(args);
	response->error[utf8_valid_prefix(response->error, strlen(response->error))] = '\0';
	return false;
}

bool
response_describe(Response *response, JsonSlice value, const Path *path)
{
	JsonCursor	cursor;
	JsonSlice	name;
	JsonSlice	member;
	int			count = 0;

	if (json_kind(value) == JSON_ARRAY && path != NULL)
		return response_add_reason(response, ", an array: its elements are at %s[*]", path->text);
	if (json_kind(value) != JSON_OBJECT)
		return false;
	for (cursor = json_members(value); json_next_member(&cursor, &name, &member); count++)
	{
		if (count == MEMBERS_SHOWN)
			return response_add_reason(response, ", ...");
		response_add_reason(response, "%s%.*s", count > 0 ? ", " : "; it has the members ",
							(int) (name.length < NAME_SHOWN ? name.length : NAME_SHOWN),
							name.start);
	}
	return false;
}
