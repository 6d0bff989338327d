/*
 * src/backend/ddl.h
 *
 * What a command of DDL did.
 */
#ifndef AUDIT_LOG_DDL_H
#define AUDIT_LOG_DDL_H

#include "nodes/nodes.h"
#include "utils/array.h"

extern ArrayType *al_ddl_trigger_args(Oid tgoid);
extern ArrayType *al_ddl_details(void *command);
extern char *al_ddl_names(Node *node);

#endif							/* AUDIT_LOG_DDL_H */
