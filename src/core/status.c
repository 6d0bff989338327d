/*
 * src/core/status.c
 *
 * Filling in the reason of a failure; see status.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "status.h"

AlStatus
al_status_fail(AlError *err, AlStatus status, const char *format,...)
{
	va_list		args;

	if (err != NULL)
	{
		va_start(args, format);
		(void) vsnprintf(err->reason, sizeof(err->reason), format, args);
		va_end(args);
	}
	return status;
}
