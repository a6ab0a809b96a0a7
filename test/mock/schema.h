/*-------------------------------------------------------------------------
 *
 * schema.h
 *	  Structured output: a JSON value that a JSON schema allows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SCHEMA_H
#define MOCK_SCHEMA_H

#include "text.h"

/* Appends a value of the schema that follows from the text; see README.md. */
extern void schema_write(Buffer *json, Slice schema, Slice text);

#endif							/* MOCK_SCHEMA_H */
