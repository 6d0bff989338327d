/*
 * src/httpd/diag.h
 *
 * What the operator is told.
 */
#ifndef AUDIT_LOG_DIAG_H
#define AUDIT_LOG_DIAG_H

extern void al_diag(const char *format,...)
			__attribute__((format(printf, 1, 2)));

#endif							/* AUDIT_LOG_DIAG_H */
