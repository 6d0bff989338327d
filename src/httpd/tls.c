/*
 * src/httpd/tls.c
 *
 * The certificate that we show, and its key.
 *
 * Certificates of today are renewed every few weeks, so the files are read
 * again when we are told to, and connections from then on get what they hold.
 * What was read before stays in memory, for handshakes that go on with it.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

#define MAX_CHAIN 16
#define MAX_KEY_ID 64

typedef struct Pair
{
	gnutls_pcert_st chain[MAX_CHAIN];
	unsigned int nchain;
	gnutls_privkey_t key;
	struct Pair *before;
} Pair;

static _Atomic(Pair *) current;

/* GnuTLS's word for what is wrong with a file. */
static bool
blame(const char *flag, const char *file, int error, char *why, size_t why_len)
{
	snprintf(why, why_len, "--%s: \"%s\" cannot be used: %s", flag, file,
			 gnutls_strerror(error));
	return false;
}

static bool
load_chain(Pair *pair, const char *file, char *why, size_t why_len)
{
	int			error;

	pair->nchain = MAX_CHAIN;
	error = gnutls_pcert_list_import_x509_file(pair->chain, &pair->nchain,
											   file, GNUTLS_X509_FMT_PEM,
											   NULL, NULL, 0);
	if (error == 0 && pair->nchain > 0)
		return true;
	pair->nchain = 0;
	return blame("tls-cert", file, error, why, why_len);
}

static bool
load_key(Pair *pair, const char *file, char *why, size_t why_len)
{
	gnutls_datum_t text = {NULL, 0};
	int			error = gnutls_privkey_init(&pair->key);

	if (error == 0)
		error = gnutls_load_file(file, &text);
	if (error == 0)
		error = gnutls_privkey_import_x509_raw(pair->key, &text,
											   GNUTLS_X509_FMT_PEM, NULL, 0);
	if (text.data)
	{
		explicit_bzero(text.data, text.size);
		gnutls_free(text.data);
	}
	return error == 0 || blame("tls-key", file, error, why, why_len);
}

/* Is it the key of that certificate? */
static bool
belongs(const Pair *pair)
{
	unsigned char ids[2][MAX_KEY_ID];
	size_t		sizes[2] = {MAX_KEY_ID, MAX_KEY_ID};
	gnutls_pubkey_t public;
	bool		same;

	if (gnutls_pubkey_init(&public) != 0)
		return false;
	same = gnutls_pubkey_import_privkey(public, pair->key, 0, 0) == 0 &&
		gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, ids[0],
								 &sizes[0]) == 0 &&
		gnutls_pubkey_get_key_id(pair->chain[0].pubkey,
								 GNUTLS_KEYID_USE_SHA256, ids[1],
								 &sizes[1]) == 0 &&
		sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
	gnutls_pubkey_deinit(public);
	return same;
}

static void
discard(Pair *pair)
{
	for (unsigned int i = 0; i < pair->nchain; i++)
		gnutls_pcert_deinit(&pair->chain[i]);
	if (pair->key)
		gnutls_privkey_deinit(pair->key);
	free(pair);
}

/* Reads both files; what was in force stays so if they cannot be used. */
bool
al_tls_load(const AlConfig *config, char *why, size_t why_len)
{
	Pair	   *pair = calloc(1, sizeof(Pair));

	if (pair == NULL)
	{
		snprintf(why, why_len, "out of memory");
		return false;
	}
	if (!load_chain(pair, config->tls_cert, why, why_len) ||
		!load_key(pair, config->tls_key, why, why_len))
	{
		discard(pair);
		return false;
	}
	if (!belongs(pair))
	{
		snprintf(why, why_len,
				 "--tls-key: \"%s\" is not the key of the certificate in \"%s\"",
				 config->tls_key, config->tls_cert);
		discard(pair);
		return false;
	}
	pair->before = atomic_load(&current);
	atomic_store(&current, pair);
	return true;
}

/* What GnuTLS asks when a client connects. */
int
al_tls_pick(gnutls_session_t session, const gnutls_datum_t *authorities,
			int nauthorities, const gnutls_pk_algorithm_t *algorithms,
			int nalgorithms, gnutls_pcert_st **chain, unsigned int *nchain,
			gnutls_privkey_t *key)
{
	Pair	   *pair = atomic_load(&current);

	(void) session;
	(void) authorities;
	(void) nauthorities;
	(void) algorithms;
	(void) nalgorithms;
	*chain = pair->chain;
	*nchain = pair->nchain;
	*key = pair->key;
	return 0;
}
