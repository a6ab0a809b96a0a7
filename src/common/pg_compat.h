/*-------------------------------------------------------------------------
 *
 * pg_compat.h
 *	  What differs between versions of PostgreSQL.
 *
 * The only place that asks for its version: everything else uses the newest spelling that
 * can be given to all of them, or a name of ours.  Supported are 15 to 18.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PG_COMPAT_H
#define PG_ENRICH_PG_COMPAT_H

#include "postgres.h"

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

#endif							/* PG_ENRICH_PG_COMPAT_H */
