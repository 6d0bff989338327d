/*
 * src/verify/check.h
 *
 * The whole verification: leaves and blocks of a source, from the first on.
 */
#ifndef AUDIT_LOG_CHECK_H
#define AUDIT_LOG_CHECK_H

#include "notes.h"
#include "report.h"
#include "source.h"
#include "trust.h"

/* AL_OK: it was verified, and the report knows what was found. */
extern AlStatus al_check(AlSource *source, AlTrust *trust, AlNotes *notes,
						 AlReport *report, AlError *err);

#endif							/* AUDIT_LOG_CHECK_H */
