/*
 * src/core/keyfile.c
 *
 * From PEM text to the numbers of a key; see keyfile.h.
 *
 * Formats: PEM is RFC 7468, with the headers of RFC 1421 recognised because
 * old encrypted keys carry them.  A private key is an RSAPrivateKey
 * (PKCS#1, RFC 8017 appendix A.1.2) or a PrivateKeyInfo (PKCS#8, RFC 5958;
 * Ed25519 in it, RFC 8410).
 *
 * Rules:
 * - The caller owns the memory that the text is decoded to and wipes it;
 *   results point into it.  It may hold private bytes even after a failure.
 * - Lengths come from the file and are never trusted: each is checked
 *   against what is left of the enclosing structure.
 * - Text outside of blocks is ignored, as OpenSSL does, and so are blocks
 *   that are no keys, so that a file may hold a certificate beside its key.
 */
#include <stdbool.h>
#include <string.h>

#include "base64.h"
#include "keyfile.h"

#define AL_PEM_BEGIN "-----BEGIN "
#define AL_PEM_END "-----END "
#define AL_PEM_DASHES "-----"

#define AL_DER_INTEGER 0x02
#define AL_DER_OCTET_STRING 0x04
#define AL_DER_OID 0x06
#define AL_DER_SEQUENCE 0x30

#define AL_ED25519_SEED_LEN 32

typedef struct PemBlock
{
	AlKeyBytes	label;			/* bytes is NULL when there is no block left */
	AlKeyBytes	body;			/* between the two lines, headers included */
} PemBlock;

typedef struct Algorithm
{
	const char *oid;			/* contents of the DER object identifier */
	size_t		len;
	AlKeyKind	kind;			/* 0 = one that we refuse */
	const char *name;
} Algorithm;

static const Algorithm algorithms[] = {
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9, AL_KEY_RSA, "RSA"},
	{"\x2b\x65\x70", 3, AL_KEY_ED25519, "Ed25519"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9, 0, "RSA-PSS"},
	{"\x2a\x86\x48\xce\x3d\x02\x01", 7, 0, "EC"},
	{"\x2b\x65\x71", 3, 0, "Ed448"},
	{"\x2b\x65\x6e", 3, 0, "X25519"},
	{"\x2b\x65\x6f", 3, 0, "X448"},
	{"\x2a\x86\x48\xce\x38\x04\x01", 7, 0, "DSA"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01", 9, 0, "DH"},
};

static bool
label_is(const PemBlock *block, const char *label)
{
	return block->label.len == strlen(label) &&
		memcmp(block->label.bytes, label, block->label.len) == 0;
}

static bool
starts_with(const char *text, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* Length of the line at text without its line end; *next is the line after. */
static size_t
line_length(const char *text, size_t len, size_t *next)
{
	const char *newline = memchr(text, '\n', len);
	size_t		n = newline != NULL ? (size_t) (newline - text) : len;

	*next = newline != NULL ? n + 1 : len;
	while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == ' ' ||
					 text[n - 1] == '\t'))
		n--;
	return n;
}

/* If the line is prefix, label and dashes, finds the label. */
static bool
boundary_label(const char *line, size_t len, const char *prefix,
			   AlKeyBytes *label)
{
	size_t		skip = strlen(prefix);
	size_t		dashes = strlen(AL_PEM_DASHES);

	if (!starts_with(line, len, prefix) || len < skip + dashes ||
		memcmp(line + len - dashes, AL_PEM_DASHES, dashes) != 0)
		return false;
	label->bytes = (const uint8_t *) line + skip;
	label->len = len - skip - dashes;
	return true;
}

/*
 * Finds the next block at or after *pos.  A block that begins must end: a
 * file cut off in the middle is the commonest damage, and reading on would
 * report it as something else.
 */
