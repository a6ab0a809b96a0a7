/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Reads JSON as slices of its own text, so numbers keep their digits.
 *
 * First scan_text says whether a text is JSON at all; the other functions
 * then work on what it returned and need not look for faults again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SCAN_H
#define MOCK_SCAN_H

#include "text.h"

/* The one value that the text holds, without white space; start is NULL if it is no JSON. */
extern Slice scan_text(const char *text, size_t length);

/* The value of an object's member; start is NULL if there is none, or no object. */
extern Slice scan_member(Slice object, const char *name);

/*
 * The next element of an array.  *position begins as NULL; returns false behind
 * the last element, and at once for what is no array.
 */
extern bool scan_element(Slice array, const char **position, Slice *element);

/* Appends what a string says; of any other value, its JSON text. */
extern void scan_append_text(Buffer *buffer, Slice value);

extern bool scan_is(Slice value, char first);	/* by its first character: { [ " t f n - 0 */
extern bool scan_equals(Slice value, const char *string);	/* a string that says just this */

#endif							/* MOCK_SCAN_H */
