/*
 * src/core/base64.c
 *
 * Strict base64; see base64.h for the rules.  Format: RFC 4648 section 4.
 *
 * The decoder writes straight to the caller's memory and keeps nothing, as
 * the text may be a private key.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base64.h"
#include "bytes.h"

#define AL_BASE64_NONE 0xff

/* Input bytes encoded at a time when the result goes to an AlBuf */
#define AL_BASE64_CHUNK 192

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/*
 * The two characters that stand for twelve bits.  The hash of each record of
 * the ledger passes through three lines of base64.
 */
#define ROW(a) \
	a, 'A', a, 'B', a, 'C', a, 'D', a, 'E', a, 'F', a, 'G', a, 'H', \
	a, 'I', a, 'J', a, 'K', a, 'L', a, 'M', a, 'N', a, 'O', a, 'P', \
	a, 'Q', a, 'R', a, 'S', a, 'T', a, 'U', a, 'V', a, 'W', a, 'X', \
	a, 'Y', a, 'Z', a, 'a', a, 'b', a, 'c', a, 'd', a, 'e', a, 'f', \
	a, 'g', a, 'h', a, 'i', a, 'j', a, 'k', a, 'l', a, 'm', a, 'n', \
	a, 'o', a, 'p', a, 'q', a, 'r', a, 's', a, 't', a, 'u', a, 'v', \
	a, 'w', a, 'x', a, 'y', a, 'z', a, '0', a, '1', a, '2', a, '3', \
	a, '4', a, '5', a, '6', a, '7', a, '8', a, '9', a, '+', a, '/'

static const char pairs[2 * 4096] = {
	ROW('A'), ROW('B'), ROW('C'), ROW('D'), ROW('E'), ROW('F'),
	ROW('G'), ROW('H'), ROW('I'), ROW('J'), ROW('K'), ROW('L'),
	ROW('M'), ROW('N'), ROW('O'), ROW('P'), ROW('Q'), ROW('R'),
	ROW('S'), ROW('T'), ROW('U'), ROW('V'), ROW('W'), ROW('X'),
	ROW('Y'), ROW('Z'), ROW('a'), ROW('b'), ROW('c'), ROW('d'),
	ROW('e'), ROW('f'), ROW('g'), ROW('h'), ROW('i'), ROW('j'),
	ROW('k'), ROW('l'), ROW('m'), ROW('n'), ROW('o'), ROW('p'),
	ROW('q'), ROW('r'), ROW('s'), ROW('t'), ROW('u'), ROW('v'),
	ROW('w'), ROW('x'), ROW('y'), ROW('z'), ROW('0'), ROW('1'),
	ROW('2'), ROW('3'), ROW('4'), ROW('5'), ROW('6'), ROW('7'),
	ROW('8'), ROW('9'), ROW('+'), ROW('/')
};

static unsigned
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned) (c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned) (c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned) (c - '0') + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return AL_BASE64_NONE;
}