static AlStatus
next_block(const char *pem, size_t len, size_t *pos, PemBlock *block,
		   AlError *err)
{
	memset(block, 0, sizeof(*block));
	while (*pos < len)
	{
		const char *line = pem + *pos;
		size_t		next;
		size_t		n = line_length(line, len - *pos, &next);
		AlKeyBytes	label;

		*pos += next;
		if (block->label.bytes == NULL)
		{
			if (!starts_with(line, n, AL_PEM_BEGIN))
				continue;
			if (!boundary_label(line, n, AL_PEM_BEGIN, &block->label))
				return al_status_fail(err, AL_INVALID,
									  "the BEGIN line of the PEM block is "
									  "incomplete");
			block->body.bytes = (const uint8_t *) pem + *pos;
		}
		else if (starts_with(line, n, AL_PEM_END))
		{
			if (!boundary_label(line, n, AL_PEM_END, &label) ||
				label.len != block->label.len ||
				memcmp(label.bytes, block->label.bytes, label.len) != 0)
				return al_status_fail(err, AL_INVALID,
									  "the END line of the PEM block does not "
									  "match its BEGIN line");
			block->body.len = (size_t) (line -
										(const char *) block->body.bytes);
			return AL_OK;
		}
	}
	if (block->label.bytes != NULL)
		return al_status_fail(err, AL_INVALID,
							  "the PEM block is truncated: no END line");
	return AL_OK;
}

static bool
has_headers(const PemBlock *block)
{
	return block->body.len > 0 &&
		memchr(block->body.bytes, ':', block->body.len) != NULL;
}

static bool
is_encrypted(const PemBlock *block)
{
	return label_is(block, "ENCRYPTED PRIVATE KEY") ||
		(block->body.len > 10 &&
		 memcmp(block->body.bytes, "Proc-Type:", 10) == 0);
}

static AlStatus
decode_block(const PemBlock *block, uint8_t *der, size_t cap, size_t *der_len,
			 AlError *err)
{
	AlError		why;

	if (has_headers(block))
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the PEM block has headers, which are not "
							  "supported");
	if (al_base64_decode_lines((const char *) block->body.bytes,
							   block->body.len, der, cap, der_len,
							   &why) != AL_OK)
		return al_status_fail(err, AL_INVALID, "the PEM block is corrupt: %s",
							  why.reason);
	if (*der_len == 0)
		return al_status_fail(err, AL_INVALID, "the PEM block is empty");
	return AL_OK;
}

static AlStatus
no_block(const char *pem, size_t len, AlError *err)
{
	size_t		i;

	for (i = 0; i < len; i++)
		if (strchr(" \t\r\n", pem[i]) == NULL || pem[i] == '\0')
			break;
	if (i == len)
		return al_status_fail(err, AL_INVALID, "the file is empty");
	if ((uint8_t) pem[0] == AL_DER_SEQUENCE && len > 1 &&
		(uint8_t) pem[1] >= 0x80)
		return al_status_fail(err, AL_INVALID,
							  "not a PEM file, it looks like DER");
	return al_status_fail(err, AL_INVALID,
						  "not a PEM file: no BEGIN line found");
}

/*
 * Takes one DER element of the given tag off the front of in.  Only the
 * shortest form of a length is DER; anything else is refused.
 */
static bool
take(AlKeyBytes *in, uint8_t tag, AlKeyBytes *contents)
{
	size_t		head = 2;
	size_t		len;

	if (in->len < head || in->bytes[0] != tag)
		return false;
	len = in->bytes[1];
	if (len >= 0x80)
	{
		size_t		octets = len & 0x7f;
		size_t		i;

		if (octets == 0 || octets > 3 || in->len - head < octets)
			return false;
		for (i = 0, len = 0; i < octets; i++)
			len = len << 8 | in->bytes[head + i];
		if (len < 0x80 || (octets > 1 && in->bytes[head] == 0))
			return false;
		head += octets;
	}
	if (in->len - head < len)
		return false;
	contents->bytes = in->bytes + head;
	contents->len = len;
	in->bytes += head + len;
	in->len -= head + len;
	return true;
}

