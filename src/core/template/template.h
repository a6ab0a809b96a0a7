/*-------------------------------------------------------------------------
 *
 * template.h
 *	  Body and URL templates: compiled once a job, filled once a request.
 *
 * A template is JSON text (body) or a URL.  Compiling cuts it into literal
 * pieces and placeholders, so that filling is a walk over the pieces: what the
 * user wrote between placeholders (order of keys, form of numbers) reaches the
 * wire as written.  Pure: builds and tests without a server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_TEMPLATE_H
#define PG_ENRICH_TEMPLATE_H

#include "base/buffer.h"
#include "json/json.h"

typedef struct Template Template;

/* Why a template is refused.  The strings are ready for errmsg and friends. */
typedef struct TemplateFault
{
	char		message[256];	/* lower case, no period */
	char		detail[256];	/* a sentence, or "" */
	char		hint[512];		/* what would be right, or "" */
	int64_t		offset;			/* where, in bytes from the start of the text;
								 * -1: not known */
	char		unknown[256];	/* the placeholder that is none, or "" */
} TemplateFault;

/* A row as templates see it.  All text is UTF-8. */
typedef struct RequestRow
{
	const char *input;			/* the joined input: plain text, not JSON */
	size_t		input_length;
	const char *const *fields;	/* one JSON value a column, NULL pointer:
								 * null; or NULL */
} RequestRow;

/* What a request's placeholders stand for. */
typedef struct RequestScope
{
	int64_t		job;
	int64_t		bucket;
	const RequestRow *rows;
	int			row_count;
} RequestScope;

/*
 * Compile a body template (JSON text) or a URL template.  columns are the key
 * and input columns that {{column}} may name, in the order of
 * RequestRow.fields.  what names a URL in messages: "url", "path".  Returns
 * NULL with *fault filled in when the template is malformed.
 */
extern Template *template_compile_body(const char *json, size_t length,
									   const char *const *columns, int column_count,
									   TemplateFault *fault);
extern Template *template_compile_url(const char *url, const char *what,
									  const char *const *columns, int column_count,
									  TemplateFault *fault);
extern void template_free(Template *tpl);

/*
 * Check what can be checked while the columns are not known yet: then any name
 * may be a column's.  False with *fault filled in.
 */
extern bool template_check_body(const char *json, size_t length, TemplateFault *fault);
extern bool template_check_url(const char *url, const char *what, TemplateFault *fault);

/* Which placeholder of the whole request stands inside an each, for warnings; or NULL. */
extern const char *template_repeated_placeholder(const Template *tpl);

/*
 * Does a single-row placeholder stand in it, outside an each?  Which: its
 * name, for messages, or NULL.
 */
extern const char *template_single_row_placeholder(const Template *tpl);

/* Does filling need RequestRow.fields ({{column}}, {{rows}})? */
extern bool template_needs_fields(const Template *tpl);

/*
 * Is there any placeholder that carries the rows' data ({{inputs}}, {{rows}},
 * {{input}}, {{column}})?
 */
extern bool template_carries_rows(const Template *tpl);

/*
 * Append the filled template.  False when memory ran out, or (URL only) when
 * the filled URL would leave the server's path: *why says so (static).
 */
extern bool template_fill(const Template *tpl, const RequestScope *scope, ByteBuffer *out,
						  const char **why);

/*
 * Join a server's url with a job's path, before the url's query: "/v1?x=1" and
 * "/embed" give "/v1/embed?x=1".  A query in the path is joined with "&".  Both
 * may hold placeholders.
 */
extern void url_join(ByteBuffer *out, const char *url, const char *path);

/*
 * Check a server's url (placeholders allowed in path and query, never in scheme,
 * user, host or port) or a job's path.  False with *fault filled in.
 */
extern bool url_check(const char *url, TemplateFault *fault);
extern bool url_path_check(const char *path, TemplateFault *fault);

/* Is there a ".." in a path's segment, however its dots and the slashes around are written? */
extern bool url_segment_goes_up(const char *segment, const char *end);

/* Append bytes percent-encoded: all but RFC 3986's unreserved characters. */
extern void url_append_encoded(ByteBuffer *out, const char *bytes, size_t length);

#endif							/* PG_ENRICH_TEMPLATE_H */
