/*
 * src/core/number.c
 *
 * Canonical spellings of JSON numbers; see number.h.
 *
 * A number is held as 0.d1d2...dn * 10^point with d1 and dn not zero, the
 * digits staying where they are in the text.  Nothing here depends on the
 * locale: strtod() and snprintf() are used without a radix character.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* Beyond any limit, yet far from overflow when text lengths are added. */
#define EXPONENT_LIMIT ((int64_t) 1 << 40)

#define ES6_DIGITS 17			/* no shortest form of a double has more */

typedef struct Decimal
{
	bool		negative;
	const char *whole;			/* digits before the point */
	size_t		whole_len;
	const char *fraction;		/* digits after it */
	size_t		fraction_len;
	size_t		first;			/* of all digits, the first not zero */
	size_t		count;			/* digits up to the last not zero; 0: zero */
	int64_t		point;			/* see the file's comment */
} Decimal;

static char
digit_at(const Decimal *number, size_t i)
{
	return i < number->whole_len ? number->whole[i] :
		number->fraction[i - number->whole_len];
}

static size_t
digit_span(const char *text, size_t len)
{
	size_t		i = 0;

	while (i < len && text[i] >= '0' && text[i] <= '9')
		i++;
	return i;
}

static int64_t
read_exponent(const char *text, size_t len)
{
	bool		negative = len > 0 && *text == '-';
	int64_t		exponent = 0;
	size_t		i;

	for (i = len > 0 && (*text == '-' || *text == '+'); i < len; i++)
	{
		if (exponent < EXPONENT_LIMIT)
			exponent = exponent * 10 + (text[i] - '0');
	}
	return negative ? -exponent : exponent;
}

static void
read_decimal(Decimal *number, const char *text, size_t len)
{
	const char *end = text + len;
	size_t		last;

	number->negative = *text == '-';
	if (number->negative)
		text++;
	number->whole = text;
	number->whole_len = digit_span(text, (size_t) (end - text));
	text += number->whole_len;
	number->fraction = text;
	number->fraction_len = 0;
	if (text < end && *text == '.')
	{
		number->fraction = ++text;
		number->fraction_len = digit_span(text, (size_t) (end - text));
		text += number->fraction_len;
	}
	number->point = 0;
	if (text < end)
		number->point = read_exponent(text + 1, (size_t) (end - text) - 1);

	last = number->whole_len + number->fraction_len;
	while (last > 0 && digit_at(number, last - 1) == '0')
		last--;
	number->first = 0;
	while (number->first < last && digit_at(number, number->first) == '0')
		number->first++;
	number->count = last - number->first;
	number->point += (int64_t) number->whole_len - (int64_t) number->first;
}

/* Appends count digits from the from'th significant one on. */
static void
append_digits(AlBuf *out, const Decimal *number, size_t from, size_t count)
{
	size_t		part;

	from += number->first;
	if (from < number->whole_len)
	{
		part = number->whole_len - from;
		if (part > count)
			part = count;
		al_buf_append(out, number->whole + from, part);
		from += part;
		count -= part;
	}
	if (count > 0)
		al_buf_append(out, number->fraction + (from - number->whole_len),
					  count);
}

static void
append_zeros(AlBuf *out, size_t count)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";

	while (count > 0)
	{
		size_t		part = count < sizeof(zeros) - 1 ? count :
			sizeof(zeros) - 1;

		al_buf_append(out, zeros, part);
		count -= part;
	}
}

/* Appends the value without an exponent and without idle zeros. */
static void
append_positional(AlBuf *out, const Decimal *number)
{
	size_t		point;

	if (number->point <= 0)
	{
		al_buf_append_str(out, "0.");
		append_zeros(out, (size_t) -number->point);
		append_digits(out, number, 0, number->count);
		return;
	}
	point = (size_t) number->point;
	if (point >= number->count)
	{
		append_digits(out, number, 0, number->count);
		append_zeros(out, point - number->count);
		return;
	}
	append_digits(out, number, 0, point);
	al_buf_append_char(out, '.');
	append_digits(out, number, point, number->count - point);
}

/*
 * Appends the number as the server's numeric type prints it, trailing zeros
 * after the point apart.  A number with neither fraction nor exponent may
 * have any size, since its text is its canonical form already; for others
 * the limits of numeric keep 1e999999999 from filling the memory.
 */
AlStatus
al_number_print_plain(const char *text, size_t len, AlBuf *out)
{
	Decimal		number;

	read_decimal(&number, text, len);
	if (number.count == 0)
	{
		al_buf_append_char(out, '0');
		return AL_OK;
	}
	if (number.whole_len + number.negative == len)
	{
		al_buf_append(out, text, len);
		return AL_OK;
	}
	if (number.point > AL_NUMBER_MAX_WHOLE ||
		(int64_t) number.count - number.point > AL_NUMBER_MAX_FRACTION)
		return AL_UNSUPPORTED;
	if (number.negative)
		al_buf_append_char(out, '-');
	append_positional(out, &number);
	return AL_OK;
}

