/*
 * test/unit/test_note.c
 *
 * Signed notes: published examples, the rules about known and unknown keys,
 * and every kind of malformed note.
 */
#include <stdlib.h>

#include "base64.h"
#include "note.h"
#include "tap.h"

#define DASH "\xe2\x80\x94 "

/* The example of the signed-note specification; its key is not published. */
static const char spec_note[] =
	"Ognuno sta solo sul cuor della terra\n"
	"trafitto da un raggio di sole:\n"
	"\n"
	"ed \xc3\xa8 subito sera.\n"
	"\n"
	DASH "quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/"
	"5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

/* The example of Go's sumdb/note, whose key is */
static const char go_verifier[] =
	"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char go_note[] =
	"If you think cryptography is the answer to your problem,\n"
	"then you don't know what your problem is.\n"
	"\n"
	DASH "PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN"
	"1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

static const char text[] = "hello\n\nworld\n";

typedef struct Signer
{
	AlKey	   *key;
	AlNoteKey	note_key;
} Signer;

static Signer ed;				/* log.example, Ed25519 */
static Signer rsa;				/* log.example, RSA */
static Signer other;			/* other.example, Ed25519 */

static void
make_signer(Signer *signer, AlKey *key, const char *name)
{
	signer->key = key;
	if (key == NULL ||
		al_note_use_key(name, al_crypto_public_half(key), &signer->note_key,
						NULL) != AL_OK)
		abort();
}

static AlKey *
make_ed25519(void)
{
	AlKey	   *key = NULL;

	al_crypto_generate_ed25519(&key, NULL);
	return key;
}

static AlKey *
make_rsa(void)
{
	FILE	   *pipe = popen("openssl genrsa 2048 2>/dev/null", "r");
	char		pem[8192];
	size_t		len = fread(pem, 1, sizeof(pem), pipe);
	AlKey	   *key = NULL;

	pclose(pipe);
	al_crypto_load_private_key(pem, len, &key, NULL);
	al_crypto_cleanse(pem, sizeof(pem));
	return key;
}

static void
append_line(AlBuf *note, Signer *signer)
{
	al_note_sign(signer->note_key.name, signer->key, text, strlen(text), note,
				 NULL);
}

static void
start_note(AlBuf *note)
{
	al_buf_reset(note);
	al_buf_append_str(note, text);
	al_buf_append_char(note, '\n');
}

static void
test_published(void)
{
	AlNote		parts;
	AlNoteKey	key;
	AlNoteSignature signature;
	AlBuf		buf = {0};
	AlError		err = {""};
	bool		good = true;
	bool		signed_by;
	char		copy[sizeof(go_note)];
	size_t		i;

	tap_ok(al_note_split(spec_note, sizeof(spec_note) - 1, &parts, NULL) ==
		   AL_OK &&
		   strncmp(parts.text + parts.text_len - 6, "sera.\n", 6) == 0,
		   "the note of the specification is taken apart");
	tap_ok(al_note_parse_line(parts.lines, parts.lines_len, &signature,
							  NULL) == AL_OK &&
		   signature.name_len == 27 && signature.len == 64 &&
		   memcmp(signature.id, "\x36\x7b\xa0\x4b", 4) == 0,
		   "and its signature line");
	tap_ok(al_note_parse_verifier(go_verifier, strlen(go_verifier), &key,
								  NULL) == AL_OK,
		   "a published verifier key");
	al_note_format_verifier(&key, &buf);
	tap_is_bytes(buf.data, buf.len, go_verifier, strlen(go_verifier),
				 "is written as it was read");
	tap_ok(al_note_verify(go_note, strlen(go_note), &key, 1, &parts,
						  &signed_by, NULL) == AL_OK && signed_by &&
		   parts.text_len == 99, "a published note verifies");
	tap_ok(al_note_verify(spec_note, strlen(spec_note), &key, 1, &parts,
						  &signed_by, &err) == AL_MISMATCH && !signed_by,
		   "another does not: %s", err.reason);
	for (i = 0; i < strlen(go_note); i++)
	{
		memcpy(copy, go_note, sizeof(copy));
		copy[i] ^= 1;
		if (al_note_verify(copy, strlen(go_note), &key, 1, &parts, NULL,
						   NULL) == AL_OK)
			good = false;
		if (al_note_verify(go_note, i, &key, 1, &parts, NULL, NULL) == AL_OK)
			good = false;
	}
	tap_ok(good, "nor with any byte changed, nor any beginning of it");
	al_note_free_key(&key);
	al_note_free_key(&key);
	al_note_free_key(NULL);
	tap_ok(al_note_parse_verifier("example.com/foo+530d903a+AekyeRrm56hApGFky"
								  "QR4ZCbV54Id2LKaANYcrnKv3U2k", 69, &key,
								  NULL) == AL_OK,
		   "the verifier key of the specification");
	al_note_free_key(&key);
	al_buf_free(&buf);
}

