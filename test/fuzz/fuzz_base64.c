/*
 * test/fuzz/fuzz_base64.c
 *
 * Any bytes for base64: what is encoded comes back, what decodes is what the
 * encoder writes of it, and nothing is written past the room that was given.
 */
#include "core/base64.h"
#include "fuzz.h"

static void
check_round_trip(const uint8_t *data, size_t size)
{
	char	   *text = malloc(AL_BASE64_ENCODED_LEN(size) + 1);
	uint8_t    *back = malloc(size + 1);
	AlBuf		buf = {0};
	size_t		len = al_base64_encode_to(data, size, text);
	size_t		got;

	FUZZ_CHECK(len == AL_BASE64_ENCODED_LEN(size));
	al_base64_encode(data, size, &buf);
	FUZZ_CHECK(buf.len == len && (len == 0 || memcmp(buf.data, text, len) == 0));
	FUZZ_CHECK(al_base64_decode(text, len, back, size, &got, NULL) == AL_OK);
	FUZZ_CHECK(got == size && memcmp(back, data, size) == 0);
	al_buf_free(&buf);
	free(back);
	free(text);
}

static void
check_decoding(const char *text, size_t len)
{
	size_t		cap = AL_BASE64_DECODED_MAX(len);
	uint8_t    *bytes = malloc(cap ? cap : 1);
	uint8_t    *less;
	char	   *again;
	AlError		err = {""};
	size_t		got;
	size_t		got_lines;
	bool		good = al_base64_decode(text, len, bytes, cap, &got,
										&err) == AL_OK;

	FUZZ_CHECK(good || (got == 0 && err.reason[0] != '\0'));
	if (good)
	{
		/* There is one text for some bytes, and this is it. */
		again = malloc(AL_BASE64_ENCODED_LEN(got) + 1);
		FUZZ_CHECK(al_base64_encode_to(bytes, got, again) == len);
		FUZZ_CHECK(memcmp(again, text, len) == 0);
		free(again);
		if (got > 0)
		{
			less = malloc(got - 1 ? got - 1 : 1);
			FUZZ_CHECK(al_base64_decode(text, len, less, got - 1, &got_lines,
										NULL) == AL_INVALID);
			free(less);
		}
	}
	/* The lenient form takes at least as much, and reads it alike. */
	FUZZ_CHECK(al_base64_decode_lines(text, len, bytes, cap, &got_lines,
									  NULL) == AL_OK || !good);
	FUZZ_CHECK(!good || got_lines == got);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_round_trip(data, size);
	check_decoding((const char *) data, size);
	return 0;
}