static bool
is_space(char c)
{
	return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/*
 * Writes AL_BASE64_ENCODED_LEN(len) characters, no NUL, and returns how many.
 */
size_t
al_base64_encode_to(const void *bytes, size_t len, char *out)
{
	const uint8_t *in = bytes;
	char	   *start = out;

	/* Six bytes a turn, read with the two behind them */
	for (; len >= 8; len -= 6, in += 6)
	{
		uint64_t	bits = al_load_be64(in);

		memcpy(out, &pairs[2 * (bits >> 52)], 2);
		memcpy(out + 2, &pairs[2 * (bits >> 40 & 0xfff)], 2);
		memcpy(out + 4, &pairs[2 * (bits >> 28 & 0xfff)], 2);
		memcpy(out + 6, &pairs[2 * (bits >> 16 & 0xfff)], 2);
		out += 8;
	}
	for (; len > 3; len -= 3, in += 3)
	{
		uint32_t	bits = al_load_be32(in);

		memcpy(out, &pairs[2 * (bits >> 20)], 2);
		memcpy(out + 2, &pairs[2 * (bits >> 8 & 0xfff)], 2);
		out += 4;
	}
	if (len == 3)
	{
		*out++ = alphabet[in[0] >> 2];
		*out++ = alphabet[(in[0] & 0x03) << 4 | in[1] >> 4];
		*out++ = alphabet[(in[1] & 0x0f) << 2 | in[2] >> 6];
		*out++ = alphabet[in[2] & 0x3f];
	}
	else if (len > 0)
	{
		unsigned	second = len > 1 ? in[1] : 0;

		*out++ = alphabet[in[0] >> 2];
		*out++ = alphabet[(in[0] & 0x03) << 4 | second >> 4];
		*out++ = len > 1 ? alphabet[(second & 0x0f) << 2] : '=';
		*out++ = '=';
	}
	return (size_t) (out - start);
}

void
al_base64_encode(const void *bytes, size_t len, AlBuf *out)
{
	const uint8_t *in = bytes;
	char		chunk[AL_BASE64_ENCODED_LEN(AL_BASE64_CHUNK)];

	while (len > 0)
	{
		size_t		n = len < AL_BASE64_CHUNK ? len : AL_BASE64_CHUNK;

		al_buf_append(out, chunk, al_base64_encode_to(in, n, chunk));
		in += n;
		len -= n;
	}
}

static AlStatus
decode(const char *text, size_t len, bool skip_space, uint8_t *out, size_t cap,
	   size_t *out_len, AlError *err)
{
	uint32_t	bits = 0;
	unsigned	held = 0;		/* characters in bits, 0..3 */
	unsigned	pads = 0;
	size_t		n = 0;
	size_t		i;

	*out_len = 0;
	for (i = 0; i < len; i++)
	{
		unsigned	value;

		if (skip_space && is_space(text[i]))
			continue;
		if (text[i] == '=')
		{
			if (++pads + held > 4 || held < 2)
				return al_status_fail(err, AL_INVALID,
									  "invalid base64 padding");
			continue;
		}
		value = value_of(text[i]);
		if (value == AL_BASE64_NONE)
			return al_status_fail(err, AL_INVALID,
								  "invalid base64 character");
		if (pads > 0)
			return al_status_fail(err, AL_INVALID, "invalid base64 padding");
		bits = bits << 6 | value;
		if (++held < 4)
			continue;
		if (cap - n < 3)
			return al_status_fail(err, AL_INVALID, "base64 text is too long");
		out[n++] = (uint8_t) (bits >> 16);
		out[n++] = (uint8_t) (bits >> 8);
		out[n++] = (uint8_t) bits;
		bits = 0;
		held = 0;
	}
	if (held + pads != 0 && held + pads != 4)
		return al_status_fail(err, AL_INVALID,
							  held == 1 ? "truncated base64 text"
							  : "invalid base64 padding");
	if (held == 2 && (bits & 0x0f) == 0)
	{
		if (cap - n < 1)
			return al_status_fail(err, AL_INVALID, "base64 text is too long");
		out[n++] = (uint8_t) (bits >> 4);
	}
	else if (held == 3 && (bits & 0x03) == 0)
	{
		if (cap - n < 2)
			return al_status_fail(err, AL_INVALID, "base64 text is too long");
		out[n++] = (uint8_t) (bits >> 10);
		out[n++] = (uint8_t) (bits >> 2);
	}
	else if (held != 0)
		return al_status_fail(err, AL_INVALID,
							  "base64 text is not in its canonical form");
	*out_len = n;
	return AL_OK;
}

/* Decodes at most cap bytes; AL_INVALID if the text holds more. */
AlStatus
al_base64_decode(const char *text, size_t len, void *out, size_t cap,
				 size_t *out_len, AlError *err)
{
	return decode(text, len, false, out, cap, out_len, err);
}

/* The same for the body of a PEM block, where white space means nothing. */
AlStatus
al_base64_decode_lines(const char *text, size_t len, void *out, size_t cap,
					   size_t *out_len, AlError *err)
{
	return decode(text, len, true, out, cap, out_len, err);
}