/* The id of an RSA key, written down in shell */
static void
test_rsa_id(void)
{
	AlBuf		pem = {0};
	AlBuf		verifier = {0};
	AlNoteKey	again;
	char		command[4096];
	char		id[16] = "";
	char		got[9];
	FILE	   *pipe;

	al_crypto_export_public_pem(rsa.note_key.key, &pem);
	snprintf(command, sizeof(command),
			 "{ printf 'log.example\\n\\377PKIX-RSA-PKCS#1v1.5'; "
			 "echo '%.*s' | openssl pkey -pubin -outform DER; } | "
			 "sha256sum | cut -c1-8", (int) pem.len, pem.data);
	pipe = popen(command, "r");
	if (fgets(id, 9, pipe) == NULL)
		id[0] = '\0';
	pclose(pipe);
	snprintf(got, sizeof(got), "%02x%02x%02x%02x", rsa.note_key.id[0],
			 rsa.note_key.id[1], rsa.note_key.id[2], rsa.note_key.id[3]);
	tap_ok(strcmp(got, id) == 0, "the id of an RSA key as openssl has it");
	tap_ok(al_note_format_verifier(&rsa.note_key, &verifier) == AL_OK &&
		   al_note_parse_verifier(verifier.data, verifier.len, &again,
								  NULL) == AL_OK &&
		   memcmp(again.id, rsa.note_key.id, 4) == 0 &&
		   strcmp(al_crypto_key_id(again.key),
				  al_crypto_key_id(rsa.note_key.key)) == 0,
		   "an RSA verifier key is read as it was written");
	al_note_free_key(&again);
	al_buf_free(&pem);
	al_buf_free(&verifier);
}

static void
test_round_trip(void)
{
	AlNoteKey	keys[] = {ed.note_key, rsa.note_key, other.note_key};
	AlBuf		note = {0};
	AlNote		parts;
	bool		signed_by[3];
	AlError		err = {""};

	start_note(&note);
	append_line(&note, &ed);
	append_line(&note, &rsa);
	tap_ok(al_note_verify(note.data, note.len, keys, 3, &parts, signed_by,
						  NULL) == AL_OK &&
		   signed_by[0] && signed_by[1] && !signed_by[2] &&
		   parts.text_len == strlen(text) &&
		   memcmp(parts.text, text, parts.text_len) == 0,
		   "a note with an Ed25519 and an RSA line verifies");
	tap_ok(al_note_verify(note.data, note.len, keys, 1, &parts, signed_by,
						  NULL) == AL_OK && signed_by[0],
		   "also for someone who knows only one of them");
	tap_ok(al_note_verify(note.data, note.len, keys + 2, 1, &parts,
						  signed_by, &err) == AL_MISMATCH,
		   "unknown keys alone are not enough: %s", err.reason);
	tap_ok(al_note_verify(note.data, note.len, NULL, 0, &parts, NULL,
						  NULL) == AL_MISMATCH, "nor is knowing no key");
	append_line(&note, &ed);
	tap_ok(al_note_verify(note.data, note.len, keys, 3, &parts, signed_by,
						  NULL) == AL_OK, "a line may be there twice");
	keys[2] = keys[0];
	tap_ok(al_note_verify(note.data, note.len, keys, 3, &parts, signed_by,
						  &err) == AL_INVALID, "%s", err.reason);
	al_buf_free(&note);
}

/* Appends a line with the signature of one text under the key of another. */
static void
append_false_line(AlBuf *note, Signer *signer)
{
	al_note_sign(signer->note_key.name, signer->key, "other text\n", 11, note,
				 NULL);
}

static void
test_false_lines(void)
{
	AlNoteKey	keys[] = {ed.note_key, rsa.note_key};
	AlNoteKey	renamed;
	AlBuf		note = {0};
	AlNote		parts;
	AlError		err = {""};
	bool		signed_by[2];
	char	   *space;

	start_note(&note);
	append_line(&note, &ed);
	append_false_line(&note, &rsa);
	tap_ok(al_note_verify(note.data, note.len, keys, 2, &parts, NULL,
						  &err) == AL_MISMATCH,
		   "one false line of a known key spoils the note: %s", err.reason);
	start_note(&note);
	append_line(&note, &ed);
	append_false_line(&note, &ed);
	tap_ok(al_note_verify(note.data, note.len, keys, 2, &parts, NULL,
						  NULL) == AL_MISMATCH,
		   "also when the same key signed truly before");
	start_note(&note);
	append_false_line(&note, &other);
	append_line(&note, &ed);
	tap_ok(al_note_verify(note.data, note.len, keys, 2, &parts, signed_by,
						  NULL) == AL_OK && signed_by[0] && !signed_by[1],
		   "a false line of an unknown key is ignored");
	/* The same key under another name is another key. */
	al_note_use_key("log.exampl3", ed.note_key.key, &renamed, NULL);
	tap_ok(al_note_verify(note.data, note.len, &renamed, 1, &parts, NULL,
						  NULL) == AL_MISMATCH, "a name is part of a key");
	/* Same name, other id: unknown, although the signature would fit. */
	start_note(&note);
	append_line(&note, &ed);
	space = memchr(note.data + strlen(text) + 5, ' ', 40);
	space[1] = space[1] == 'A' ? 'B' : 'A';
	tap_ok(al_note_verify(note.data, note.len, keys, 2, &parts, NULL,
						  &err) == AL_MISMATCH &&
		   strcmp(err.reason, "the note is not signed by a known key") == 0,
		   "an id is part of a key");
	al_buf_free(&note);
}

