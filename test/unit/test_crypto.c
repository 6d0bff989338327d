/*
 * test/unit/test_crypto.c
 *
 * Digests, base64, reading of key files, signatures.
 *
 * Keys are made by the openssl command line at test time, in a directory of
 * their own, and what we sign is checked by it too, so that a mistake of ours
 * cannot agree with itself.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "crypto.h"
#include "memscan.h"
#include "tap.h"

#define FILE_MAX 65536

static char dir[] = "/tmp/al_crypto_XXXXXX";
static char text[FILE_MAX];		/* the file read last */
static size_t text_len;

static bool __attribute__((format(printf, 1, 2)))
run(const char *format, ...)
{
	char		command[4096];
	va_list		args;
	int			n;

	n = snprintf(command, sizeof(command), "cd %s && ", dir);
	va_start(args, format);
	vsnprintf(command + n, sizeof(command) - (size_t) n, format, args);
	va_end(args);
	return system(command) == 0;
}

/* Reads with a system call, as stdio would keep a copy of a key. */
static bool
slurp(const char *name)
{
	char		path[256];
	int			fd;
	ssize_t		n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text));
	close(fd);
	text_len = n > 0 ? (size_t) n : 0;
	return n >= 0;
}

static void
spit(const char *name, const void *bytes, size_t len)
{
	char		path[256];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes, 1, len, file) != len)
		abort();
	fclose(file);
}

static void
hex(const uint8_t *bytes, size_t len, char *out)
{
	size_t		i;

	for (i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

static void
unhex(const char *digits, uint8_t *out)
{
	unsigned	byte;

	for (; *digits != '\0'; digits += 2)
	{
		sscanf(digits, "%2x", &byte);
		*out++ = (uint8_t) byte;
	}
}

static void
test_sha256(void)
{
	static const struct
	{
		const char *data;
		const char *digest;
	}			vectors[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb924"
		"27ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223"
		"b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039"
		"a33ce45964ff2167f6ecedd419db06c1"},
	};
	AlSha256   *sha;
	uint8_t		digest[AL_SHA256_LEN];
	char		digits[2 * AL_SHA256_LEN + 1];
	char		a[1000];
	char		text[2500];
	int			equal = 0;
	size_t		i;

	tap_ok(al_crypto_sha256_new(&sha, NULL) == AL_OK, "a digest context");
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const char *data = vectors[i].data;
		size_t		len = strlen(data);

		al_crypto_sha256(data, len, digest, NULL);
		hex(digest, sizeof(digest), digits);
		tap_ok(strcmp(digits, vectors[i].digest) == 0,
			   "SHA-256 of %zu bytes at once", len);
		al_crypto_sha256_one(sha, data, len, digest);
		hex(digest, sizeof(digest), digits);
		tap_ok(strcmp(digits, vectors[i].digest) == 0,
			   "SHA-256 of %zu bytes with a context", len);
		al_crypto_sha256_two(sha, data, len / 2, data + len / 2,
							 len - len / 2, digest);
		hex(digest, sizeof(digest), digits);
		tap_ok(strcmp(digits, vectors[i].digest) == 0,
			   "SHA-256 of %zu bytes in two parts", len);
	}
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char) (i * 7 + i / 256);
	for (i = 0; i <= sizeof(text); i++)
	{
		uint8_t		want[AL_SHA256_LEN];

		al_crypto_sha256(text, i, want, NULL);
		al_crypto_sha256_two(sha, text, i % 71 < i ? i % 71 : i,
							 text + (i % 71 < i ? i % 71 : i),
							 i - (i % 71 < i ? i % 71 : i), digest);
		equal += memcmp(digest, want, sizeof(want)) == 0;
	}
	tap_is_int(equal, sizeof(text) + 1,
			   "SHA-256 of 0 to 2500 bytes in two parts is that at once");
	memset(a, 'a', sizeof(a));
	al_crypto_sha256_begin(sha);
	al_crypto_sha256_update(sha, "forgotten", 9);
	al_crypto_sha256_begin(sha);
	for (i = 0; i < 1000; i++)
		al_crypto_sha256_update(sha, a, sizeof(a));
	al_crypto_sha256_end(sha, digest);
	hex(digest, sizeof(digest), digits);
	tap_ok(strcmp(digits, "cdc76e5c9914fb9281a1c7e284d73e67"
				  "f1809a48a497200e046d39ccc7112cd0") == 0,
		   "SHA-256 of a million bytes in steps");
	al_crypto_sha256_free(sha);
	al_crypto_sha256_free(NULL);
}

