/*
 * src/core/crypto_timestamp.c
 *
 * Time stamps by authorities (RFC 3161): asking for one, and reading what
 * came back.  Nothing of a reply is believed before its signature is verified.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"
#include "crypto_timestamp.h"

struct AlAuthorities
{
	X509_STORE *store;
};

/*
 * The request for a time stamp of a SHA-256 digest, in DER.  It asks for the
 * authority's certificate and holds no nonce: that would have to be kept
 * until the reply comes, only to refuse an older stamp of the same digest,
 * which proves more than a new one.
 */
void
al_crypto_timestamp_request(const uint8_t digest[AL_SHA256_LEN],
							uint8_t request[AL_TIMESTAMP_REQUEST_LEN])
{
	static const uint8_t head[] = {
		0x30, 0x39, 0x02, 0x01, 0x01,	/* version 1 */
		0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
		0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20	/* SHA-256 */
	};
	static const uint8_t tail[] = {0x01, 0x01, 0xff};	/* certReq */

	memcpy(request, head, sizeof(head));
	memcpy(request + sizeof(head), digest, AL_SHA256_LEN);
	memcpy(request + sizeof(head) + AL_SHA256_LEN, tail, sizeof(tail));
}

/*
 * Turns what OpenSSL has just queued into "what: reason", and empties the
 * queue.  Some of the text may come from the reply.
 */
static AlStatus
stamp_failed(AlError *err, AlStatus status, const char *what)
{
	const char *data = NULL;
	int			flags = 0;
	unsigned long code = ERR_peek_last_error_all(NULL, NULL, NULL, &data,
												 &flags);
	const char *reason = ERR_reason_error_string(code);

	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		status = AL_NO_MEMORY;
	if (reason == NULL)
		(void) al_status_fail(err, status, "%s", what);
	else if (data != NULL && *data != '\0' && (flags & ERR_TXT_STRING))
		(void) al_status_fail(err, status, "%s: %s (%.100s)", what, reason,
							  data);
	else
		(void) al_status_fail(err, status, "%s: %s", what, reason);
	ERR_clear_error();
	return status;
}

/* What an authority says is printed as far as it is plain text. */
static AlStatus
refused(const TS_STATUS_INFO *info, long status, AlError *err)
{
	static const char *const names[] = {
		"granted", "granted with changes", "rejection", "waiting",
		"revocation warning", "revoked"
	};
	const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(info);
	char		said[121] = "";

	if (texts != NULL && sk_ASN1_UTF8STRING_num(texts) > 0)
	{
		const ASN1_UTF8STRING *text = sk_ASN1_UTF8STRING_value(texts, 0);
		int			len = ASN1_STRING_length(text);
		int			i;

		for (i = 0; i < len && i < (int) sizeof(said) - 1; i++)
		{
			unsigned char c = ASN1_STRING_get0_data(text)[i];

			said[i] = c >= 0x20 && c < 0x7f ? (char) c : '?';
		}
		said[i] = '\0';
	}
	return al_status_fail(err, AL_UNSUPPORTED,
						  "the authority refused: status %ld (%s)%s%s", status,
						  status >= 0 && status < 6 ? names[status] :
						  "unknown", *said ? ": " : "", said);
}

/* Takes the header off a DER value; false if there is none of that tag. */
static bool
enter(const uint8_t **pos, size_t len, int tag, size_t *content)
{
	long		content_len;
	int			found;
	int			class;
	int			form = ASN1_get_object(pos, &content_len, &found, &class,
									   (long) len);

	/* Bit 0 is the indefinite length, which DER does not have. */
	if ((form & 0x81) != 0 || found != tag || class != V_ASN1_UNIVERSAL)
		return false;
	*content = (size_t) content_len;
	return true;
}

/*
 * Finds the token in a reply, which may be the token itself: that begins with
 * an object identifier, a reply with the status, which must be that it was
 * granted.
 */
static AlStatus
find_token(const uint8_t *reply, size_t len, AlTimestamp *stamp, AlError *err)
{
	const uint8_t *pos = reply;
	TS_RESP    *parsed;
	TS_STATUS_INFO *info;
	size_t		content;
	size_t		status_len;
	int64_t		code = -1;
	AlStatus	status;

	if (len > AL_TIMESTAMP_MAX)
		return al_status_fail(err, AL_INVALID,
							  "the reply is longer than %d bytes",
							  AL_TIMESTAMP_MAX);
	if (!enter(&pos, len, V_ASN1_SEQUENCE, &content) ||
		(size_t) (pos - reply) + content != len)
		return al_status_fail(err, AL_INVALID,
							  "neither a reply nor a token in DER, or cut off");
	stamp->token = reply;
	stamp->token_len = len;
	if (content > 0 && *pos == V_ASN1_OBJECT)
		return AL_OK;
	if (!enter(&pos, content, V_ASN1_SEQUENCE, &status_len))
		return al_status_fail(err, AL_INVALID,
							  "neither a reply nor a token");
	stamp->token = pos + status_len;
	stamp->token_len = len - (size_t) (stamp->token - reply);
	pos = reply;
	parsed = d2i_TS_RESP(NULL, &pos, (long) len);
	if (parsed == NULL)
		return stamp_failed(err, AL_INVALID, "the reply cannot be read");
	info = TS_RESP_get_status_info(parsed);
	if (!ASN1_INTEGER_get_int64(&code, TS_STATUS_INFO_get0_status(info)))
		code = -1;
	if (code != TS_STATUS_GRANTED && code != TS_STATUS_GRANTED_WITH_MODS)
		status = refused(info, (long) code, err);
	else
		status = AL_OK;
	TS_RESP_free(parsed);
	return status;
}

