/*
 * test/unit/test_tlog.c
 *
 * Checkpoints, tile paths and proof texts: round trips, the examples of the
 * specifications, and texts that are almost right.
 */
#include <stdlib.h>

#include "base64.h"
#include "note.h"
#include "tap.h"
#include "tlog.h"

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define HEAD "c2sp.org/tlog-proof@v1\n"

static const char spec_checkpoint[] =
	"example.com/behind-the-sofa\n20852163\n" ROOT "\n";

static void
test_checkpoint(void)
{
	static const char *const bad[] = {
		"", "\n", "o", "o\n", "o\n1", "o\n1\n", "o\n1\n" ROOT,
		"\n1\n" ROOT "\n", "o\n\n" ROOT "\n", "o\n01\n" ROOT "\n",
		"o\n-1\n" ROOT "\n", "o\n+1\n" ROOT "\n", "o\n1 \n" ROOT "\n",
		"o\n 1\n" ROOT "\n", "o\n1x\n" ROOT "\n", "o\n1\n\n",
		"o\n1\n" ROOT "=\n", "o\n1\nAAAA\n", "o\n1\n" ROOT ROOT "\n",
		"o\n9223372036854775808\n" ROOT "\n",
		"o\n99999999999999999999999999\n" ROOT "\n",
		"o\n1\n" ROOT "\n\n", "o\n1\n" ROOT "\nx\n\n", "o\n1\n" ROOT "\nx",
	};
	static const char *const fine[] = {
		"o\n0\n" ROOT "\n", "o\n9223372036854775807\n" ROOT "\n",
		"with space\n1\n" ROOT "\n", "o\n1\n" ROOT "\nx\ny\n",
	};
	AlCheckpoint checkpoint;
	AlBuf		buf = {0};
	AlError		err;
	char		origin[64];
	size_t		i;

	tap_ok(al_tlog_parse_checkpoint(spec_checkpoint, strlen(spec_checkpoint),
									&checkpoint, NULL) == AL_OK &&
		   checkpoint.size == 20852163 && checkpoint.origin_len == 27,
		   "the checkpoint of the specification");
	memcpy(origin, checkpoint.origin, checkpoint.origin_len);
	origin[checkpoint.origin_len] = '\0';
	al_tlog_format_checkpoint(origin, checkpoint.size, &checkpoint.root, &buf,
							  NULL);
	tap_is_bytes(buf.data, buf.len, spec_checkpoint, strlen(spec_checkpoint),
				 "is written as it was read");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(al_tlog_parse_checkpoint(bad[i], strlen(bad[i]), &checkpoint,
										&err) == AL_INVALID,
			   "checkpoint %zu refused: %s", i, err.reason);
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		tap_ok(al_tlog_parse_checkpoint(fine[i], strlen(fine[i]),
										&checkpoint, NULL) == AL_OK,
			   "checkpoint %zu taken", i);
	al_buf_free(&buf);
}

static void
test_origin(void)
{
	static const char *const bad[] = {
		"", "a b", "a+b", "a|b", "a\nb", "a\tb", "a\xc2\xa0" "b",
		"a\xe2\x80\xa8" "b", "a\x80" "b", "\xff"};
	AlHash		root = {{0}};
	AlBuf		buf = {0};
	AlError		err;
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(al_tlog_format_checkpoint(bad[i], 0, &root, &buf, &err) ==
			   AL_INVALID && buf.len == 0, "origin %zu refused: %s", i,
			   err.reason);
	tap_ok(al_tlog_check_origin("db.example/audit/2", 18, NULL) == AL_OK &&
		   al_tlog_check_origin("gr\xc3\xbc\xc3\x9f" "e", 7, NULL) == AL_OK,
		   "others are taken");
}