static void
test_base64_vectors(void)
{
	static const char *const vectors[][2] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+"}};
	AlBuf		buf = {0};
	uint8_t		bytes[16];
	size_t		len;
	size_t		i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const char *plain = vectors[i][0];
		const char *coded = vectors[i][1];

		al_buf_reset(&buf);
		al_base64_encode(plain, strlen(plain), &buf);
		tap_is_bytes(buf.data, buf.len, coded, strlen(coded),
					 "base64 encodes the RFC 4648 vector");
		tap_ok(al_base64_decode(coded, strlen(coded), bytes, sizeof(bytes),
								&len, NULL) == AL_OK &&
			   len == strlen(plain) && memcmp(bytes, plain, len) == 0,
			   "base64 decodes \"%s\"", coded);
	}
	al_buf_free(&buf);
}

static void
test_base64_strict(void)
{
	static const char *const bad[] = {
		"Zg", "Zg=", "Zg===", "Z", "Z===", "=", "====", "Zm9vYg", "Zm9v=",
		"Zm9v====", "Zh==", "Zm9=", "Zg==Zg==", "Zg= =", " Zg==", "Zg==\n",
		"Zm9v\nYg==", "Zm9v\r\n", "Zm-v", "Zm_v", "Zm9\x80", "Zm9v\t", "Z=g=",
		"Zm8=Z"};
	static const char lines[] = "Zm\r\n9v\n Yg=\n=\n";
	uint8_t		bytes[16];
	size_t		len;
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		AlError		err = {""};

		tap_ok(al_base64_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes),
								&len, &err) == AL_INVALID && len == 0,
			   "base64 refused (case %zu): %s", i, err.reason);
	}
	tap_ok(al_base64_decode("Zg==", 5, bytes, 16, &len, NULL) == AL_INVALID,
		   "base64 refuses a NUL");
	tap_ok(al_base64_decode("Zm9vYg==", 8, bytes, 3, &len, NULL) == AL_INVALID &&
		   al_base64_decode("Zm9vYmE=", 8, bytes, 4, &len, NULL) == AL_INVALID &&
		   al_base64_decode("Zm9v", 4, bytes, 2, &len, NULL) == AL_INVALID,
		   "base64 does not write past the end");
	tap_ok(al_base64_decode_lines(lines, strlen(lines), bytes, 4, &len,
								  NULL) == AL_OK && len == 4,
		   "the lenient form skips white space");
	tap_ok(al_base64_decode_lines("Zm9v\nYh==", 9, bytes, 16, &len,
								  NULL) == AL_INVALID,
		   "and nothing else");
}

static void
test_base64_lengths(void)
{
	uint8_t		bytes[600];
	uint8_t		back[600];
	AlBuf		buf = {0};
	bool		good = true;
	size_t		len;
	size_t		got;

	for (len = 0; len < sizeof(bytes); len++)
		bytes[len] = (uint8_t) (len * 167 + len / 7);
	for (len = 0; len <= sizeof(bytes); len++)
	{
		al_buf_reset(&buf);
		al_base64_encode(bytes, len, &buf);
		good = good && buf.len == AL_BASE64_ENCODED_LEN(len) &&
			al_base64_decode(buf.data, buf.len, back, len, &got,
							 NULL) == AL_OK &&
			got == len && memcmp(back, bytes, len) == 0;
	}
	tap_ok(good, "base64 round trip of 0 to %zu bytes", sizeof(bytes));
	al_buf_free(&buf);
}

static void
expect(const char *name, AlStatus want, const char *reason)
{
	AlKey	   *key;
	AlError		err = {""};
	AlStatus	status = al_crypto_load_private_key(text, text_len, &key,
													&err);

	tap_ok(status == want && strcmp(err.reason, reason) == 0 &&
		   (key != NULL) == (status == AL_OK), "%s: %s", name,
		   reason[0] ? reason : "taken");
	if (status != want || strcmp(err.reason, reason) != 0)
		printf("# got %d: %s\n", (int) status, err.reason);
	al_crypto_free_key(key);
}

