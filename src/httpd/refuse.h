/*
 * src/httpd/refuse.h
 *
 * Requests that are refused while they are still being read.
 */
#ifndef AUDIT_LOG_REFUSE_H
#define AUDIT_LOG_REFUSE_H

#include <stdarg.h>

#include "request.h"

extern void al_refuse_init(const AlConfig *config);
extern void al_refuse_watch(AlConnection *connection);
extern void al_refuse(AlRequest *request, unsigned int status,
					  const char *message);
extern void al_refuse_listen(void *cls, const char *format, va_list args)
			__attribute__((format(gnu_printf, 2, 0)));

#endif							/* AUDIT_LOG_REFUSE_H */