/* An INTEGER that is not negative, without the octet that holds its sign */
static bool
take_number(AlKeyBytes *in, AlKeyBytes *number)
{
	if (!take(in, AL_DER_INTEGER, number) || number->len == 0 ||
		number->bytes[0] >= 0x80)
		return false;
	if (number->bytes[0] == 0)
	{
		if (number->len > 1 && number->bytes[1] < 0x80)
			return false;
		number->bytes++;
		number->len--;
	}
	return true;
}

static bool
take_small_number(AlKeyBytes *in, unsigned *value)
{
	AlKeyBytes	number;

	if (!take_number(in, &number) || number.len > 1)
		return false;
	*value = number.len > 0 ? number.bytes[0] : 0;
	return true;
}

static AlStatus
corrupt(AlError *err, const char *what)
{
	return al_status_fail(err, AL_INVALID, "the key is corrupt: not a valid "
						  "%s structure", what);
}

static AlStatus
read_pkcs1(AlKeyBytes der, AlKeyFile *file, AlError *err)
{
	AlKeyBytes	fields;
	unsigned	version;
	int			i;

	if (!take(&der, AL_DER_SEQUENCE, &fields) || der.len != 0 ||
		!take_small_number(&fields, &version))
		return corrupt(err, "PKCS#1");
	if (version == 1)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the RSA key has more than two primes");
	if (version != 0)
		return corrupt(err, "PKCS#1");
	file->kind = AL_KEY_RSA;
	for (i = 0; i < AL_RSA_PARTS; i++)
		if (!take_number(&fields, &file->rsa[i]) || file->rsa[i].len == 0)
			return corrupt(err, "PKCS#1");
	if (fields.len != 0)
		return corrupt(err, "PKCS#1");
	return AL_OK;
}

static const Algorithm *
find_algorithm(const AlKeyBytes *oid)
{
	size_t		i;

	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (oid->len == algorithms[i].len &&
			memcmp(oid->bytes, algorithms[i].oid, oid->len) == 0)
			return &algorithms[i];
	return NULL;
}

/*
 * What follows the key octets (attributes, a public key) is not looked at:
 * nothing here depends on it.
 */
static AlStatus
read_pkcs8(AlKeyBytes der, AlKeyFile *file, AlError *err)
{
	AlKeyBytes	fields;
	AlKeyBytes	identifier;
	AlKeyBytes	oid;
	AlKeyBytes	key;
	unsigned	version;
	const Algorithm *algorithm;

	if (!take(&der, AL_DER_SEQUENCE, &fields) || der.len != 0 ||
		!take_small_number(&fields, &version) || version > 1 ||
		!take(&fields, AL_DER_SEQUENCE, &identifier) ||
		!take(&identifier, AL_DER_OID, &oid) ||
		!take(&fields, AL_DER_OCTET_STRING, &key))
		return corrupt(err, "PKCS#8");
	algorithm = find_algorithm(&oid);
	if (algorithm == NULL)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the key is of an unknown type");
	if (algorithm->kind == AL_KEY_RSA)
		return read_pkcs1(key, file, err);
	if (algorithm->kind != AL_KEY_ED25519)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "%s keys are not supported", algorithm->name);
	file->kind = AL_KEY_ED25519;
	if (!take(&key, AL_DER_OCTET_STRING, &file->seed) || key.len != 0 ||
		file->seed.len != AL_ED25519_SEED_LEN)
		return corrupt(err, "PKCS#8");
	return AL_OK;
}

/* A block that names a private key, readable or not */
static bool
is_private(const PemBlock *block)
{
	static const char suffix[] = "PRIVATE KEY";
	size_t		n = sizeof(suffix) - 1;

	return block->label.len >= n &&
		memcmp(block->label.bytes + block->label.len - n, suffix, n) == 0;
}