static void
expect_file(const char *name, AlStatus want, const char *reason)
{
	if (!slurp(name))
		tap_ok(false, "%s exists", name);
	else
		expect(name, want, reason);
}

static void
expect_text(const char *what, const char *pem, AlStatus want,
			const char *reason)
{
	text_len = strlen(pem);
	memcpy(text, pem, text_len);
	expect(what, want, reason);
}

static void
make_keys(void)
{
	tap_ok(run("exec 2>/dev/null; openssl genrsa -traditional -out pkcs1 2048 && "
			   "openssl pkcs8 -topk8 -nocrypt -in pkcs1 -out pkcs8 && "
			   "openssl genrsa -out other 3072 && "
			   "openssl genrsa -out short 1024 && "
			   "openssl genrsa -out odd 2047 && "
			   "openssl genrsa -traditional -aes128 -passout pass:x "
			   "-out locked1 2048 && "
			   "openssl pkcs8 -topk8 -in pkcs1 -passout pass:x -out locked8 && "
			   "openssl ecparam -name prime256v1 -genkey -out ec1 && "
			   "openssl pkcs8 -topk8 -nocrypt -in ec1 -out ec8 && "
			   "openssl genpkey -algorithm ed25519 -out ed && "
			   "openssl genpkey -algorithm ed448 -out ed448 && "
			   "openssl genpkey -algorithm x25519 -out x25519 && "
			   "openssl genpkey -algorithm rsa-pss -out pss && "
			   "openssl pkey -in pss -pubout -out psspub && "
			   "openssl rsa -in pkcs1 -pubout -out pub8 && "
			   "openssl rsa -in pkcs1 -RSAPublicKey_out -out pub1 && "
			   "openssl pkey -in ed -pubout -out edpub && "
			   "openssl rsa -in short -pubout -out shortpub && "
			   "openssl genrsa -primes 3 -out multi 2048 && "
			   "openssl req -x509 -key pkcs1 -subj /CN=x -days 1 -out cert && "
			   "openssl rsa -in pkcs1 -outform DER -out der && "
			   "openssl rsa -in pkcs1 -text -out withtext && "
			   "cat cert pkcs8 > bundle && "
			   "sed 's/$/\\r/' pkcs8 > crlf && "
			   "head -c 700 pkcs8 > cut && "
			   "head -c 20 pkcs8 > cuthead && "
			   "sed '5d' pkcs1 > lineless && "
			   "sed '3s/./-/' pkcs8 > badchar && "
			   "sed 's/END RSA/END/' pkcs1 > badend && "
			   ": > empty && printf '\\n \\n' > blank"),
		   "openssl makes the keys");
}

