/*-------------------------------------------------------------------------
 *
 * curl_compat.h
 *	  What differs between versions of libcurl.
 *
 * The only place that asks for its version.  Supported is libcurl from 7.88, but for the
 * releases that compat_curl_fault names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CURL_COMPAT_H
#define PG_ENRICH_CURL_COMPAT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#if LIBCURL_VERSION_NUM < 0x075800
#error "pg_enrich needs libcurl 7.88 or newer"
#endif

/* From 8.20 on resolver threads are the multi handle's, which else waits for them at its end. */
#if LIBCURL_VERSION_NUM >= 0x081400
#define compat_quick_exit_multi(multi) ((void) curl_multi_setopt((multi), CURLMOPT_QUICK_EXIT, 1L))
#else
#define compat_quick_exit_multi(multi) ((void) (multi))
#endif

/* 8.6 has a code of its own for what is too large; no older one returns it. */
#if LIBCURL_VERSION_NUM < 0x080600
#define CURLE_TOO_LARGE 100
#endif

/*
 * The rest asks the library that is loaded, which need not be the headers'.  A distribution
 * that has repaired one keeps its number: what is done by number has to be bearable there.
 * README.md lists what peers can do by which version.
 */
static inline unsigned
compat_curl_version(void)
{
	static unsigned version = 0;

	if (version == 0)
		version = curl_version_info(CURLVERSION_NOW)->version_num;
	return version;
}

/* Why this libcurl cannot be used at all, and what can; NULL: it can. */
static inline const char *
compat_curl_fault(void)
{
	static const struct
	{
		unsigned	version;
		const char *fault;
	}			faults[] = {
		{0x080900, "libcurl 8.9.0 is busy without end once a TLS connection was closed: 8.9.1 is needed"},
		{0x080b01, "libcurl 8.11.1 closes descriptors that are not its own: 8.12.0 is needed"},
		{0x080d00, "libcurl 8.13.0 uses memory after a look-up was given up: 8.14.1 is needed"},
		{0x080e00, "libcurl 8.14.0 loses transfers: 8.14.1 is needed"},
		{0x081000, "libcurl 8.16.0 cancels threads that look up hosts: 8.17.0 is needed"},
		{0x081500, "libcurl 8.21.0 does not close TLS connections: 8.22.0 is needed"}
	};
	unsigned	version = compat_curl_version();

	if (version < 0x075800)
		return "this libcurl is older than 7.88";
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
	{
		if (faults[i].version == version)
			return faults[i].fault;
	}
	return NULL;
}

/* In 7.88 the second request on a connection with prior knowledge gets no answer. */
static inline bool
compat_curl_breaks_prior_knowledge(void)
{
	return compat_curl_version() < 0x080000;
}

/*
 * From 8.7 to 8.22 a server that refuses a stream of HTTP/2 in the middle of its request's
 * body has libcurl send what is left of it as another request, and use memory that was freed
 * (CVE-2026-92392).  That takes a line feed in the body.
 */
static inline bool
compat_curl_breaks_http2_bodies(void)
{
	unsigned	version = compat_curl_version();

	return version >= 0x080700 && version < 0x081700;
}

/*
 * In 8.12 and 8.13 connections that wait for their peer to close them count for the limit
 * on connections, and no transfer can begin when it is reached.  http.c's own queue
 * bounds what is under way.
 */
static inline bool
compat_curl_counts_closing(void)
{
	unsigned	version = compat_curl_version();

	return version >= 0x080c00 && version < 0x080e00;
}

/*
 * From 8.9 on libcurl shuts TLS connections down in the background, and never ends that
 * where the peer does not, unless it is called for all sockets now and then.
 */
static inline bool
compat_curl_leaves_closing(void)
{
	return compat_curl_version() >= 0x080900;
}

/* Before 8.5 connections of HTTP/1.1 carry several requests, where the host has one of HTTP/2. */
static inline bool
compat_curl_shares_http1(void)
{
	return compat_curl_version() < 0x080500;
}

static inline void
compat_curl_sweep(CURLM *multi)
{
	int			running;

	/* Deprecated, and the only call that does it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	(void) curl_multi_socket_all(multi, &running);
#pragma GCC diagnostic pop
}

#endif							/* PG_ENRICH_CURL_COMPAT_H */
