/*
 * src/httpd/syntax.h
 *
 * Is a request written as HTTP wants it, and within the limits?
 */
#ifndef AUDIT_LOG_SYNTAX_H
#define AUDIT_LOG_SYNTAX_H

#include <microhttpd.h>

#include "config.h"

/* What is wrong with a request. */
typedef struct AlFault
{
	unsigned int status;		/* 0: nothing */
	const char *message;
	bool		first_line;		/* what came is not even a request */
} AlFault;

extern AlFault al_syntax_first_line(const char *bytes, size_t len,
									char *method, size_t size);
extern AlFault al_syntax_check(const AlConfig *config,
							   struct MHD_Connection *mhd, const char *method,
							   const char *target, const char *version);

#endif							/* AUDIT_LOG_SYNTAX_H */