static AlStatus
refuse_label(const PemBlock *block, AlError *err)
{
	if (label_is(block, "EC PRIVATE KEY"))
		return al_status_fail(err, AL_UNSUPPORTED,
							  "EC keys are not supported");
	if (label_is(block, "DSA PRIVATE KEY"))
		return al_status_fail(err, AL_UNSUPPORTED,
							  "DSA keys are not supported");
	if (label_is(block, "OPENSSH PRIVATE KEY"))
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the key is in OpenSSH's own format, which is "
							  "not supported");
	return al_status_fail(err, AL_UNSUPPORTED,
						  "the private key is of an unknown type");
}

static AlStatus
refuse_public(const PemBlock *block, AlError *err)
{
	if (label_is(block, "PUBLIC KEY") || label_is(block, "RSA PUBLIC KEY"))
		return al_status_fail(err, AL_INVALID,
							  "the file holds a public key, not a private "
							  "key");
	if (label_is(block, "CERTIFICATE") ||
		label_is(block, "X509 CERTIFICATE") ||
		label_is(block, "TRUSTED CERTIFICATE"))
		return al_status_fail(err, AL_INVALID,
							  "the file holds a certificate, not a private "
							  "key");
	return al_status_fail(err, AL_INVALID, "the file holds no private key");
}

/*
 * Reads the first private key of the text.  Of what follows it only the
 * frame of PEM blocks matters, and not even that.  cap should be
 * AL_BASE64_DECODED_MAX(len).
 */
AlStatus
al_keyfile_read_private(const char *pem, size_t len, uint8_t *der, size_t cap,
						AlKeyFile *file, AlError *err)
{
	PemBlock	block;
	PemBlock	other = {{NULL, 0}, {NULL, 0}};
	AlKeyBytes	decoded;
	AlStatus	status;
	size_t		pos = 0;

	memset(file, 0, sizeof(*file));
	for (;;)
	{
		status = next_block(pem, len, &pos, &block, err);
		if (status != AL_OK)
			return status;
		if (block.label.bytes == NULL)
			return other.label.bytes != NULL ? refuse_public(&other, err)
				: no_block(pem, len, err);
		if (is_private(&block))
			break;
		if (other.label.bytes == NULL)
			other = block;
	}
	if (is_encrypted(&block))
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the private key is encrypted with a "
							  "passphrase");
	if (!label_is(&block, "PRIVATE KEY") &&
		!label_is(&block, "RSA PRIVATE KEY"))
		return refuse_label(&block, err);
	decoded.bytes = der;
	status = decode_block(&block, der, cap, &decoded.len, err);
	if (status != AL_OK)
		return status;
	if (label_is(&block, "PRIVATE KEY"))
		return read_pkcs8(decoded, file, err);
	return read_pkcs1(decoded, file, err);
}

/* Reads the first public key of the text; a private key is not taken. */
AlStatus
al_keyfile_read_public(const char *pem, size_t len, uint8_t *der, size_t cap,
					   AlPublicKeyFile *file, AlError *err)
{
	PemBlock	block;
	PemBlock	other = {{NULL, 0}, {NULL, 0}};
	AlStatus	status;
	size_t		pos = 0;

	memset(file, 0, sizeof(*file));
	for (;;)
	{
		status = next_block(pem, len, &pos, &block, err);
		if (status != AL_OK)
			return status;
		if (block.label.bytes == NULL)
			break;
		if (label_is(&block, "PUBLIC KEY") ||
			label_is(&block, "RSA PUBLIC KEY"))
		{
			file->is_pkcs1 = label_is(&block, "RSA PUBLIC KEY");
			file->der.bytes = der;
			return decode_block(&block, der, cap, &file->der.len, err);
		}
		if (other.label.bytes == NULL)
			other = block;
	}
	if (other.label.bytes == NULL)
		return no_block(pem, len, err);
	if (is_private(&other))
		return al_status_fail(err, AL_INVALID,
							  "this is a private key, a public key is "
							  "needed");
	return al_status_fail(err, AL_INVALID, "the text holds no public key");
}
