/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  Between UTF-8, which the wire speaks, and the encoding of the database.
 *
 *-------------------------------------------------------------------------
 */
#include "common/encoding.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

char *
text_to_utf8(const char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

char	  **
texts_to_utf8(Datum array, int *count)
{
	Datum	   *values;
	bool	   *nulls;
	char	  **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, count);
	texts = palloc0(sizeof(char *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		if (!nulls[i])
			texts[i] = text_to_utf8(TextDatumGetCString(values[i]));
	return texts;
}

/* One character, or "?". */
static void
append_converted(StringInfo out, Oid procedure, const char *character, int length)
{
	unsigned char converted[MAX_CONVERSION_GROWTH * MAX_MULTIBYTE_CHAR_LEN + 1];
	int			done;

	done = pg_do_encoding_conversion_buf(procedure, PG_UTF8, GetDatabaseEncoding(),
										 (unsigned char *) character, length,
										 converted, sizeof(converted), true);
	appendStringInfoString(out, done == length ? (char *) converted : "?");
}

char *
message_from_utf8(const char *utf8)
{
	int			encoding = GetDatabaseEncoding();
	StringInfoData out;
	Oid			procedure;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return pstrdup(utf8);
	procedure = FindDefaultConversionProc(PG_UTF8, encoding);
	initStringInfo(&out);
	while (*utf8 != '\0')
	{
		int			length = pg_utf_mblen((const unsigned char *) utf8);

		if ((unsigned char) *utf8 < 0x80)
			appendStringInfoChar(&out, *utf8);
		else if (!OidIsValid(procedure))
			appendStringInfoChar(&out, '?');
		else
			append_converted(&out, procedure, utf8, length);
		utf8 += strnlen(utf8, length);
	}
	return out.data;
}

int
utf8_character(const char *utf8, size_t offset)
{
	int			number = 1;

	for (size_t i = 0; i < offset; i++)
		number += ((unsigned char) utf8[i] & 0xc0) != 0x80;
	return number;
}
