/*
 * src/backend/utf8.h
 *
 * The database's text as UTF-8, and back.
 */
#ifndef AUDIT_LOG_UTF8_H
#define AUDIT_LOG_UTF8_H

extern char *al_utf8_from_text(const char *text, int len);
extern char *al_utf8_to_text(const char *utf8, int len);

#endif							/* AUDIT_LOG_UTF8_H */