/* The double nearest to 0.digits * 10^point. */
static double
to_double(const char *digits, int count, int64_t point)
{
	char		text[ES6_DIGITS + 32];

	snprintf(text, sizeof(text), "%.*se%lld", count, digits,
			 (long long) (point - count));
	return strtod(text, NULL);
}

/*
 * Rounds a double to count significant digits.  The radix character is
 * whatever the locale says, so everything that is not a digit is passed over.
 */
static int64_t
round_to_digits(double value, int count, char *digits)
{
	char		text[ES6_DIGITS + 32];
	const char *s = text;
	int			got = 0;

	snprintf(text, sizeof(text), "%.*e", count - 1, value);
	for (; *s != 'e'; s++)
	{
		if (*s >= '0' && *s <= '9' && got < count)
			digits[got++] = *s;
	}
	return strtol(s + 1, NULL, 10) + 1;
}

/* Adds step, 1 or -1, to the last digit; false where it would carry out. */
static bool
step_digits(char *digits, int count, int step)
{
	int			i = count - 1;

	while (i >= 0 && digits[i] == (step > 0 ? '9' : '0'))
		digits[i--] = step > 0 ? '0' : '9';
	if (i < 0)
		return false;
	digits[i] = (char) (digits[i] + step);
	return digits[0] != '0';
}

/*
 * Finds the decimal of count digits nearest to value that still denotes it.
 * Below a power of two doubles lie closer than above it, so the nearest
 * decimal may miss where its neighbour, further off but above, does not.
 */
static bool
find_digits(double value, int count, char *digits, int64_t *point)
{
	char		nearest[ES6_DIGITS];
	int			step;

	*point = round_to_digits(value, count, nearest);
	memcpy(digits, nearest, (size_t) count);
	if (to_double(digits, count, *point) == value)
		return true;
	for (step = 1; step >= -1; step -= 2)
	{
		memcpy(digits, nearest, (size_t) count);
		if (step_digits(digits, count, step) &&
			to_double(digits, count, *point) == value)
			return true;
	}
	return false;
}

/*
 * Whether ECMAScript prints the double nearest to 0.digits * 10^point with
 * just these digits, so that reading it back gives the decimal we had.
 */
static bool
is_exact(const char *digits, int count, int64_t point)
{
	char		shortest[ES6_DIGITS];
	int64_t		shortest_point;
	double		value;
	int			n;

	/* DBL_DIG digits survive by the definition of a double */
	if (count <= DBL_DIG && point > DBL_MIN_10_EXP && point < DBL_MAX_10_EXP)
		return true;
	if (point < -400 || point > 400)
		return false;
	value = to_double(digits, count, point);
	if (value == 0 || isinf(value))
		return false;

	/* where the same holds, trying fewer digits than that finds nothing */
	n = value >= DBL_MIN && count > DBL_DIG ? DBL_DIG : 1;
	for (; n <= count; n++)
	{
		if (find_digits(value, n, shortest, &shortest_point))
		{
			while (n > 1 && shortest[n - 1] == '0')
				n--;
			return n == count && shortest_point == point &&
				memcmp(shortest, digits, (size_t) n) == 0;
		}
	}
	return false;
}

/*
 * Appends the number as ECMAScript's Number::toString does (RFC 8785,
 * section 3.2.2.3), if that denotes exactly the value that was written.
 */
AlStatus
al_number_print_es6(const char *text, size_t len, AlBuf *out)
{
	Decimal		number;
	char		digits[ES6_DIGITS];
	char		exponent[16];
	size_t		i;

	read_decimal(&number, text, len);
	if (number.count == 0)
	{
		al_buf_append_char(out, '0');
		return AL_OK;
	}
	if (number.count > ES6_DIGITS)
		return AL_UNSUPPORTED;
	for (i = 0; i < number.count; i++)
		digits[i] = digit_at(&number, number.first + i);
	if (!is_exact(digits, (int) number.count, number.point))
		return AL_UNSUPPORTED;

	if (number.negative)
		al_buf_append_char(out, '-');
	if (number.point > -6 && number.point <= 21)
	{
		append_positional(out, &number);
		return AL_OK;
	}
	al_buf_append_char(out, digits[0]);
	if (number.count > 1)
	{
		al_buf_append_char(out, '.');
		al_buf_append(out, digits + 1, number.count - 1);
	}
	snprintf(exponent, sizeof(exponent), "e%+d", (int) number.point - 1);
	al_buf_append_str(out, exponent);
	return AL_OK;
}
