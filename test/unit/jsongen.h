/*
 * test/unit/jsongen.h
 *
 * Random JSON values for property tests: a value is made as a tree, written
 * in one of its many spellings, and its canonical forms are derived from the
 * tree by plain recursion and insertion sort, so that they owe nothing to
 * the code under test.
 *
 * The numbers drawn are the same in every run; JSONGEN_SEED in the
 * environment draws others.
 */
#ifndef AUDIT_LOG_JSONGEN_H
#define AUDIT_LOG_JSONGEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

typedef enum GenKind
{
	GEN_LITERAL,				/* text is null, true or false */
	GEN_NUMBER,
	GEN_STRING,
	GEN_ARRAY,
	GEN_OBJECT
} GenKind;

typedef struct GenNumber
{
	const char *json;
	const char *pipe;
	const char *strict;			/* NULL: refused */
} GenNumber;

typedef struct GenValue
{
	GenKind		kind;
	char		key[24];		/* decoded; of an object's member */
	char		text[40];		/* decoded string, or a literal */
	const GenNumber *number;
	struct GenValue **children;
	int			count;
} GenValue;

static uint64_t gen_state = 88172645463325252u;

static inline void
gen_seed(void)
{
	const char *seed = getenv("JSONGEN_SEED");

	if (seed != NULL && strtoull(seed, NULL, 0) != 0)
		gen_state = strtoull(seed, NULL, 0);
}

static inline uint64_t
gen_random64(void)
{
	gen_state ^= gen_state << 13;
	gen_state ^= gen_state >> 7;
	gen_state ^= gen_state << 17;
	return gen_state * 0x2545F4914F6CDD1Du;
}

static inline int
gen_random(int below)
{
	return (int) ((gen_random64() >> 33) % (uint64_t) below);
}

static inline const GenNumber *
gen_number(void)
{
	static const GenNumber numbers[] = {
		{"0", "0", "0"},
		{"-0", "0", "0"},
		{"-0.0", "0", "0"},
		{"7", "7", "7"},
		{"-12", "-12", "-12"},
		{"1.0", "1", "1"},
		{"1.50", "1.5", "1.5"},
		{"1e3", "1000", "1000"},
		{"100", "100", "100"},
		{"-2.5E-2", "-0.025", "-0.025"},
		{"1E-7", "0.0000001", "1e-7"},
		{"123456789012345678901234567890", "123456789012345678901234567890",
		NULL},
		{"9007199254740993", "9007199254740993", NULL},
		{"0.1", "0.1", "0.1"}
	};

	return &numbers[gen_random((int) (sizeof(numbers) / sizeof(*numbers)))];
}

/* Few and short pieces, so that equal and prefix-sharing keys are common. */
static inline void
gen_text(char *text, int pieces)
{
	static const char *const alphabet[] = {
		"a", "b", "token", "|", "\"", "\\", "\n", "/", " ", "\x01", "\x7F",
		"\xC3\xA9", "\xE2\x82\xAC", "\xEE\x80\x80", "\xEF\xBF\xBD",
		"\xF0\x9F\x98\x80"
	};

	*text = '\0';
	while (pieces-- > 0)
		strcat(text, alphabet[gen_random((int) (sizeof(alphabet) /
												sizeof(*alphabet)))]);
}

static inline GenValue *
gen_value(int depth)
{
	static const char *const literals[] = {"null", "true", "false"};
	GenValue   *value = calloc(1, sizeof(GenValue));
	int			pick = gen_random(depth > 0 ? 9 : 5);
	int			i;

	if (value == NULL)
		abort();
	if (pick == 0)
	{
		value->kind = GEN_LITERAL;
		strcpy(value->text, literals[gen_random(3)]);
	}
	else if (pick < 3)
	{
		value->kind = GEN_NUMBER;
		value->number = gen_number();
	}
	else if (pick < 5)
	{
		value->kind = GEN_STRING;
		gen_text(value->text, gen_random(6));
	}
	else
	{
		value->kind = pick < 7 ? GEN_ARRAY : GEN_OBJECT;
		value->count = gen_random(6);
		value->children = calloc((size_t) value->count + 1,
								 sizeof(GenValue *));
		for (i = 0; i < value->count; i++)
		{
			value->children[i] = gen_value(depth - 1);
			gen_text(value->children[i]->key, gen_random(4));
		}
	}
	return value;
}

