/*-------------------------------------------------------------------------
 *
 * slow_dns.c
 *	  For LD_PRELOAD: some hosts' addresses are looked up in vain, or slowly.
 *
 * Of hosts below "hang.test" nothing is ever heard, of "later.test" nobody knows
 * at the moment, and "slow.test" is this machine, which is found out after two
 * seconds.  All other look-ups go to libc.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int (*Lookup) (const char *host, const char *service, const struct addrinfo *hints,
					   struct addrinfo **addresses);

static int
is_below(const char *host, const char *domain)
{
	size_t		length = strlen(host);
	size_t		end = strlen(domain);

	return length >= end && strcmp(host + length - end, domain) == 0;
}

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			struct addrinfo **addresses)
{
	Lookup		lookup = (Lookup) dlsym(RTLD_NEXT, "getaddrinfo");

	if (host == NULL)
		return lookup(host, service, hints, addresses);
	while (is_below(host, "hang.test"))
		pause();
	if (strcmp(host, "later.test") == 0)
		return EAI_AGAIN;
	if (strcmp(host, "slow.test") == 0)
	{
		sleep(2);
		host = "127.0.0.1";
	}
	return lookup(host, service, hints, addresses);
}
