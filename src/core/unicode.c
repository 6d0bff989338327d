/*
 * src/core/unicode.c
 *
 * Characters of UTF-8 (RFC 3629), one by one.
 */
#include "unicode.h"

/*
 * Takes one character off the text, at *pos.  AL_UNICODE_NONE for everything
 * that is not the shortest form of a Unicode scalar value.
 */
uint32_t
al_unicode_take(const char *text, size_t len, size_t *pos)
{
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *byte = (const uint8_t *) text + *pos;
	uint32_t	character = byte[0];
	size_t		more;
	size_t		i;

	if (character < 0x80)
		more = 0;
	else if ((character & 0xe0) == 0xc0)
		more = 1;
	else if ((character & 0xf0) == 0xe0)
		more = 2;
	else if ((character & 0xf8) == 0xf0)
		more = 3;
	else
		return AL_UNICODE_NONE;
	if (len - *pos <= more)
		return AL_UNICODE_NONE;
	if (more > 0)
		character &= 0x3fU >> more;
	for (i = 1; i <= more; i++)
	{
		if ((byte[i] & 0xc0) != 0x80)
			return AL_UNICODE_NONE;
		character = character << 6 | (byte[i] & 0x3fU);
	}
	if (character < smallest[more] || character > 0x10ffff ||
		(character >= 0xd800 && character <= 0xdfff))
		return AL_UNICODE_NONE;
	*pos += more + 1;
	return character;
}

/* White space by the Unicode character database */
bool
al_unicode_is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
		c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
		c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
