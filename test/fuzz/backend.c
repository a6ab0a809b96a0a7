/*-------------------------------------------------------------------------
 *
 * backend.c
 *	  As much of a PostgreSQL backend as reading options and masking need.
 *
 * The database's encoding is UTF-8.  Each allocation is one of malloc's, so that
 * AddressSanitizer sees its bounds, and lives until backend_reset: pfree does
 * nothing.  Errors are raised as in the server, by a jump.  What the server's
 * libraries for frontends have (StringInfo, psprintf, base64) comes from there.
 *
 * Of the server's own parsers there are only stand-ins: what is fuzzed is what
 * our files make of their answers.
 *
 *-------------------------------------------------------------------------
 */
#include "backend.h"

#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"

#include "common/encoding.h"
#include "fuzz.h"
#include "convert/path.h"

/* Longer than what an input can make one, or it is cut within a character. */
#define MAX_MESSAGE 8000

/* An allocation; all of them are in a list. */
typedef struct Chunk
{
	struct Chunk *next;
	Size		size;
	char		bytes[] __attribute__((aligned(16)));
} Chunk;

static Chunk *chunks;

BackendError backend_error;
MemoryContext CurrentMemoryContext = NULL;
ErrorContextCallback *error_context_stack = NULL;
sigjmp_buf *PG_exception_stack = NULL;
volatile sig_atomic_t InterruptPending = false;

/*
 * Memory
 */

void *
palloc(Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	chunk->next = chunks;
	chunk->size = size;
	chunks = chunk;
	return chunk->bytes;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	Chunk	   *chunk = (Chunk *) ((char *) pointer - offsetof(Chunk, bytes));

	return memcpy(palloc(size), pointer, Min(size, chunk->size));
}

void
pfree(void *pointer)
{
	(void) pointer;
}

char *
pnstrdup(const char *text, Size length)
{
	char	   *copy;

	length = strnlen(text, length);
	copy = palloc(length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *
pstrdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

void
backend_reset(void)
{
	while (chunks != NULL)
	{
		Chunk	   *next = chunks->next;

		free(chunks);
		chunks = next;
	}
	memset(&backend_error, 0, sizeof(backend_error));
}

/*
 * Lists
 */

static List *
append_cell(List *list, NodeTag tag, ListCell cell)
{
	List	   *longer = palloc0(sizeof(List));
	int			length = list_length(list);

	longer->type = tag;
	longer->length = longer->max_length = length + 1;
	longer->elements = palloc((length + 1) * sizeof(ListCell));
	if (length > 0)
		memcpy(longer->elements, list->elements, length * sizeof(ListCell));
	longer->elements[length] = cell;
	return longer;
}

List *
lappend(List *list, void *datum)
{
	return append_cell(list, T_List, (ListCell) {.ptr_value = datum});
}

List *
list_append_unique_int(List *list, int datum)
{
	for (int i = 0; i < list_length(list); i++)
		if (list->elements[i].int_value == datum)
			return list;
	return append_cell(list, T_IntList, (ListCell) {.int_value = datum});
}

List *
backend_option(List *list, char *name, char *value)
{
	DefElem    *option = palloc0(sizeof(DefElem));

	option->type = T_DefElem;
	option->defname = name;
	option->arg = (Node *) value;
	return lappend(list, option);
}

char *
defGetString(DefElem *option)
{
	return (char *) option->arg;
}

/*
 * Errors
 */

bool
backend_try(void (*function) (void *state), void *state)
{
	sigjmp_buf	jump;
	bool		good = sigsetjmp(jump, 0) == 0;

	if (good)
	{
		PG_exception_stack = &jump;
		function(state);
	}
	PG_exception_stack = NULL;
	return good;
}

bool
errstart(int elevel, const char *domain)
{
	(void) domain;
	memset(&backend_error, 0, sizeof(backend_error));
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	(void) filename;
	(void) lineno;
	(void) funcname;
	siglongjmp(*PG_exception_stack, 1);
}

int
errcode(int sqlerrcode)
{
	backend_error.sqlerrcode = sqlerrcode;
	return 0;
}

#define TAKE_TEXT(function, field) \
	int \
	function(const char *format,...) \
	{ \
		va_list		args; \
		char	   *text = palloc(MAX_MESSAGE); \
		va_start(args, format); \
		(void) pg_vsnprintf(text, MAX_MESSAGE, format, args); \
		va_end(args); \
		backend_error.field = text; \
		return 0; \
	}

TAKE_TEXT(errmsg, message)
TAKE_TEXT(errmsg_internal, message)
TAKE_TEXT(errdetail, detail)
TAKE_TEXT(errdetail_internal, detail)
TAKE_TEXT(errhint, hint)

int
errhidestmt(bool hide)
{
	backend_error.hide_statement = hide;
	return 0;
}

int
errhidecontext(bool hide)
{
	backend_error.hide_context = hide;
	return 0;
}

/* Only path_compile's errors are caught, and its stand-in raises none. */
void
pg_re_throw(void)
{
	abort();
}

ErrorData *
CopyErrorData(void)
{
	abort();
}

void
FlushErrorState(void)
{
	abort();
}

void
ProcessInterrupts(void)
{
}

void
check_stack_depth(void)
{
}

/*
 * Encoding: UTF-8
 */

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

int
pg_mbcliplen(const char *text, int length, int limit)
{
	int			clipped = Min(length, limit);

	while (clipped > 0 && clipped < length && ((unsigned char) text[clipped] & 0xc0) == 0x80)
		clipped--;
	return clipped;
}

char *
pg_any_to_server(const char *text, int length, int encoding)
{
	(void) encoding;
	return pnstrdup(text, length);
}

char *
message_from_utf8(const char *utf8)
{
	return pstrdup(utf8);
}

int
utf8_character(const char *utf8, size_t offset)
{
	int			character = 1;

	must(offset <= strlen(utf8));
	for (size_t i = 0; i < offset; i++)
		character += (utf8[i] & 0xc0) != 0x80;
	return character;
}

Oid
FindDefaultConversionProc(int32 from, int32 to)
{
	(void) from;
	(void) to;
	return InvalidOid;
}

int
pg_do_encoding_conversion_buf(Oid procedure, int from, int to, unsigned char *source, int length,
							  unsigned char *out, int size, bool no_error)
{
	(void) procedure, (void) from, (void) to, (void) source;
	(void) length, (void) out, (void) size, (void) no_error;
	abort();
}

/*
 * The server's parsers
 */

void
path_compile(const char *text, const char *parameter, Path *path)
{
	(void) text;
	(void) parameter;
	memset(path, 0, sizeof(*path));
}

bool
parse_int(const char *value, int *result, int flags, const char **hint)
{
	char	   *end;
	long		number = strtol(value, &end, 10);

	(void) flags;
	(void) hint;
	*result = (int) number;
	return end > value && strlen(end) <= 3 && number >= -PG_INT32_MAX && number <= PG_INT32_MAX;
}

bool
parse_bool(const char *value, bool *result)
{
	*result = value[0] == 't';
	return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
}
