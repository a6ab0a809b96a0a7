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
#include "placeholder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
}

void
unterminated_fault(TemplateFault *fault, const char *what, size_t offset)
{
	char		detail[sizeof(fault->detail)];

	snprintf(detail, sizeof(detail), "It stands at byte %zu of the %s.", offset, what);
	template_fault(fault, detail, "Close it with \"}}\", or write \"{{{{\" for a literal \"{{\".",
				   "unterminated \"{{\" in the %s", what);
}
