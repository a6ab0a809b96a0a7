/*-------------------------------------------------------------------------
 *
 * waiting.h
 *	  Requests that wait: for their latency, or hanging until released.
 *
 * Their connections are suspended, so libmicrohttpd does not look at them; a
 * thread of its own resumes each when its time is up, when hanging requests
 * are released, or when the client closes the connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_WAITING_H
#define MOCK_WAITING_H

#include "request.h"

#define WAIT_FOREVER INT64_MAX

extern bool waiting_start(void);

/* Resumes all with WAKE_SHUTDOWN, as every later request at once; ends the thread. */
extern void waiting_stop(void);

/*
 * Suspends the request's connection for that many ms, or WAIT_FOREVER.  When it
 * is resumed, request->wake says why.  To be called on the connection's thread,
 * inside a callback of libmicrohttpd.
 */
extern enum MHD_Result waiting_suspend(Request *request, int64_t delay);

/* Resumes those that wait forever. */
extern void waiting_release(void);

#endif							/* MOCK_WAITING_H */