static void
test_refusals(void)
{
	expect_file("pkcs1", AL_OK, "");
	expect_file("pkcs8", AL_OK, "");
	expect_file("other", AL_OK, "");
	expect_file("withtext", AL_OK, "");
	expect_file("bundle", AL_OK, "");
	expect_file("crlf", AL_OK, "");
	expect_file("empty", AL_INVALID, "the file is empty");
	expect_file("blank", AL_INVALID, "the file is empty");
	expect_file("der", AL_INVALID, "not a PEM file, it looks like DER");
	expect_text("words", "hello, world\n", AL_INVALID,
				"not a PEM file: no BEGIN line found");
	expect_file("cut", AL_INVALID, "the PEM block is truncated: no END line");
	expect_file("cuthead", AL_INVALID,
				"the BEGIN line of the PEM block is incomplete");
	expect_file("lineless", AL_INVALID,
				"the key is corrupt: not a valid PKCS#1 structure");
	expect_file("badchar", AL_INVALID,
				"the PEM block is corrupt: invalid base64 character");
	expect_file("badend", AL_INVALID, "the END line of the PEM block does not "
				"match its BEGIN line");
	expect_file("locked1", AL_UNSUPPORTED,
				"the private key is encrypted with a passphrase");
	expect_file("locked8", AL_UNSUPPORTED,
				"the private key is encrypted with a passphrase");
	expect_file("ec1", AL_UNSUPPORTED, "EC keys are not supported");
	expect_file("ec8", AL_UNSUPPORTED, "EC keys are not supported");
	expect_file("ed448", AL_UNSUPPORTED, "Ed448 keys are not supported");
	expect_file("x25519", AL_UNSUPPORTED, "X25519 keys are not supported");
	expect_file("ed", AL_UNSUPPORTED, "Ed25519 keys are not supported here, "
				"an RSA key is needed");
	expect_file("pss", AL_UNSUPPORTED, "RSA-PSS keys are not supported");
	expect_file("multi", AL_UNSUPPORTED,
				"the RSA key has more than two primes");
	expect_file("short", AL_UNSUPPORTED,
				"the RSA key has 1024 bits, at least 2048 are needed");
	expect_file("odd", AL_UNSUPPORTED,
				"the RSA key has 2047 bits, at least 2048 are needed");
	expect_file("pub1", AL_INVALID,
				"the file holds a public key, not a private key");
	expect_file("pub8", AL_INVALID,
				"the file holds a public key, not a private key");
	expect_file("cert", AL_INVALID,
				"the file holds a certificate, not a private key");
	expect_text("OpenSSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
				"-----END OPENSSH PRIVATE KEY-----\n", AL_UNSUPPORTED,
				"the key is in OpenSSH's own format, which is not supported");
	expect_text("empty block", "-----BEGIN PRIVATE KEY-----\n"
				"-----END PRIVATE KEY-----\n", AL_INVALID,
				"the PEM block is empty");
	expect_text("not DER", "-----BEGIN PRIVATE KEY-----\nAAAA\n"
				"-----END PRIVATE KEY-----\n", AL_INVALID,
				"the key is corrupt: not a valid PKCS#8 structure");
	expect_text("a number longer than the key", "-----BEGIN RSA PRIVATE "
				"KEY-----\nMAkCAQACg3///wE=\n-----END RSA PRIVATE KEY-----\n",
				AL_INVALID,
				"the key is corrupt: not a valid PKCS#1 structure");
	expect_text("headers", "-----BEGIN RSA PRIVATE KEY-----\nX: y\n\nAAAA\n"
				"-----END RSA PRIVATE KEY-----\n", AL_UNSUPPORTED,
				"the PEM block has headers, which are not supported");
	expect_text("parameters alone", "-----BEGIN EC PARAMETERS-----\nAAAA\n"
				"-----END EC PARAMETERS-----\n", AL_INVALID,
				"the file holds no private key");
}

/* Every file that is a beginning of a key, and none of them a key */
static void
test_every_cut(void)
{
	size_t		whole;
	size_t		len;
	bool		good = slurp("pkcs8");

	whole = text_len;
	/* Only the newline after the last dash may be missing. */
	for (len = 0; len < whole - 1; len++)
	{
		char	   *copy = malloc(len + 1);	/* so that a read past the end
											 * is seen */
		AlKey	   *key;

		memcpy(copy, text, len);
		if (al_crypto_load_private_key(copy, len, &key, NULL) != AL_INVALID ||
			key != NULL)
			good = false;
		free(copy);
	}
	tap_ok(good, "no beginning of a key file is a key");
}

/*
 * Damage in each DER byte of a key: whatever still loads must sign
 * correctly, by the word of the undamaged public key.
 */
static void
test_every_damage(void)
{
	uint8_t		der[4096];
	size_t		der_len;
	size_t		pos;
	int			taken = 0;
	int			wrong = 0;
	char	   *body;
	AlKey	   *good_key;

	slurp("pkcs1");
	al_crypto_load_private_key(text, text_len, &good_key, NULL);
	body = strchr(text, '\n') + 1;
	text[text_len] = '\0';
	al_base64_decode_lines(body, (size_t) (strstr(body, "-----") - body), der,
						   sizeof(der), &der_len, NULL);
	for (pos = 0; pos < der_len; pos += 7)
	{
		AlBuf		pem = {0};
		AlKey	   *key;
		uint8_t		signature[AL_SIGNATURE_MAX];
		size_t		len;

		der[pos] ^= 0x10;
		al_buf_append_str(&pem, "-----BEGIN RSA PRIVATE KEY-----\n");
		al_base64_encode(der, der_len, &pem);
		al_buf_append_str(&pem, "\n-----END RSA PRIVATE KEY-----\n");
		der[pos] ^= 0x10;
		if (al_crypto_load_private_key(pem.data, pem.len, &key,
									   NULL) == AL_OK)
		{
			taken++;
			if (al_crypto_sign(key, "x", 1, signature, &len, NULL) != AL_OK ||
				al_crypto_verify(al_crypto_public_half(good_key), "x", 1,
								 signature, len, NULL) != AL_OK)
				wrong++;
		}
		al_crypto_free_key(key);
		al_buf_free(&pem);
	}
	tap_ok(wrong == 0, "a damaged key is refused or still right (%d of %zu "
		   "taken)", taken, (der_len + 6) / 7);
	al_crypto_free_key(good_key);
}

