/*
 * src/backend/leaftext.h
 *
 * The texts of a stored record that its leaf is made from.
 */
#ifndef AUDIT_LOG_LEAFTEXT_H
#define AUDIT_LOG_LEAFTEXT_H

#include "executor/tuptable.h"

#include "core/buf.h"

#include "tables.h"

extern void al_leaftext_print(AlStream stream, TupleTableSlot *slot,
							  AlBuf *meta, AlBuf *data);

#endif							/* AUDIT_LOG_LEAFTEXT_H */
