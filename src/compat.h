/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between versions of PostgreSQL and of libcurl.
 *
 * The only place that asks for a version: everything else uses the newest
 * spelling that can be given to all of them, or a name of ours.  Supported are
 * PostgreSQL 15 to 18 and libcurl from 7.83.
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

/* 17 has transaction_timeout. */
#define COMPAT_HAS_TRANSACTION_TIMEOUT (PG_VERSION_NUM >= 170000)

#endif							/* PG_VERSION_NUM */

#ifdef LIBCURL_VERSION_NUM

#include <stdbool.h>

#if LIBCURL_VERSION_NUM < 0x075300
#error "pg_enrich needs libcurl 7.83 or newer"
#endif

/* 7.85 takes the protocols that are allowed as a string. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define compat_allow_http(easy) curl_easy_setopt((easy), CURLOPT_PROTOCOLS_STR, "http,https")
#else
#define compat_allow_http(easy) \
	curl_easy_setopt((easy), CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS))
#endif

/* 7.87 can give up a transfer without waiting for its resolver thread ... */
#if LIBCURL_VERSION_NUM >= 0x075700
#define compat_quick_exit(easy) curl_easy_setopt((easy), CURLOPT_QUICK_EXIT, 1L)
#else
#define compat_quick_exit(easy) CURLE_OK
#endif

/* ... and from 8.20 on the threads are the multi handle's, which waits for them at its end. */
#if LIBCURL_VERSION_NUM >= 0x081400
#define compat_quick_exit_multi(multi) curl_multi_setopt((multi), CURLMOPT_QUICK_EXIT, 1L)
#else
#define compat_quick_exit_multi(multi) CURLM_OK
#endif

/* 8.6 has a code of its own for what is too large; no older one returns it. */
#if LIBCURL_VERSION_NUM < 0x080600
#define CURLE_TOO_LARGE 100
#endif

/*
 * From 7.87 to 7.88 the second request on a connection with prior knowledge,
 * whether it shares or follows, gets no answer.  The library that is loaded
 * counts, which need not be the headers'.
 */
static inline bool
compat_curl_breaks_prior_knowledge(void)
{
	unsigned	version = curl_version_info(CURLVERSION_NOW)->version_num;

	return version >= 0x075700 && version < 0x080000;
}

#endif							/* LIBCURL_VERSION_NUM */

#endif							/* PG_ENRICH_COMPAT_H */