static inline void
gen_free(GenValue *value)
{
	int			i;

	for (i = 0; i < value->count; i++)
		gen_free(value->children[i]);
	free(value->children);
	free(value);
}

/* Removes all but the last of the members with the same key, at any depth. */
static inline void
gen_unique(GenValue *value)
{
	int			kept = 0;
	int			i;
	int			j;

	for (i = 0; i < value->count; i++)
	{
		bool		overridden = false;

		for (j = i + 1; j < value->count && value->kind == GEN_OBJECT; j++)
			overridden |= strcmp(value->children[i]->key,
								 value->children[j]->key) == 0;
		if (overridden)
			gen_free(value->children[i]);
		else
			value->children[kept++] = value->children[i];
	}
	value->count = kept;
	for (i = 0; i < value->count; i++)
		gen_unique(value->children[i]);
}

/* Changes the order of all members, at any depth; keys must be unique. */
static inline void
gen_shuffle(GenValue *value)
{
	int			i;

	for (i = 0; i < value->count; i++)
	{
		gen_shuffle(value->children[i]);
		if (value->kind == GEN_OBJECT)
		{
			int			j = gen_random(i + 1);
			GenValue   *other = value->children[j];

			value->children[j] = value->children[i];
			value->children[i] = other;
		}
	}
}

static inline void
gen_space(AlBuf *out)
{
	while (gen_random(4) == 0)
		al_buf_append_char(out, " \t\r\n"[gen_random(4)]);
}

/* Code point at *text, which moves behind it. */
static inline uint32_t
gen_code_point(const char **text)
{
	const unsigned char *s = (const unsigned char *) *text;
	int			more = s[0] < 0x80 ? 0 : s[0] < 0xE0 ? 1 : s[0] < 0xF0 ? 2 : 3;
	uint32_t	c = more == 0 ? s[0] : s[0] & (0x3Fu >> more);
	int			i;

	for (i = 1; i <= more; i++)
		c = c * 64 + s[i] % 64;
	*text += more + 1;
	return c;
}

/* Writes a string, every character in one of its possible spellings. */
static inline void
gen_write_string(const char *text, AlBuf *out)
{
	al_buf_append_char(out, '"');
	while (*text != '\0')
	{
		const char *from = text;
		uint32_t	c = gen_code_point(&text);
		char		escape[16];

		if (c == '"' || c == '\\' || c < 0x20 || gen_random(5) == 0)
		{
			if (c == '\n' && gen_random(2) == 0)
				strcpy(escape, "\\n");
			else if ((c == '"' || c == '\\' || c == '/') &&
					 gen_random(2) == 0)
				snprintf(escape, sizeof(escape), "\\%c", (char) c);
			else if (c >= 0x10000)
				snprintf(escape, sizeof(escape), "\\u%04X\\u%04x",
						 0xD800 + (c - 0x10000) / 1024,
						 0xDC00 + (c - 0x10000) % 1024);
			else
				snprintf(escape, sizeof(escape),
						 gen_random(2) ? "\\u%04x" : "\\u%04X", c);
			al_buf_append_str(out, escape);
		}
		else
			al_buf_append(out, from, (size_t) (text - from));
	}
	al_buf_append_char(out, '"');
}

/* Appends the value as JSON, with random whitespace and escapes. */
static inline void
gen_write(const GenValue *value, AlBuf *out)
{
	int			i;

	gen_space(out);
	switch (value->kind)
	{
		case GEN_LITERAL:
			al_buf_append_str(out, value->text);
			break;
		case GEN_NUMBER:
			al_buf_append_str(out, value->number->json);
			break;
		case GEN_STRING:
			gen_write_string(value->text, out);
			break;
		default:
			al_buf_append_char(out, value->kind == GEN_OBJECT ? '{' : '[');
			gen_space(out);
			for (i = 0; i < value->count; i++)
			{
				if (i > 0)
					al_buf_append_char(out, ',');
				if (value->kind == GEN_OBJECT)
				{
					gen_space(out);
					gen_write_string(value->children[i]->key, out);
					gen_space(out);
					al_buf_append_char(out, ':');
				}
				gen_write(value->children[i], out);
			}
			al_buf_append_char(out, value->kind == GEN_OBJECT ? '}' : ']');
	}
	gen_space(out);
}

