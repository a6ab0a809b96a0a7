/*-------------------------------------------------------------------------
 *
 * option_number.c
 *	  From an option's text to its value: numbers, durations, sizes and the like.
 *
 * Durations and sizes are written as in postgresql.conf.
 *
 *-------------------------------------------------------------------------
 */
#include "server/option_reader.h"

#include "utils/builtins.h"
#include "utils/guc.h"

static OptionValue
integer_value(ValueType type, int64 integer)
{
	OptionValue value = {
		.type = type,
		.integer = integer
	};

	return value;
}

static bool
in_range(const ServerOption *option, int64 value)
{
	return value >= option->minimum && value <= option->maximum;
}

/* Digits only: what is stored is also cast to integer by SQL. */
OptionValue
option_read_count(const ServerOption *option, const char *value)
{
	size_t		length = strlen(value);
	int64		count = -1;

	if (length > 0 && length <= 18 && strspn(value, "0123456789") == length)
		count = strtoll(value, NULL, 10);
	if (count < 0 || !in_range(option, count))
		option_refuse(option, value, NULL,
					  psprintf("Write a whole number from " INT64_FORMAT " to " INT64_FORMAT ".",
							   option->minimum, option->maximum));
	return integer_value(VALUE_INTEGER, count);
}

OptionValue
option_read_duration(const ServerOption *option, const char *value)
{
	int			duration;

	if (!parse_int(value, &duration, GUC_UNIT_MS, NULL) || !in_range(option, duration))
		option_refuse(option, value, NULL,
					  psprintf("Write a duration from " INT64_FORMAT "ms to " INT64_FORMAT
							   "d, such as '500ms' or '30s'; units are us, ms, s, min, h and d, "
							   "and ms where none is written.",
							   option->minimum, option->maximum / OPTION_DAY_MS));
	return integer_value(VALUE_INTEGER, duration);
}

/*
 * Bytes, which parse_int holds in 32 bits: what is larger and has a unit is
 * parsed in kilobytes.
 */
static bool
parse_size(const char *value, int64 *size)
{
	size_t		digits = strspn(value, "0123456789");
	int			parsed;

	if (digits > 0 && digits <= 18 && value[digits] == '\0')
	{
		*size = strtoll(value, NULL, 10);
		return true;
	}
	if (parse_int(value, &parsed, GUC_UNIT_BYTE, NULL))
		*size = parsed;
	else if (strpbrk(value, "kMGT") != NULL && parse_int(value, &parsed, GUC_UNIT_KB, NULL))
		*size = (int64) parsed * 1024;
	else
		return false;
	return true;
}

OptionValue
option_read_size(const ServerOption *option, const char *value)
{
	int64		size;

	if (!parse_size(value, &size) || !in_range(option, size))
		option_refuse(option, value, NULL,
					  psprintf("Write a size from " INT64_FORMAT "B to " INT64_FORMAT
							   "TB, such as '512kB' or '64MB'; units are B, kB, MB, GB and TB, "
							   "and B where none is written.",
							   option->minimum, option->maximum / OPTION_TERABYTE));
	return integer_value(VALUE_SIZE, size);
}

OptionValue
option_read_boolean(const ServerOption *option, const char *value)
{
	OptionValue result = {.type = VALUE_BOOLEAN};

	if (!parse_bool(value, &result.boolean))
		option_refuse(option, value, NULL, "Write true or false.");
	return result;
}

/* Comma-separated; an empty list is one, too. */
OptionValue
option_read_statuses(const ServerOption *option, const char *value)
{
	OptionValue result = {
		.type = VALUE_LIST,
		.list = NIL
	};
	const char *p = value + strspn(value, " ");

	while (*p != '\0')
	{
		size_t		digits = strspn(p, "0123456789");
		int64		status = digits == 3 ? strtoll(p, NULL, 10) : -1;

		p += digits;
		p += strspn(p, " ");
		if (!in_range(option, status) || (*p != ',' && *p != '\0') ||
			(*p == ',' && p[1 + strspn(p + 1, " ")] == '\0'))
			option_refuse(option, value, NULL,
						  psprintf("Write HTTP statuses from " INT64_FORMAT " to " INT64_FORMAT
								   ", separated by commas, such as '404,410'.",
								   option->minimum, option->maximum));
		result.list = list_append_unique_int(result.list, (int) status);
		if (*p == ',')
			p += 1 + strspn(p + 1, " ");
	}
	return result;
}