/* The same for the DER inside, whole PEM around it; and bytes behind it */
static void
test_every_der_cut(const char *name, const char *label, const char *reason)
{
	uint8_t		der[4096];
	size_t		der_len;
	size_t		len;
	char	   *body;
	bool		good = slurp(name);

	body = strchr(text, '\n') + 1;
	text[text_len] = '\0';
	al_base64_decode_lines(body, (size_t) (strstr(body, "-----") - body), der,
						   sizeof(der) - 1, &der_len, NULL);
	for (len = 1; len <= der_len + 1; len++)
	{
		AlBuf		pem = {0};
		AlKey	   *key;
		AlError		err = {""};

		if (len == der_len)
			continue;
		al_buf_append_str(&pem, "-----BEGIN ");
		al_buf_append_str(&pem, label);
		al_buf_append_str(&pem, "-----\n");
		al_base64_encode(der, len, &pem);
		al_buf_append_str(&pem, "\n-----END ");
		al_buf_append_str(&pem, label);
		al_buf_append_str(&pem, "-----\n");
		if (al_crypto_load_private_key(pem.data, pem.len, &key, &err) !=
			AL_INVALID || strcmp(err.reason, reason) != 0)
			good = false;
		al_crypto_free_key(key);
		al_buf_free(&pem);
	}
	tap_ok(good, "%s, cut anywhere or with a byte more: %s", name, reason);
}

static AlKey *
load(const char *name)
{
	AlKey	   *key = NULL;

	if (slurp(name))
		al_crypto_load_private_key(text, text_len, &key, NULL);
	return key;
}