static void
test_one_line(void)
{
	AlNoteKey	keys[] = {ed.note_key, rsa.note_key};
	AlBuf		line = {0};
	int			which;

	append_line(&line, &rsa);
	tap_ok(al_note_verify_line(text, strlen(text), line.data, line.len, keys,
							   2, &which, NULL) == AL_OK && which == 1,
		   "a line by itself");
	tap_ok(al_note_verify_line(text, strlen(text), line.data, line.len - 1,
							   keys, 2, &which, NULL) == AL_OK && which == 1,
		   "without its newline");
	tap_ok(al_note_verify_line(text, strlen(text) - 1, line.data, line.len,
							   keys, 2, &which, NULL) == AL_MISMATCH,
		   "for another text");
	tap_ok(al_note_verify_line(text, strlen(text), line.data, line.len, keys,
							   1, &which, NULL) == AL_OK && which == -1,
		   "of an unknown key");
	tap_ok(al_note_verify_line(text, strlen(text), "x", 1, keys, 1, &which,
							   NULL) == AL_INVALID && which == -1,
		   "that is none");
	al_buf_free(&line);
}

static void
test_malformed(void)
{
	static const char *const bad[] = {
		"", "\n", "hello\n", "hello\n\n", "hello",
		"hello\n\n\n",
		"hello\n" DASH "n AAAAAAAA\n",
		"hello\n\n" DASH "n AAAAAAAA",
		"hello\n\n- n AAAAAAAA\n",
		"hello\n\n" DASH "n  AAAAAAAA\n",
		"hello\n\n" DASH " AAAAAAAA\n",
		"hello\n\n" DASH "AAAAAAAA\n",
		"hello\n\n" DASH "n AAAAAA==\n",
		"hello\n\n" DASH "n AAAA\n",
		"hello\n\n" DASH "n \n",
		"hello\n\n" DASH "n AAAAAAA\n",
		"hello\n\n" DASH "n AAAAAAAA \n",
		"hello\n\n" DASH "n AAAAAAAA\r\n",
		"hello\n\n" DASH "n+m AAAAAAAA\n",
		"hello\n\n" DASH "n\xc2\xa0m AAAAAAAA\n",
		"hello\n\n" DASH "n\xe3\x80\x80m AAAAAAAA\n",
		"hello\n\n" DASH "n AAAAAAAA\nmore\n",
		"hel\tlo\n\n" DASH "n AAAAAAAA\n",
		"hel\x01lo\n\n" DASH "n AAAAAAAA\n",
		"hel\xfflo\n\n" DASH "n AAAAAAAA\n",
		"hel\xc0\x80lo\n\n" DASH "n AAAAAAAA\n",
		"hel\xe0\x80\x80lo\n\n" DASH "n AAAAAAAA\n",
		"hel\xed\xa0\x80lo\n\n" DASH "n AAAAAAAA\n",
		"hel\xf4\x90\x80\x80lo\n\n" DASH "n AAAAAAAA\n",
		"hel\xe2\x80lo\n\n" DASH "n AAAAAAAA\n",
		"hello\n\n" DASH "n\xe2\x80 AAAAAAAA\n",
	};
	static const char *const fine[] = {
		"hello\n\n" DASH "n AAAAAAA=\n",
		"\n\n" DASH "n AAAAAAAA\n",
		"hello\n\n\n" DASH "n AAAAAAAA\n",
		"hel\xc3\xa8\xe2\x82\xac\xf0\x9f\x98\x80\n\n" DASH "n AAAAAAAA\n",
		"hello\n\n" DASH "n|m AAAAAAAA\n" DASH "\xc3\xa8 AAAAAAAA\n",
	};
	AlBuf		many = {0};
	AlNote		parts;
	AlError		err;
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		err.reason[0] = '\0';
		tap_ok(al_note_split(bad[i], strlen(bad[i]), &parts, &err) ==
			   AL_INVALID, "malformed note %zu: %s", i, err.reason);
	}
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		tap_ok(al_note_split(fine[i], strlen(fine[i]), &parts, &err) == AL_OK,
			   "well-formed note %zu", i);
	al_buf_append_str(&many, "hello\n\n");
	for (i = 0; i < AL_NOTE_MAX_LINES; i++)
		al_buf_append_str(&many, DASH "n AAAAAAAA\n");
	tap_ok(al_note_split(many.data, many.len, &parts, NULL) == AL_OK,
		   "%d signatures", AL_NOTE_MAX_LINES);
	al_buf_append_str(&many, DASH "n AAAAAAAA\n");
	tap_ok(al_note_split(many.data, many.len, &parts, &err) ==
		   AL_UNSUPPORTED, "%s", err.reason);
	al_buf_free(&many);
}