static inline int
gen_utf16(const char *text, uint32_t *units)
{
	int			n = 0;

	while (*text != '\0')
	{
		uint32_t	c = gen_code_point(&text);

		if (c >= 0x10000)
		{
			units[n++] = 0xD800 + (c - 0x10000) / 1024;
			units[n++] = 0xDC00 + (c - 0x10000) % 1024;
		}
		else
			units[n++] = c;
	}
	units[n] = 0;
	return n;
}

static inline bool
gen_precedes(const char *a, const char *b, bool utf16)
{
	uint32_t	x[64];
	uint32_t	y[64];
	int			i = 0;

	if (!utf16)
		return strcmp(a, b) < 0;
	gen_utf16(a, x);
	gen_utf16(b, y);
	while (x[i] != 0 && x[i] == y[i])
		i++;
	return x[i] < y[i];
}

/* Insertion sort of all members, at any depth. */
static inline void
gen_sort(GenValue *value, bool utf16)
{
	int			i;
	int			j;

	for (i = 0; i < value->count; i++)
	{
		GenValue   *child = value->children[i];

		gen_sort(child, utf16);
		for (j = i; value->kind == GEN_OBJECT && j > 0 &&
			 gen_precedes(child->key, value->children[j - 1]->key, utf16);
			 j--)
			value->children[j] = value->children[j - 1];
		value->children[j] = child;
	}
}

/* Appends "|" before each element; the first one is to be cut off. */
static inline void
gen_pipe(const GenValue *value, AlBuf *out)
{
	int			i;

	if (value->kind == GEN_LITERAL && strcmp(value->text, "null") == 0)
		return;
	if (value->kind < GEN_ARRAY)
	{
		al_buf_append_char(out, '|');
		al_buf_append_str(out, value->kind == GEN_NUMBER ?
						  value->number->pipe : value->text);
	}
	for (i = 0; i < value->count; i++)
		gen_pipe(value->children[i], out);
}

static inline void
gen_strict_string(const char *text, AlBuf *out)
{
	al_buf_append_char(out, '"');
	for (; *text != '\0'; text++)
	{
		char		escape[8];

		if (*text == '\n')
			strcpy(escape, "\\n");
		else if (*text == '"' || *text == '\\')
			snprintf(escape, sizeof(escape), "\\%c", *text);
		else if ((unsigned char) *text < 0x20)
			snprintf(escape, sizeof(escape), "\\u%04x", *text);
		else
			snprintf(escape, sizeof(escape), "%c", *text);
		al_buf_append_str(out, escape);
	}
	al_buf_append_char(out, '"');
}

/* Appends the strict form; returns false if it holds a refused number. */
static inline bool
gen_strict(const GenValue *value, AlBuf *out)
{
	bool		good = true;
	int			i;

	switch (value->kind)
	{
		case GEN_LITERAL:
			al_buf_append_str(out, value->text);
			break;
		case GEN_NUMBER:
			good = value->number->strict != NULL;
			al_buf_append_str(out, good ? value->number->strict : "");
			break;
		case GEN_STRING:
			gen_strict_string(value->text, out);
			break;
		default:
			al_buf_append_char(out, value->kind == GEN_OBJECT ? '{' : '[');
			for (i = 0; i < value->count; i++)
			{
				if (i > 0)
					al_buf_append_char(out, ',');
				if (value->kind == GEN_OBJECT)
				{
					gen_strict_string(value->children[i]->key, out);
					al_buf_append_char(out, ':');
				}
				good &= gen_strict(value->children[i], out);
			}
			al_buf_append_char(out, value->kind == GEN_OBJECT ? '}' : ']');
	}
	return good;
}

#endif							/* AUDIT_LOG_JSONGEN_H */