static void
test_rsa(void)
{
	AlKey	   *key = load("pkcs8");
	AlPublicKey *half = al_crypto_public_half(key);
	AlPublicKey *key1 = NULL;
	AlPublicKey *key8 = NULL;
	uint8_t		signature[AL_SIGNATURE_MAX];
	uint8_t		again[AL_SIGNATURE_MAX];
	size_t		len;
	size_t		i;
	bool		good = true;
	AlBuf		pem = {0};
	AlError		err = {""};
	const char *message = "GET|/status|200";

	tap_ok(al_crypto_key_kind(half) == AL_KEY_RSA &&
		   al_crypto_ed25519_public(half) == NULL &&
		   al_crypto_signature_len(half) == 256, "an RSA key of 2048 bits");
	tap_ok(run("test %s = $(openssl pkey -in pkcs8 -pubout -outform DER | "
			   "sha256sum | cut -c1-32)", al_crypto_key_id(half)),
		   "the key id is what openssl and sha256sum say");
	al_crypto_export_public_pem(half, &pem);
	slurp("pub8");
	tap_is_bytes(pem.data, pem.len, text, text_len,
				 "the exported public key is openssl's");
	al_buf_free(&pem);
	tap_ok(al_crypto_load_public_key(text, text_len, &key8, NULL) == AL_OK,
		   "SubjectPublicKeyInfo read");
	slurp("pub1");
	tap_ok(al_crypto_load_public_key(text, text_len, &key1, NULL) == AL_OK,
		   "PKCS#1 public key read");
	tap_ok(strcmp(al_crypto_key_id(key1), al_crypto_key_id(key8)) == 0,
		   "both have one id");

	tap_ok(al_crypto_sign(key, message, strlen(message), signature, &len,
						  NULL) == AL_OK && len == 256, "signs");
	spit("message", message, strlen(message));
	spit("signature", signature, len);
	tap_ok(run("openssl dgst -sha256 -verify pub8 -signature signature "
			   "message > out && grep -q 'Verified OK' out"),
		   "openssl verifies what we sign");
	tap_ok(run("openssl dgst -sha256 -sign pkcs1 -out theirs message") &&
		   slurp("theirs") && text_len == len &&
		   memcmp(text, signature, len) == 0,
		   "openssl signs the same bytes");
	for (i = 0; i < 3; i++)
		al_crypto_sign(key, "something else", 14, again, &len, NULL);
	al_crypto_sign(key, message, strlen(message), again, &len, NULL);
	tap_ok(memcmp(again, signature, len) == 0, "a reused key signs the same");
	tap_ok(al_crypto_verify(key8, message, strlen(message), signature, len,
							NULL) == AL_OK &&
		   al_crypto_verify(key1, message, strlen(message), signature, len,
							NULL) == AL_OK &&
		   al_crypto_verify(half, message, strlen(message), signature, len,
							NULL) == AL_OK, "verifies");
	tap_ok(al_crypto_verify(key8, message, strlen(message) - 1, signature,
							len, &err) == AL_MISMATCH,
		   "other data: %s", err.reason);
	for (i = 0; i < len; i++)
	{
		signature[i] ^= 1;
		if (al_crypto_verify(key8, message, strlen(message), signature, len,
							 NULL) != AL_MISMATCH)
			good = false;
		signature[i] ^= 1;
	}
	tap_ok(good, "a change of any byte of a signature is a mismatch");
	memset(again, 0xff, len);
	tap_ok(al_crypto_verify(key8, message, 1, again, len, NULL) ==
		   AL_MISMATCH, "so is a number above the modulus");
	tap_ok(al_crypto_verify(key8, message, strlen(message), signature,
							len - 1, &err) == AL_INVALID,
		   "wrong length: %s", err.reason);
	tap_ok(al_crypto_verify(key8, message, strlen(message), signature, 0,
							NULL) == AL_INVALID, "no signature");
	tap_ok(al_crypto_verify(key8, message, strlen(message), signature, len,
							NULL) == AL_OK, "and the key still verifies");
	tap_ok(al_crypto_sign(key, "", 0, signature, &len, NULL) == AL_OK &&
		   al_crypto_verify(key8, "", 0, signature, len, NULL) == AL_OK,
		   "the empty text can be signed");
	al_crypto_free_public_key(key1);
	al_crypto_free_public_key(key8);
	al_crypto_free_key(key);
	al_crypto_free_key(NULL);
	al_crypto_free_public_key(NULL);
}

static void
expect_public(const char *name, AlStatus want, const char *reason)
{
	AlPublicKey *key;
	AlError		err = {""};
	AlStatus	status;

	slurp(name);
	status = al_crypto_load_public_key(text, text_len, &key, &err);
	tap_ok(status == want && key == NULL && strcmp(err.reason, reason) == 0,
		   "public key %s: %s", name, reason);
	if (strcmp(err.reason, reason) != 0)
		printf("# got %d: %s\n", (int) status, err.reason);
	al_crypto_free_public_key(key);
}

static void
test_public_refusals(void)
{
	static const char exponent1[] =
		"openssl asn1parse -genconf e1.conf -noout -out e1.der && "
		"openssl rsa -RSAPublicKey_in -inform DER -in e1.der -out e1 "
		"2>/dev/null";
	AlPublicKey *key;

	expect_public("pkcs8", AL_INVALID,
				  "this is a private key, a public key is needed");
	expect_public("cert", AL_INVALID, "the text holds no public key");
	expect_public("empty", AL_INVALID, "the file is empty");
	expect_public("edpub", AL_UNSUPPORTED, "an RSA public key is needed");
	expect_public("psspub", AL_UNSUPPORTED, "RSA-PSS keys are not supported");
	expect_public("shortpub", AL_UNSUPPORTED,
				  "the RSA key has 1024 bits, at least 2048 are needed");
	tap_ok(run("{ echo asn1=SEQUENCE:k; echo '[k]'; printf n=INTEGER:0x; "
			   "openssl rsa -in pkcs1 -noout -modulus | cut -d= -f2; "
			   "echo e=INTEGER:1; } > e1.conf && %s", exponent1),
		   "openssl makes a key with exponent 1");
	expect_public("e1", AL_UNSUPPORTED,
				  "the RSA key has an unsafe public exponent");
	tap_ok(run("openssl pkey -pubin -in pub8 -outform DER -out spki && "
			   "printf x >> spki") && slurp("spki") &&
		   al_crypto_load_spki(text, text_len, &key, NULL) == AL_INVALID &&
		   key == NULL, "bytes behind a public key are refused");
	tap_ok(al_crypto_load_spki(text, text_len - 1, &key, NULL) == AL_OK,
		   "without them it is read");
	al_crypto_free_public_key(key);
	tap_ok(al_crypto_load_spki("", 0, &key, NULL) == AL_INVALID,
		   "nothing is no public key");
}

