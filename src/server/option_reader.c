/*-------------------------------------------------------------------------
 *
 * option_reader.c
 *	  What the readers of options share: refusals and conversion.
 *
 * Secrets: a refusal shows the value only where the option can hold none.
 * Where it may hold one, the statement is kept out of the server's log, and the
 * context lines of callers are dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "server/option_reader.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "common/encoding.h"

#define MAX_SHOWN_VALUE 64		/* bytes of a value that a message quotes */

void
option_drop_context(void)
{
	error_context_stack = NULL;
}

static char *
shown_value(const char *value)
{
	int			length = strlen(value);

	if (length <= MAX_SHOWN_VALUE)
		return pstrdup(value);
	length = pg_mbcliplen(value, length, MAX_SHOWN_VALUE);
	return psprintf("%.*s...", length, value);
}

void
option_refuse(const ServerOption *option, const char *value, const char *detail, const char *hint)
{
	if (option->sensitive)
		option_drop_context();
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			option->sensitive ?
			errmsg("invalid value for option \"%s\"", option->name) :
			errmsg("invalid value for option \"%s\": \"%s\"", option->name, shown_value(value)),
			detail != NULL ? errdetail_internal("%s", detail) :
			errdetail("Option \"%s\" is %s.", option->name, option->description),
			hint != NULL ? errhint("%s", hint) : 0,
			errhidestmt(option->sensitive),
			errhidecontext(option->sensitive));
}

void
option_refuse_fault(const ServerOption *option, const char *value, const char *utf8,
					const TemplateFault *fault)
{
	char	   *message = message_from_utf8(fault->message);
	char	   *detail;

	/*
	 * "url holds ..." is a message that stands alone; here it is known what
	 * is meant
	 */
	if (strncmp(message, "url ", 4) == 0)
		detail = psprintf("It %s", message + 4);
	else
		detail = psprintf("%c%s", pg_toupper((unsigned char) message[0]), message + 1);
	if (fault->offset >= 0)
		detail = psprintf("%s, at character %d", detail, utf8_character(utf8, fault->offset));
	option_refuse(option, value, psprintf("%s.", detail),
				  fault->hint[0] != '\0' ? message_from_utf8(fault->hint) : NULL);
}

OptionValue
option_text_value(const char *text)
{
	OptionValue value = {
		.type = VALUE_TEXT,
		.text = pstrdup(text)
	};

	return value;
}

bool
option_has_control_character(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* PostgreSQL's usual conversion would raise, quoting what it cannot convert. */
char *
option_to_utf8(const ServerOption *option, const char *value)
{
	int			encoding = GetDatabaseEncoding();
	int			length = strlen(value);
	char	   *converted;
	Oid			proc;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return pstrdup(value);
	converted = palloc((Size) length * MAX_CONVERSION_GROWTH + 1);
	proc = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(proc) ||
		pg_do_encoding_conversion_buf(proc, encoding, PG_UTF8,
									  (unsigned char *) unconstify(char *, value), length,
									  (unsigned char *) converted,
									  length * MAX_CONVERSION_GROWTH + 1, true) != length)
		option_refuse(option, value,
					  "It holds a character that has no equivalent in UTF-8.", NULL);
	return converted;
}
