/*-------------------------------------------------------------------------
 *
 * pg_enrich.h
 *	  Names and types that all parts share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_H
#define PG_ENRICH_H

#define PG_ENRICH_VERSION "1.0"
#define PG_ENRICH_LIBRARY "pg_enrich"
#define PG_ENRICH_EXTENSION "pg_enrich"
#define PG_ENRICH_WRAPPER "pg_enrich"

#endif							/* PG_ENRICH_H */
