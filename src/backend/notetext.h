/*
 * src/backend/notetext.h
 *
 * Signed notes and what holds them, which are UTF-8, as text of the database.
 */
#ifndef AUDIT_LOG_NOTETEXT_H
#define AUDIT_LOG_NOTETEXT_H

extern char *al_notetext_show(const char *note);
extern char *al_notetext_read(const char *text);

#endif							/* AUDIT_LOG_NOTETEXT_H */
