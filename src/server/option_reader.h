/*-------------------------------------------------------------------------
 *
 * option_reader.h
 *	  From an option's text to its value.
 *
 * For server_options.c, whose table names a reader for each option.  A reader
 * returns the value in the current memory context, or raises
 * invalid_parameter_value with option_refuse.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_OPTION_READER_H
#define PG_ENRICH_OPTION_READER_H

#include "postgres.h"

#include "common/pg_compat.h"
#include "server/server_options.h"
#include "template/template.h"

#define OPTION_DAY_MS (24 * 60 * 60 * INT64CONST(1000))
#define OPTION_TERABYTE (INT64CONST(1) << 40)

typedef enum ValueType
{
	VALUE_TEXT,					/* char * */
	VALUE_INTEGER,				/* int */
	VALUE_SIZE,					/* int64 */
	VALUE_BOOLEAN,				/* bool */
	VALUE_LIST					/* List * */
} ValueType;

/* A value as read; type says which member counts. */
typedef struct OptionValue
{
	ValueType	type;
	char	   *text;
	int64		integer;		/* of VALUE_INTEGER and VALUE_SIZE */
	bool		boolean;
	List	   *list;
} OptionValue;

typedef struct ServerOption ServerOption;

typedef OptionValue (*OptionReader) (const ServerOption *option, const char *value);

struct ServerOption
{
	const char *name;
	OptionContext context;
	bool		sensitive;		/* may hold a secret, if only by mistake:
								 * never shown */
	OptionReader read;
	size_t		field;			/* offset in Server or MappingOptions */
	int64		minimum;		/* of numbers, in ms or bytes where they have
								 * a unit */
	int64		maximum;
	const char *default_value;	/* as a user would write it; NULL: none */
	const char *description;	/* completes 'Option "x" is ...' */
};

/*
 * Refuses a value.  It is shown unless the option is sensitive; then the
 * statement is kept out of the log, too.  detail and hint are sentences that
 * hold nothing of a secret, or NULL: the detail then describes the option.
 */
pg_noreturn extern void option_refuse(const ServerOption *option, const char *value,
									  const char *detail, const char *hint);

/*
 * Refuses a value because of a fault in it: what, at which character, and what
 * would be right.  utf8 is the value in UTF-8, in which the fault counts.
 */
pg_noreturn extern void option_refuse_fault(const ServerOption *option, const char *value,
											const char *utf8, const TemplateFault *fault);

/*
 * Drops the context lines of callers from the error that is raised next.
 * PL/pgSQL's quote the statement, and errhidecontext keeps them only from the
 * log.  Whoever catches the error restores them.
 */
extern void option_drop_context(void);

/* The value in UTF-8, as it goes over the wire; always a copy. */
extern char *option_to_utf8(const ServerOption *option, const char *value);

extern bool option_has_control_character(const char *text);

/* A copy of the text as a value. */
extern OptionValue option_text_value(const char *text);

/* In option_text.c */
extern OptionValue option_read_url(const ServerOption *option, const char *value);
extern OptionValue option_read_method(const ServerOption *option, const char *value);
extern OptionValue option_read_jsonpath(const ServerOption *option, const char *value);
extern OptionValue option_read_http_version(const ServerOption *option, const char *value);
extern OptionValue option_read_proxy(const ServerOption *option, const char *value);
extern OptionValue option_read_file(const ServerOption *option, const char *value);
extern OptionValue option_read_token(const ServerOption *option, const char *value);
extern OptionValue option_read_username(const ServerOption *option, const char *value);
extern OptionValue option_read_password(const ServerOption *option, const char *value);

/* In option_number.c */
extern OptionValue option_read_count(const ServerOption *option, const char *value);
extern OptionValue option_read_duration(const ServerOption *option, const char *value);
extern OptionValue option_read_size(const ServerOption *option, const char *value);
extern OptionValue option_read_boolean(const ServerOption *option, const char *value);
extern OptionValue option_read_statuses(const ServerOption *option, const char *value);

/* In option_json.c */
extern OptionValue option_read_template(const ServerOption *option, const char *value);
extern OptionValue option_read_headers(const ServerOption *option, const char *value);
extern OptionValue option_read_query(const ServerOption *option, const char *value);

#endif							/* PG_ENRICH_OPTION_READER_H */
