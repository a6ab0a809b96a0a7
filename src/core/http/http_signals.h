/*-------------------------------------------------------------------------
 *
 * http_signals.h
 *	  Keeping the process's signals out of libcurl's threads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_SIGNALS_H
#define PG_ENRICH_HTTP_SIGNALS_H

#include <pthread.h>
#include <signal.h>

/*
 * A thread inherits the mask of the thread that starts it, and libcurl starts
 * resolver threads: the process's signals must not be delivered there.  Faults
 * of the program itself stay deliverable, and so does the watchdog's timer.
 */
static inline void
block_signals(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGPROF);	/* http_watchdog.c's, which watches just that */
	pthread_sigmask(SIG_SETMASK, &all, before);
}

static inline void
restore_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

#endif							/* PG_ENRICH_HTTP_SIGNALS_H */