/* Microseconds since 1970; the fraction of a second is read from the text. */
static bool
read_time(const ASN1_GENERALIZEDTIME *time, int64_t *us)
{
	ASN1_TIME  *epoch = ASN1_TIME_set(NULL, 0);
	const char *text = (const char *) ASN1_STRING_get0_data(time);
	int			len = ASN1_STRING_length(time);
	int64_t		scale = 100000;
	int			days;
	int			seconds;
	bool		good;

	good = epoch != NULL && ASN1_GENERALIZEDTIME_check(time) &&
		ASN1_TIME_diff(&days, &seconds, epoch, time);
	ASN1_TIME_free(epoch);
	if (!good)
		return false;
	*us = ((int64_t) days * 86400 + seconds) * 1000000;
	if (len > 15 && text[14] == '.')
		for (int i = 15; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		{
			*us += (text[i] - '0') * scale;
			scale /= 10;
		}
	return true;
}

/* What the token says, before anything of it is believed. */
static AlStatus
read_info(TS_TST_INFO *info, AlTimestamp *stamp, AlError *err)
{
	TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);
	const ASN1_OBJECT *algorithm;
	const ASN1_OCTET_STRING *digest;

	X509_ALGOR_get0(&algorithm, NULL, NULL, TS_MSG_IMPRINT_get_algo(imprint));
	digest = TS_MSG_IMPRINT_get_msg(imprint);
	if (TS_TST_INFO_get_version(info) != 1)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the token is not of version 1");
	if (OBJ_obj2nid(algorithm) != NID_sha256 ||
		ASN1_STRING_length(digest) != AL_SHA256_LEN)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the stamp is not of a SHA-256 digest");
	if (!read_time(TS_TST_INFO_get_time(info), &stamp->time))
		return stamp_failed(err, AL_INVALID,
							"the time of the stamp cannot be read");
	memcpy(stamp->imprint, ASN1_STRING_get0_data(digest), AL_SHA256_LEN);
	return AL_OK;
}

/* Everything about a chain of certificates counts but where it ends. */
static int
trust_any_end(int ok, X509_STORE_CTX *ctx)
{
	switch (X509_STORE_CTX_get_error(ctx))
	{
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
			return 1;
		default:
			return ok;
	}
}

/*
 * The signature, by a certificate for time stamping that was valid at the
 * time of the stamp and that the token names as the signer's.
 */
static AlStatus
verify_token(PKCS7 *token, int64_t time, const AlAuthorities *trusted,
			 AlError *err)
{
	X509_STORE *store = trusted != NULL ? trusted->store : X509_STORE_new();
	AlStatus	status = AL_OK;

	if (store == NULL)
		return al_crypto_no_memory(err);
	if (trusted == NULL)
		X509_STORE_set_verify_cb(store, trust_any_end);
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store),
							   (time_t) (time / 1000000));
	if (!TS_RESP_verify_signature(token, NULL, store, NULL))
		status = stamp_failed(err, AL_MISMATCH,
							  "the signature of the stamp does not verify");
	if (trusted == NULL)
		X509_STORE_free(store);
	return status;
}

/*
 * Reads the reply of a time-stamping authority, or the token in it, and
 * verifies its signature: against authorities that are trusted or, if
 * "trusted" is NULL, by the certificate in it whoever made that, so that all
 * it shows is that the token is as it was signed.
 */
AlStatus
al_crypto_read_timestamp(const void *reply, size_t len,
						 const AlAuthorities *trusted, AlTimestamp *stamp,
						 AlError *err)
{
	const uint8_t *pos;
	PKCS7	   *token;
	TS_TST_INFO *info = NULL;
	AlStatus	status;

	ERR_clear_error();
	status = find_token(reply, len, stamp, err);
	if (status != AL_OK)
	{
		ERR_clear_error();
		return status;
	}
	pos = stamp->token;
	token = d2i_PKCS7(NULL, &pos, (long) stamp->token_len);
	if (token == NULL || pos != stamp->token + stamp->token_len)
		status = stamp_failed(err, AL_INVALID, "the token cannot be read");
	else if (!PKCS7_type_is_signed(token) ||
			 (info = PKCS7_to_TS_TST_INFO(token)) == NULL)
		status = stamp_failed(err, AL_INVALID, "the token is no time stamp");
	else
		status = read_info(info, stamp, err);
	if (status == AL_OK)
		status = verify_token(token, stamp->time, trusted, err);
	TS_TST_INFO_free(info);
	PKCS7_free(token);
	ERR_clear_error();
	return status;
}

/* Loads the certificates that are trusted to end a chain, as PEM. */
AlStatus
al_crypto_load_authorities(const char *pem, size_t len,
						   AlAuthorities **authorities, AlError *err)
{
	AlAuthorities *made = calloc(1, sizeof(AlAuthorities));
	BIO		   *in;
	X509	   *certificate;
	int			n = 0;

	ERR_clear_error();
	*authorities = NULL;
	if (made == NULL)
		return al_crypto_no_memory(err);
	made->store = X509_STORE_new();
	in = len <= INT_MAX ? BIO_new_mem_buf(pem, (int) len) : NULL;
	while (made->store != NULL && in != NULL &&
		   (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
	{
		n += X509_STORE_add_cert(made->store, certificate) == 1;
		X509_free(certificate);
	}
	BIO_free(in);
	ERR_clear_error();
	if (n == 0)
	{
		al_crypto_free_authorities(made);
		return al_status_fail(err, AL_INVALID,
							  "there is no certificate in it");
	}
	*authorities = made;
	return AL_OK;
}

void
al_crypto_free_authorities(AlAuthorities *authorities)
{
	if (authorities == NULL)
		return;
	X509_STORE_free(authorities->store);
	free(authorities);
}
