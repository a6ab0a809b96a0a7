/*-------------------------------------------------------------------------
 *
 * placeholder.c
 *	  Finding {{placeholders}} in the text of a template or a URL, and saying
 *	  what is wrong with one.
 *
 * Owns no memory: marks point into the text that is scanned.
 *
 *-------------------------------------------------------------------------
 */
#include "template/placeholder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a name without an end that a message repeats. */
#define NAME_SHOWN 60

/* How many bytes the brace at p takes; 0 where there is none. */
static size_t
brace_at(const MarkScan *scan, const char *p, char brace)
{
	if (p == scan->end)
		return 0;
	if (*p == brace)
		return 1;
	if (scan->escapes && scan->end - p >= 6 && memcmp(p, "\\u007", 5) == 0 &&
		(p[5] | 0x20) == (brace == '{' ? 'b' : 'd'))
		return 6;
	return 0;
}

/* Behind a run of braces at p, of at most that many; *count says how many. */
static const char *
brace_run(const MarkScan *scan, const char *p, char brace, int at_most, int *count)
{
	size_t		length;

	for (*count = 0; *count < at_most && (length = brace_at(scan, p, brace)) > 0; (*count)++)
		p += length;
	return p;
}

/* One character further, or one escape: the backslash of \\ must not begin another. */
static const char *
step(const MarkScan *scan, const char *p)
{
	if (scan->escapes && *p == '\\' && scan->end - p >= 2)
		return p + 2;
	return p + 1;
}

/* The rest of a placeholder whose opening braces are behind mark->name. */
static void
find_close(MarkScan *scan, Mark *mark)
{
	const char *p = mark->name;

	mark->kind = MARK_UNTERMINATED;
	while (p < scan->end)
	{
		int			count;
		const char *behind = brace_run(scan, p, '}', 2, &count);

		if (count == 2)
		{
			mark->kind = MARK_PLACEHOLDER;
			mark->end = behind;
			mark->name_length = p - mark->name;
			scan->at = behind;
			return;
		}
		p = step(scan, p);
	}
	mark->end = scan->end;
	mark->name_length = scan->end - mark->name;
	scan->at = scan->end;
}

bool
next_mark(MarkScan *scan, Mark *mark)
{
	while (scan->at < scan->end)
	{
		int			count;
		const char *behind = brace_run(scan, scan->at, '{', 4, &count);

		mark->start = scan->at;
		mark->name = behind;
		if (count == 4)
		{
			mark->kind = MARK_LITERAL;
			mark->end = behind;
			mark->name_length = 0;
			scan->at = behind;
			return true;
		}
		if (count == 2)
		{
			find_close(scan, mark);
			return true;
		}
		/* of three the first is text, and the next turn sees two */
		if (count > 0)
			scan->at += brace_at(scan, scan->at, '{');
		else
			scan->at = step(scan, scan->at);
	}
	return false;
}

static void
cut_at_character(char *text)
{
	text[utf8_valid_prefix(text, strlen(text))] = '\0';
}

void
template_fault(TemplateFault *fault, const char *detail, const char *hint,
			   const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(fault->message, sizeof(fault->message), format, args);
	va_end(args);
	snprintf(fault->detail, sizeof(fault->detail), "%s", detail != NULL ? detail : "");
	snprintf(fault->hint, sizeof(fault->hint), "%s", hint != NULL ? hint : "");
	cut_at_character(fault->message);
	cut_at_character(fault->detail);
	cut_at_character(fault->hint);
	fault->offset = -1;
	fault->unknown[0] = '\0';
}

/* The name that begins behind the braces, as far as it is certainly one. */
static int
name_length(const Mark *mark)
{
	size_t		length = 0;

	while (length < mark->name_length && length < NAME_SHOWN &&
		   strchr(" \t\r\n\"\\{}/?&=,;:", mark->name[length]) == NULL)
		length++;
	return (int) utf8_valid_prefix(mark->name, length);
}

void
unterminated_fault(TemplateFault *fault, const char *what, const char *text, const Mark *mark)
{
	char		hint[sizeof(fault->hint)];
	int			length = name_length(mark);

	snprintf(hint, sizeof(hint), "Close it with \"}}\"%s%.*s%s,"
			 " or write \"{{{{\" for a literal \"{{\".",
			 length > 0 ? ": {{" : "", length, mark->name, length > 0 ? "}}" : "");
	template_fault(fault, NULL, hint, "unterminated \"{{%.*s\" in the %s", length, mark->name,
				   what);
	fault->offset = mark->start - text;
}
