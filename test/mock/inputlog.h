/*-------------------------------------------------------------------------
 *
 * inputlog.h
 *	  Which input texts were answered, and how often: off until asked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_INPUTLOG_H
#define MOCK_INPUTLOG_H

#include "inputs.h"

extern void inputlog_enable(bool enabled);
extern void inputlog_add(const Inputs *inputs); /* these were answered with 2xx */

/* How many of these were answered before; 0 while the log is off. */
extern uint64_t inputlog_count_answered(const Inputs *inputs);
extern void inputlog_clear(void);	/* forgets the texts; stays on or off */
extern void inputlog_describe(Buffer *json);

#endif							/* MOCK_INPUTLOG_H */
