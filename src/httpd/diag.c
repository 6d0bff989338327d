/*
 * src/httpd/diag.c
 *
 * Diagnostics: one line on standard error each.  What the server says of a
 * statement may hold what a client sent; it must not make a line of its own,
 * nor speak to the terminal.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "diag.h"

/* The message needs no newline; one that is longer than a line is cut. */
void
al_diag(const char *format,...)
{
	char		line[2048];
	va_list		args;
	size_t		len;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (len = strlen(line); len > 0 && line[len - 1] == '\n';)
		line[--len] = '\0';
	for (char *c = line; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			*c = ' ';
	fprintf(stderr, "audit_log_httpd: %s\n", line);
}
