/*
 * src/httpd/tls.h
 *
 * The certificate that we show, and its key.
 */
#ifndef AUDIT_LOG_TLS_H
#define AUDIT_LOG_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "config.h"

extern bool al_tls_load(const AlConfig *config, char *why, size_t why_len);
extern int	al_tls_pick(gnutls_session_t session,
						const gnutls_datum_t *authorities, int nauthorities,
						const gnutls_pk_algorithm_t *algorithms,
						int nalgorithms, gnutls_pcert_st **chain,
						unsigned int *nchain, gnutls_privkey_t *key);

#endif							/* AUDIT_LOG_TLS_H */
