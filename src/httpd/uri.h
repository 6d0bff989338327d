/*
 * src/httpd/uri.h
 *
 * Percent-decoding, query strings and forms.  Strict: what cannot be text of
 * a UTF-8 database is refused here, once, for all parameters.
 */
#ifndef AUDIT_LOG_URI_H
#define AUDIT_LOG_URI_H

#include "../core/buf.h"

#define AL_MAX_PARAMS 128

typedef struct AlParam
{
	char	   *name;			/* NUL-terminated, valid UTF-8 */
	char	   *value;
} AlParam;

/* The pairs of a query string or form; the text belongs to "storage". */
typedef struct AlParams
{
	AlParam		items[AL_MAX_PARAMS];
	int			n;
	char	   *storage;
} AlParams;

extern bool al_uri_is_utf8(const char *text, size_t len);
extern bool al_uri_decode(char *text, bool plus);
extern bool al_uri_parse_params(AlParams *params, const char *text,
								size_t len);
extern const char *al_uri_param(const AlParams *params, const char *name);
extern void al_uri_free_params(AlParams *params);
extern void al_uri_encode(AlBuf *out, const char *text);
extern char *al_uri_printable(const char *text);

#endif							/* AUDIT_LOG_URI_H */