/* Sign, verify, parse: the whole way of a checkpoint */
static void
test_signed_checkpoint(void)
{
	AlKey	   *key = NULL;
	AlNoteKey	known;
	AlNote		parts;
	AlCheckpoint checkpoint;
	AlHash		root = {{1, 2, 3}};
	AlBuf		note = {0};
	size_t		text_len;

	al_crypto_generate_ed25519(&key, NULL);
	al_note_use_key("db.example", al_crypto_public_half(key), &known, NULL);
	al_tlog_format_checkpoint("db.example", 12345, &root, &note, NULL);
	text_len = note.len;
	al_buf_append_char(&note, '\n');
	al_note_sign("db.example", key, note.data, text_len, &note, NULL);
	tap_ok(al_note_verify(note.data, note.len, &known, 1, &parts, NULL,
						  NULL) == AL_OK &&
		   al_tlog_parse_checkpoint(parts.text, parts.text_len, &checkpoint,
									NULL) == AL_OK &&
		   checkpoint.size == 12345 &&
		   memcmp(&checkpoint.root, &root, sizeof(root)) == 0 &&
		   checkpoint.origin_len == 10 &&
		   memcmp(checkpoint.origin, "db.example", 10) == 0,
		   "a signed checkpoint round trip");
	al_buf_free(&note);
	al_crypto_free_key(key);
}

static void
test_tile_paths(void)
{
	static const struct
	{
		AlTile		tile;
		const char *path;
	}			cases[] = {
		{{false, 0, 0, 256}, "tile/0/000"},
		{{false, 0, 1234067, 256}, "tile/0/x001/x234/067"},
		{{false, 1, 999, 256}, "tile/1/999"},
		{{false, 1, 1000, 1}, "tile/1/x001/000.p/1"},
		{{false, 63, 5, 255}, "tile/63/005.p/255"},
		{{true, 0, 273, 112}, "tile/entries/273.p/112"},
		{{true, 0, 1000000, 256}, "tile/entries/x001/x000/000"},
		{{false, 0, AL_MERKLE_MAX_SIZE, 256},
			"tile/0/x009/x223/x372/x036/x854/x775/807"},
	};
	static const char *const bad[] = {
		"", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/00",
		"tile/0/0000", "tile/0/x000", "tile/0/x000/000", "tile/0/x001",
		"tile/0/x001/", "tile/0/001/000", "tile/0/x001/x002", "tile/00/000",
		"tile/64/000", "tile/-1/000", "tile/x/000", "tile/0/000.p",
		"tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/0/000.p/1x", "tile/0/000/", "/tile/0/000",
		"tile/0/000 ", "tile/entries", "tile/entries/", "tile/entries/0/000",
		"tile/0/0a0", "tile/0/X001/000",
		"tile/0/x009/x223/x372/x036/x854/x775/808",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/999",
	};
	AlTile		tile;
	AlBuf		buf = {0};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *path = cases[i].path;

		al_buf_reset(&buf);
		al_tlog_format_tile_path(&cases[i].tile, &buf, NULL);
		tap_is_bytes(buf.data, buf.len, path, strlen(path), path);
		tap_ok(al_tlog_parse_tile_path(path, strlen(path), &tile, NULL) ==
			   AL_OK && tile.entries == cases[i].tile.entries &&
			   tile.level == cases[i].tile.level &&
			   tile.index == cases[i].tile.index &&
			   tile.width == cases[i].tile.width, "is read back");
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(al_tlog_parse_tile_path(bad[i], strlen(bad[i]), &tile, NULL) ==
			   AL_INVALID, "no path: \"%s\"", bad[i]);
	al_buf_reset(&buf);
	tile.entries = true;
	tile.level = 1;
	tile.index = 0;
	tile.width = 1;
	tap_ok(al_tlog_format_tile_path(&tile, &buf, NULL) == AL_INVALID &&
		   buf.len == 0, "entries have no level");
	tile.entries = false;
	tile.width = 0;
	tap_ok(al_tlog_format_tile_path(&tile, &buf, NULL) == AL_INVALID,
		   "an empty tile has no path");
	tile.width = 257;
	tap_ok(al_tlog_format_tile_path(&tile, &buf, NULL) == AL_INVALID,
		   "nor has one that is too wide");
	al_buf_free(&buf);
}