static void
test_ed25519_vectors(void)
{
	/* RFC 8032 section 7.1, tests 1 to 3: seed, public key, message,
	 * signature */
	static const char *const vectors[][4] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
		"5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
		{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	};
	size_t		i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		uint8_t		der[48];
		uint8_t		raw[AL_ED25519_PUBLIC_LEN];
		uint8_t		message[8] = {0};
		uint8_t		want[AL_ED25519_SIGNATURE_LEN];
		uint8_t		got[AL_SIGNATURE_MAX];
		size_t		message_len = strlen(vectors[i][2]) / 2;
		size_t		len;
		AlBuf		pem = {0};
		AlKey	   *key;
		AlPublicKey *public_key;
		char		back[AL_ED25519_PEM_SIZE];

		unhex("302e020100300506032b657004220420", der);
		unhex(vectors[i][0], der + 16);
		unhex(vectors[i][1], raw);
		unhex(vectors[i][2], message);
		unhex(vectors[i][3], want);
		al_buf_append_str(&pem, "-----BEGIN PRIVATE KEY-----\n");
		al_base64_encode(der, sizeof(der), &pem);
		al_buf_append_str(&pem, "\n-----END PRIVATE KEY-----\n");
		tap_ok(al_crypto_load_ed25519_key(pem.data, pem.len, &key, NULL) ==
			   AL_OK, "RFC 8032 key %zu", i + 1);
		tap_ok(al_crypto_load_ed25519_public(raw, &public_key, NULL) ==
			   AL_OK &&
			   memcmp(al_crypto_ed25519_public(al_crypto_public_half(key)),
					  raw, sizeof(raw)) == 0, "its public half");
		tap_ok(al_crypto_sign(key, message, message_len, got, &len, NULL) ==
			   AL_OK && len == sizeof(want) && memcmp(got, want, len) == 0,
			   "its signature");
		tap_ok(al_crypto_verify(public_key, message, message_len, want,
								sizeof(want), NULL) == AL_OK,
			   "the signature verifies");
		want[40] ^= 1;
		tap_ok(al_crypto_verify(public_key, message, message_len, want,
								sizeof(want), NULL) == AL_MISMATCH,
			   "a changed one is a mismatch");
		tap_ok(al_crypto_verify(public_key, message, message_len, want, 63,
								NULL) == AL_INVALID,
			   "a cut one is invalid");
		tap_ok(al_crypto_export_ed25519(key, back, NULL) == AL_OK &&
			   strlen(back) == pem.len &&
			   memcmp(back, pem.data, pem.len) == 0, "export gives it back");
		al_crypto_free_public_key(public_key);
		al_crypto_free_key(key);
		al_buf_free(&pem);
	}
}

