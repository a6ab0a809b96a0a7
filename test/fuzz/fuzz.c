/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  What the fuzzing targets share.
 *
 * Not having memory is not among the things tried here: libFuzzer bounds it,
 * and ends the target.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "oracle.h"

void
broken(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

char *
copy_string(const char *bytes, size_t length)
{
	char	   *copy = malloc(length + 1);
	size_t		used = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (bytes[i] != '\0')
			copy[used++] = bytes[i];
	}
	copy[used] = '\0';
	return copy;
}

char *
next_line(Input *input)
{
	const char *end;
	char	   *line;

	if (input->at == input->end)
		return NULL;
	end = memchr(input->at, '\n', input->end - input->at);
	if (end == NULL)
		end = input->end;
	line = copy_string(input->at, end - input->at);
	input->at = end == input->end ? end : end + 1;
	return line;
}

int
next_choice(Input *input, int below)
{
	return input->at == input->end ? 0 : (unsigned char) *input->at++ % below;
}

int
split(char *line, char separator, char **parts, int most)
{
	int			count = 0;

	while (count < most)
	{
		parts[count++] = line;
		line = strchr(line, separator);
		if (line == NULL)
			break;
		*line++ = '\0';
	}
	return count;
}

bool
is_utf8(const char *bytes, size_t length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	for (size_t i = 0; i < length;)
	{
		unsigned char first = (unsigned char) bytes[i++];
		int			width = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3
			: first >> 3 == 30 ? 4 : 0;
		uint32_t	code = width == 1 ? first : first & (0x7f >> width);

		if (width == 0)
			return false;
		for (int rest = width - 1; rest > 0; rest--, i++)
		{
			if (i == length || ((unsigned char) bytes[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | ((unsigned char) bytes[i] & 0x3f);
		}
		if (code < least[width] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
	}
	return true;
}

void
check_message(const char *message)
{
	must(message[0] != '\0');
	must(message[0] < 'A' || message[0] > 'Z');
	must(is_utf8(message, strlen(message)));
}

void
check_fault(const TemplateFault *fault, size_t length)
{
	must(fault->offset >= -1 && fault->offset <= (int64_t) length);
	must(memchr(fault->unknown, '\0', sizeof(fault->unknown)) != NULL);
	must(is_utf8(fault->unknown, strlen(fault->unknown)));
	must(memchr(fault->message, '\0', sizeof(fault->message)) != NULL);
	must(memchr(fault->detail, '\0', sizeof(fault->detail)) != NULL);
	must(memchr(fault->hint, '\0', sizeof(fault->hint)) != NULL);
	check_message(fault->message);
	must(is_utf8(fault->detail, strlen(fault->detail)));
	must(is_utf8(fault->hint, strlen(fault->hint)));
}

int
find_column(const Columns *columns, const char *name)
{
	for (int i = 0; i < columns->count; i++)
	{
		if (strcmp(columns->names[i], name) == 0)
			return i;
	}
	return -1;
}

void
read_columns(Input *input, Columns *columns)
{
	char	   *parts[MAX_COLUMNS];
	int			count;

	columns->count = 0;
	columns->line = next_line(input);
	if (columns->line == NULL)
		return;
	count = split(columns->line, '|', parts, MAX_COLUMNS);
	for (int i = 0; i < count; i++)
	{
		if (parts[i][0] != '\0' && is_utf8(parts[i], strlen(parts[i])) &&
			find_column(columns, parts[i]) < 0)
			columns->names[columns->count++] = parts[i];
	}
}

/* Could PostgreSQL's to_json have made this? */
static bool
is_field(const char *text)
{
	OracleNode *root;
	OracleVerdict verdict = oracle_parse(text, strlen(text), &root);
	size_t		length;
	bool		is_string;

	is_string = root != NULL && oracle_kind(root) == ORACLE_STRING;
	if (is_string && strlen(oracle_string(root, &length)) != length)
		verdict = ORACLE_NOT_TEXT;
	oracle_free(root);
	return verdict == ORACLE_JSON && strstr(text, "\\u0000") == NULL;
}

void
read_rows(Input *input, int columns, Rows *rows)
{
	memset(rows, 0, sizeof(*rows));
	while (rows->count < MAX_ROWS)
	{
		char	   *parts[MAX_COLUMNS + 1];
		char	   *line = next_line(input);
		RequestRow *row = &rows->rows[rows->count];
		char	  **fields = rows->fields[rows->count];
		int			count;

		if (line == NULL || line[0] == '\0' || !is_utf8(line, strlen(line)))
		{
			free(line);
			return;
		}
		rows->lines[rows->count++] = line;
		count = split(line, '|', parts, columns + 1);
		for (int i = 1; i < count; i++)
			fields[i - 1] = is_field(parts[i]) ? parts[i] : NULL;
		row->input = parts[0];
		row->input_length = strlen(parts[0]);
		row->fields = (const char *const *) fields;
	}
}

void
free_rows(Rows *rows)
{
	for (int i = 0; i < rows->count; i++)
		free(rows->lines[i]);
}

static int
hex_value(char c)
{
	const char *digits = "0123456789abcdef";
	const char *found = c != '\0' ? strchr(digits, c >= 'A' && c <= 'Z' ? c + 32 : c) : NULL;

	return found != NULL ? (int) (found - digits) : -1;
}

void
percent_decode(char *text)
{
	char	   *out = text;

	for (; *text != '\0'; text++)
	{
		if (*text == '%' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0)
		{
			*out++ = (char) (hex_value(text[1]) * 16 + hex_value(text[2]));
			text += 2;
		}
		else
			*out++ = *text;
	}
	*out = '\0';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int
model_mark(const char *text, size_t length, size_t *from, size_t *to,
		   const char **name, size_t *name_length)
{
	size_t		run = 0;
	size_t		open;

	for (*from = 0; *from < length; *from += run > 0 ? run : 1)
	{
		for (run = 0; *from + run < length && text[*from + run] == '{'; run++)
			;
		if (run >= 2)
			break;
	}
	if (*from >= length)
		return 0;
	if (run >= 4)
	{
		*to = *from + 4;
		return '{';
	}
	*from += run - 2;
	open = *from + 2;
	for (*to = open; *to + 1 < length && memcmp(text + *to, "}}", 2) != 0; (*to)++)
		;
	if (*to + 1 >= length)
		return '!';
	*name = text + open;
	*name_length = *to - open;
	while (*name_length > 0 && is_blank((*name)[*name_length - 1]))
		(*name_length)--;
	while (*name_length > 0 && is_blank(**name))
		(*name)++, (*name_length)--;
	*to += 2;
	return 'x';
}