static void
test_verifier_refusals(void)
{
	static const char *const bad[] = {
		"", "+", "PeterNeumann", "PeterNeumann+c74f20a3",
		"PeterNeumann+c74f20a3+",
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
		"PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"Peter N+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
	};
	AlNoteKey	key;
	AlError		err;
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		AlStatus	status = al_note_parse_verifier(bad[i], strlen(bad[i]),
													&key, &err);

		tap_ok(status == AL_INVALID || status == AL_UNSUPPORTED,
			   "verifier key refused: %s", err.reason);
		al_note_free_key(&key);
	}
	tap_ok(al_note_parse_verifier("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8"
								  "R6UYAtVtNbZpXh34x7onlmtw2", 68, &key,
								  &err) == AL_UNSUPPORTED, "%s", err.reason);
}

static void
test_names(void)
{
	char		longest[AL_NOTE_NAME_MAX + 2];
	AlNoteKey	key;
	AlBuf		line = {0};
	AlError		err = {""};

	memset(longest, 'n', sizeof(longest));
	longest[AL_NOTE_NAME_MAX + 1] = '\0';
	tap_ok(al_note_use_key(longest, ed.note_key.key, &key, &err) ==
		   AL_UNSUPPORTED, "%s", err.reason);
	longest[AL_NOTE_NAME_MAX] = '\0';
	tap_ok(al_note_use_key(longest, ed.note_key.key, &key, NULL) == AL_OK,
		   "a name of %d bytes", AL_NOTE_NAME_MAX);
	tap_ok(al_note_sign("a b", ed.key, text, strlen(text), &line, &err) ==
		   AL_INVALID && line.len == 0, "%s", err.reason);
	tap_ok(al_note_sign("n", ed.key, "no newline", 10, &line, &err) ==
		   AL_INVALID && line.len == 0, "%s", err.reason);
	al_buf_free(&line);
}

/* Only dashes at the beginning of lines, there and back */
static void
test_dashes(void)
{
	static const char *const notes[] = {
		"o\n1\nr\n\n" DASH "n AAAAAAAA\n" DASH "m " DASH "- AAAAAAAA\n",
		DASH "n AAAAAAAA", "", "\n\n", "x" DASH "\n-\n\xe2\x80\x94\n",
	};
	static const char *const plain[] = {
		"o\n1\nr\n\n- n AAAAAAAA\n- m " DASH "- AAAAAAAA\n",
		"- n AAAAAAAA", "", "\n\n", "x" DASH "\n-\n\xe2\x80\x94\n",
	};
	size_t		i;

	for (i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
	{
		AlBuf		there = {0};
		AlBuf		back = {0};

		al_note_replace_dashes(notes[i], strlen(notes[i]), AL_NOTE_DASH,
							   AL_NOTE_PLAIN_DASH, &there);
		tap_ok(there.len == strlen(plain[i]) &&
			   memcmp(there.data ? there.data : "", plain[i], there.len) == 0,
			   "plain dashes of text %zu", i);
		al_note_replace_dashes(plain[i], strlen(plain[i]),
							   AL_NOTE_PLAIN_DASH, AL_NOTE_DASH, &back);
		tap_ok(back.len == strlen(notes[i]) &&
			   memcmp(back.data ? back.data : "", notes[i], back.len) == 0,
			   "and back");
		al_buf_free(&there);
		al_buf_free(&back);
	}
}

int
main(void)
{
	make_signer(&ed, make_ed25519(), "log.example");
	make_signer(&rsa, make_rsa(), "log.example");
	make_signer(&other, make_ed25519(), "other.example");
	test_published();
	test_rsa_id();
	test_round_trip();
	test_false_lines();
	test_one_line();
	test_malformed();
	test_verifier_refusals();
	test_names();
	test_dashes();
	al_crypto_free_key(ed.key);
	al_crypto_free_key(rsa.key);
	al_crypto_free_key(other.key);
	return tap_done();
}
