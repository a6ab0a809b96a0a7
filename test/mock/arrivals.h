/*-------------------------------------------------------------------------
 *
 * arrivals.h
 *	  When requests came, and how many tokens each brought: for tests of rates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_ARRIVALS_H
#define MOCK_ARRIVALS_H

#include "request.h"

extern void arrivals_add(const Request *request);
extern void arrivals_clear(void);
extern void arrivals_describe(Buffer *json);

#endif							/* MOCK_ARRIVALS_H */
