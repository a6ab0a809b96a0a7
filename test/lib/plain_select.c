/*-------------------------------------------------------------------------
 *
 * plain_select.c
 *	  For LD_PRELOAD, before libfaketime: select() as the system has it.
 *
 * While libfaketime is in its own select() it shows the true time.  Up to
 * PostgreSQL 15 the postmaster starts background workers in a signal handler,
 * which interrupts that, and they would have the true time for life.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <signal.h>
#include <stddef.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int
select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout)
{
	struct timespec wait;

	if (timeout != NULL)
		wait = (struct timespec) {timeout->tv_sec, timeout->tv_usec * 1000};
	return (int) syscall(SYS_pselect6, count, readable, writable, exceptional,
						 timeout != NULL ? &wait : NULL, NULL);
}