static void
test_ed25519_openssl(void)
{
	AlKey	   *key;
	AlKey	   *rsa;
	AlError		err = {""};
	AlPublicKey *copy;
	char		pem[AL_ED25519_PEM_SIZE];
	uint8_t		signature[AL_SIGNATURE_MAX];
	size_t		len;
	size_t		spki_len;
	const uint8_t *spki;

	tap_ok(al_crypto_generate_ed25519(&key, NULL) == AL_OK &&
		   al_crypto_export_ed25519(key, pem, NULL) == AL_OK &&
		   al_crypto_sign(key, "hello", 5, signature, &len, NULL) == AL_OK,
		   "a new Ed25519 key signs");
	spit("made", pem, strlen(pem));
	spit("hello", "hello", 5);
	spit("signature", signature, len);
	tap_ok(run("openssl pkey -in made -pubout -out madepub && "
			   "openssl pkeyutl -verify -rawin -pubin -inkey madepub "
			   "-in hello -sigfile signature > out"),
		   "openssl verifies its signature");
	tap_ok(run("openssl pkey -in made -out again && cmp -s made again"),
		   "the exported key is as openssl writes it");
	spki = al_crypto_spki(al_crypto_public_half(key), &spki_len);
	tap_ok(al_crypto_load_spki(spki, spki_len, &copy, NULL) == AL_OK &&
		   al_crypto_verify(copy, "hello", 5, signature, len, NULL) == AL_OK,
		   "the public key survives as SubjectPublicKeyInfo");
	al_crypto_free_public_key(copy);
	al_crypto_free_key(key);
	slurp("pkcs8");
	tap_ok(al_crypto_load_ed25519_key(text, text_len, &key, &err) ==
		   AL_UNSUPPORTED && key == NULL, "%s", err.reason);
	rsa = load("pkcs8");
	tap_ok(al_crypto_export_ed25519(rsa, pem, &err) == AL_UNSUPPORTED, "%s",
		   err.reason);
	al_crypto_free_key(rsa);
}

static void
wipe_text(void)
{
	al_crypto_cleanse(text, sizeof(text));
}

/* Counts the copies of each needle; stops at the first that has any. */
static int
copies(const MemNeedle *needles, int n)
{
	MemHits		hits = {0, 0};
	int			i;

	for (i = 0; i < n; i++)
		if (!memscan_run(&needles[i], &hits) ||
			hits.dumped + hits.kept_out > 0)
			break;
	return hits.dumped + hits.kept_out;
}

static void
test_no_copies(const char *name, bool is_rsa)
{
	MemNeedle	needles[AL_RSA_PARTS];
	uint8_t		der[4096];
	uint8_t		signature[AL_SIGNATURE_MAX];
	AlKeyFile	file;
	AlKey	   *key;
	size_t		len;
	int			n = 0;
	int			i;

	slurp(name);
	if (al_keyfile_read_private(text, text_len, der, sizeof(der), &file,
								NULL) != AL_OK)
		abort();
	if (is_rsa)
		for (i = AL_RSA_PRIVATE_EXPONENT; i < AL_RSA_PARTS; i++)
			memscan_prepare(&needles[n++], file.rsa[i].bytes);
	else
		memscan_prepare(&needles[n++], file.seed.bytes);
	al_crypto_cleanse(der, sizeof(der));
	wipe_text();
	tap_ok(copies(needles, n) == 0, "no private bytes of %s yet", name);
	slurp(name);
	(is_rsa ? al_crypto_load_private_key : al_crypto_load_ed25519_key)
		(text, text_len, &key, NULL);
	wipe_text();
	for (i = 0; i < 3; i++)
		al_crypto_sign(key, "x", 1, signature, &len, NULL);
	tap_ok(copies(needles, 1) > 0, "they are found while the key lives");
	al_crypto_free_key(key);
	tap_ok(copies(needles, n) == 0, "none is left when it is freed");
}

int
main(int argc, char **argv)
{
	(void) argc;
	/* Lazy binding saves vector registers, whatever is in them, on the stack */
	if (getenv("LD_BIND_NOW") == NULL)
	{
		setenv("LD_BIND_NOW", "1", 1);
		execv("/proc/self/exe", argv);
	}
	if (mkdtemp(dir) == NULL)
		return 1;
	test_sha256();
	test_base64_vectors();
	test_base64_strict();
	test_base64_lengths();
	make_keys();
	test_no_copies("pkcs8", true);
	test_no_copies("ed", false);
	test_refusals();
	test_every_cut();
	test_every_der_cut("pkcs1", "RSA PRIVATE KEY",
					   "the key is corrupt: not a valid PKCS#1 structure");
	test_every_der_cut("pkcs8", "PRIVATE KEY",
					   "the key is corrupt: not a valid PKCS#8 structure");
	test_every_damage();
	test_rsa();
	test_public_refusals();
	test_ed25519_vectors();
	test_ed25519_openssl();
	if (run("rm -f -- *"))
		rmdir(dir);
	return tap_done();
}
