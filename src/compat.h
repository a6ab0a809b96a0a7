/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between versions of PostgreSQL and of libcurl.
 *
 * The only place that asks for a version: everything else uses the newest
 * spelling that can be given to all of them, or a name of ours.  Supported are
 * PostgreSQL 15 to 18 and libcurl from 7.88.
 *
 * Each half is there for files that have included its subject before, postgres.h
 * or curl/curl.h: what handles libcurl knows nothing of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_COMPAT_H
#define PG_ENRICH_COMPAT_H

#ifdef PG_VERSION_NUM

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "pg_enrich needs PostgreSQL 15 or newer"
#endif

/* 16 folded the aclcheck and ownercheck functions of each kind of object into one. */
#if PG_VERSION_NUM >= 160000
#define server_aclcheck(oid, role) \
	object_aclcheck(ForeignServerRelationId, (oid), (role), ACL_USAGE)
#define type_aclcheck(oid, role) object_aclcheck(TypeRelationId, (oid), (role), ACL_USAGE)
#define class_ownercheck(oid, role) object_ownercheck(RelationRelationId, (oid), (role))
#define compat_database_aclcheck(oid, role, mode) \
	object_aclcheck(DatabaseRelationId, (oid), (role), (mode))
#else
#define server_aclcheck(oid, role) pg_foreign_server_aclcheck((oid), (role), ACL_USAGE)
#define type_aclcheck(oid, role) pg_type_aclcheck((oid), (role), ACL_USAGE)
#define class_ownercheck(oid, role) pg_class_ownercheck((oid), (role))
#define compat_database_aclcheck(oid, role, mode) pg_database_aclcheck((oid), (role), (mode))
#endif

/* 17 lets a worker run as a role that may not log in. */
#if PG_VERSION_NUM >= 170000
#define COMPAT_BYPASS_ROLELOGINCHECK BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define COMPAT_BYPASS_ROLELOGINCHECK 0
#endif

/* 17 knows wait events of extensions by name; before, all are "Extension". */
#if PG_VERSION_NUM >= 170000
#define COMPAT_WAIT_EVENT(var, name) \
	((var) != 0 ? (var) : ((var) = WaitEventExtensionNew(name)))
#else
#define COMPAT_WAIT_EVENT(var, name) ((void) (var), PG_WAIT_EXTENSION)
#endif

/* 17 ties a wait event set to a resource owner, 16 and older to a memory context. */
#if PG_VERSION_NUM >= 170000
#define compat_create_wait_event_set(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define compat_create_wait_event_set(nevents) CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/* 16 gave parseTypeString a context for soft errors in place of missing_ok. */
#if PG_VERSION_NUM >= 160000
#define compat_parse_type(text, type, typmod) \
	((void) parseTypeString((text), (type), (typmod), NULL))
#else
#define compat_parse_type(text, type, typmod) parseTypeString((text), (type), (typmod), false)
#endif

/* 18 has it, as a prefix, in place of pg_attribute_noreturn(). */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* 18 lets a library say its name and version. */
#ifndef PG_MODULE_MAGIC_EXT
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

/* 18 encodes bytes, where older ones encode characters. */
#if PG_VERSION_NUM >= 180000
#define compat_b64_encode(src, len, dst, dstlen) \
	pg_b64_encode((const uint8 *) (src), (len), (dst), (dstlen))
#else
#define compat_b64_encode(src, len, dst, dstlen) pg_b64_encode((src), (len), (dst), (dstlen))
#endif

/*
 * Entries in all indexes for a row that was just inserted; the list of those that may hold
 * its key already.  16 can leave out indexes that only summarize.
 */
#if PG_VERSION_NUM >= 160000
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples((result), (slot), (estate), false, true, NULL, NIL, false)
#else
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples((result), (slot), (estate), false, true, NULL, NIL)
#endif

/* 17 has transaction_timeout. */
#define COMPAT_HAS_TRANSACTION_TIMEOUT (PG_VERSION_NUM >= 170000)

#endif							/* PG_VERSION_NUM */

#ifdef LIBCURL_VERSION_NUM

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

/* Before 8.5 connections of HTTP/1.1 carry several requests, where another of the host is HTTP/2. */
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

#endif							/* LIBCURL_VERSION_NUM */

#endif							/* PG_ENRICH_COMPAT_H */
