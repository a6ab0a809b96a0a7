/*-------------------------------------------------------------------------
 *
 * slow_disk.c
 *	  For LD_PRELOAD: WAL gets to disk only when it is let.
 *
 * While there is a file named by SLOW_DISK, fdatasync does not return: PostgreSQL
 * uses it for WAL alone.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int
fdatasync(int fd)
{
	int			(*libc) (int) = (int (*) (int)) dlsym(RTLD_NEXT, "fdatasync");
	const char *gate = getenv("SLOW_DISK");

	while (gate != NULL && access(gate, F_OK) == 0)
		usleep(1000);
	return libc(fd);
}