static void
test_proof(void)
{
	static const char *const bad[] = {
		"", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2\nindex 0\n\nc\n",
		HEAD, HEAD "\n", HEAD "index\n\nc\n", HEAD "index \n\nc\n",
		HEAD "index 00\n\nc\n", HEAD "index x\n\nc\n", HEAD "index 1 \n\nc\n",
		HEAD "index 0\n", HEAD "index 0\n\n", HEAD "index 0\n" ROOT "\n",
		HEAD "index 0\nAAAA\n\nc\n", HEAD "index 0\n" ROOT "x\n\nc\n",
		HEAD "extra A\nindex 0\n\nc\n", HEAD "extra AA==AAAA\nindex 0\n\nc\n",
		HEAD "extra !!!!\nindex 0\n\nc\n", HEAD "extra AAAA\n\nc\n",
		HEAD "index 0\nextra AAAA\n\nc\n", HEAD "extra AAAA\n",
		HEAD "extra AAAA\nextra AAAA\nindex 0\n\nc\n",
		HEAD "index 9223372036854775808\n\nc\n",
	};
	AlMerkleProof proof = {0};
	AlTlogProof parsed;
	AlBuf		buf = {0};
	AlError		err;
	int			count;
	size_t		i;

	for (count = 0; count <= AL_MERKLE_MAX_PROOF; count += 16)
	{
		proof.count = count;
		for (i = 0; i < (size_t) count; i++)
			memset(&proof.hashes[i], (int) i + 1, sizeof(AlHash));
		al_buf_reset(&buf);
		al_tlog_format_proof(73894, &proof, count == 16 ? "\0xyz" : NULL, 4,
							 "note\n", 5, &buf, NULL);
		tap_ok(al_tlog_parse_proof(buf.data, buf.len, &parsed, NULL) ==
			   AL_OK && parsed.index == 73894 &&
			   parsed.proof.count == count &&
			   memcmp(parsed.proof.hashes, proof.hashes,
					  (size_t) count * sizeof(AlHash)) == 0 &&
			   parsed.checkpoint_len == 5 &&
			   memcmp(parsed.checkpoint, "note\n", 5) == 0 &&
			   (count == 16 ? parsed.extra_len == 8 &&
				memcmp(parsed.extra, "AHh5eg==", 8) == 0
				: parsed.extra == NULL),
			   "a proof of %d hashes round trip", count);
	}
	al_buf_reset(&buf);
	al_buf_append_str(&buf, HEAD "index 0\n");
	for (count = 0; count <= AL_MERKLE_MAX_PROOF; count++)
		al_buf_append_str(&buf, ROOT "\n");
	al_buf_append_str(&buf, "\nc\n");
	tap_ok(al_tlog_parse_proof(buf.data, buf.len, &parsed, &err) ==
		   AL_INVALID, "one hash too many: %s", err.reason);
	al_buf_reset(&buf);
	proof.count = 1;
	memset(&proof.hashes[0], 0, sizeof(AlHash));
	al_tlog_format_proof(5, &proof, "\xff", 1, "c\n", 2, &buf, NULL);
	tap_is_bytes(buf.data, buf.len, HEAD "extra /w==\nindex 5\n"
				 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nc\n",
				 strlen(HEAD) + 17 + 2 + 45 + 3,
				 "the text of a proof is as specified");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(al_tlog_parse_proof(bad[i], strlen(bad[i]), &parsed, &err) ==
			   AL_INVALID, "proof %zu refused: %s", i, err.reason);
	al_buf_free(&buf);
}

int
main(void)
{
	test_checkpoint();
	test_origin();
	test_signed_checkpoint();
	test_tile_paths();
	test_proof();
	return tap_done();
}
