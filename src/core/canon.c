/*
 * src/core/canon.c
 *
 * The two canonical forms of a JSON text.
 *
 * Pipe form, the one that record signatures cover.  Take the values in the
 * bytewise order of their keys and join them with "|", without a newline at
 * the end:
 *
 *   - of a top-level object the members signature, ttl and expire are left
 *     out: the first cannot sign itself, the others change with the clock;
 *   - nulls are left out, at any depth;
 *   - a string gives its characters, with escapes decoded, so an empty one
 *     gives an empty element; one with a zero character is refused;
 *   - a number gives the server's numeric output without trailing zeros
 *     after the point: 1.50 is 1.5, 1e3 is 1000, -0 is 0;
 *   - true and false give their names;
 *   - an object gives its members in key order, an array its elements in
 *     theirs, each as an element of the whole; empty ones give nothing;
 *   - of members with the same key the last counts, as in jsonb.
 *
 * {"b":[1.0,"x|y"],"a":{},"ttl":9} is "1|x|y".  As that shows, the form does
 * not tell every two records apart.  What must, uses the strict form.
 *
 * Strict form: RFC 8785 (JSON Canonicalization Scheme).  Keys sorted by their
 * UTF-16 code units, no whitespace, the shortest escapes, numbers as
 * ECMAScript prints them.  Two texts have the same strict form only if they
 * denote the same value, and to keep that true where RFC 8785 would round,
 * the texts that it would change are refused: duplicate keys, and numbers
 * that a double does not hold (write those as strings).  Nothing is left out.
 *
 * How: tree.c reads the text and sorts the members, a walk prints them.  The
 * walk goes by links and needs no stack.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canon.h"
#include "json.h"
#include "number.h"
#include "tree.h"

#define CHUNK 256				/* bytes escaped at a time */
#define ONES UINT64_C(0x0101010101010101)	/* 1 in each byte of a word */
#define MAX_OUTPUT ((size_t) 0x3FFFFFFF)	/* most a text value can hold */

static AlStatus
fail_at(AlError *err, AlStatus status, const char *what, uint32_t pos)
{
	return al_status_fail(err, status, "%s at byte %lu", what,
						  (unsigned long) pos);
}

/* Unlinks the members of a top-level object that no signature covers. */
static void
drop_unsigned(AlTree *tree)
{
	uint32_t   *link = &tree->nodes[0].child;

	if (tree->nodes[0].kind != AL_JSON_OBJECT_START)
		return;
	while (*link != AL_TREE_NONE)
	{
		AlTreeNode *node = &tree->nodes[*link];
		const char *key = al_tree_key(tree, node);
		size_t		len = node->key_len;

		if ((len == 9 && memcmp(key, "signature", 9) == 0) ||
			(len == 3 && memcmp(key, "ttl", 3) == 0) ||
			(len == 6 && memcmp(key, "expire", 6) == 0))
			*link = node->next;
		else
			link = &node->next;
	}
}

static AlStatus
print_pipe_scalar(const AlTree *tree, const AlTreeNode *node, AlBuf *out,
				  AlError *err)
{
	const char *text = tree->json + node->start;
	AlJsonToken token;

	switch (node->kind)
	{
		case AL_JSON_STRING:
			al_tree_token(node, &token);
			return al_json_decode(tree->json, &token, false, out, err);
		case AL_JSON_NUMBER:
			if (al_number_print_plain(text, node->len, out) != AL_OK)
				return fail_at(err, AL_UNSUPPORTED, "number out of range",
							   node->start);
			return AL_OK;
		default:
			al_buf_append(out, text, node->len);
			return AL_OK;
	}
}

static AlStatus
print_pipe(AlTree *tree, AlBuf *out, AlError *err)
{
	size_t		start = out->len;
	bool		first = true;
	uint32_t	parent = AL_TREE_NONE;
	uint32_t	at = 0;
	AlStatus	status;

	drop_unsigned(tree);
	for (;;)
	{
		const AlTreeNode *node;

		if (at == AL_TREE_NONE)
		{
			if (parent == AL_TREE_NONE)
				return AL_OK;
			at = tree->nodes[parent].next;
			parent = tree->nodes[parent].parent;
			continue;
		}
		node = &tree->nodes[at];
		if (al_tree_is_container(node))
		{
			parent = at;
			at = node->child;
			continue;
		}
		at = node->next;
		if (node->kind == AL_JSON_NULL)
			continue;
		if (!first)
			al_buf_append_char(out, '|');
		first = false;
		status = print_pipe_scalar(tree, node, out, err);
		if (status != AL_OK)
			return status;

		/* exponents are short to write and long to print */
		if (out->len - start > MAX_OUTPUT)
			return al_status_fail(err, AL_UNSUPPORTED,
								  "canonical form longer than 1 GB");
	}
}

/* Writes what stands for a byte that is not plain; returns where it ends. */
static inline char *
write_escape(char *at, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[0x20] = {
		['\b'] = 'b',['\t'] = 't',['\n'] = 'n',['\f'] = 'f',['\r'] = 'r'
	};

	*at++ = '\\';
	if (c >= 0x20 || letters[c])
	{
		*at++ = c >= 0x20 ? (char) c : letters[c];
		return at;
	}
	memcpy(at, "u00", 3);
	at[3] = hex[c >> 4];
	at[4] = hex[c & 0xF];
	return at + 5;
}

/*
 * Eight bytes of a string as a word, the first one lowest.  Fewer, but not
 * none, are filled up with blanks.
 */
static inline uint64_t
load_word(const char *bytes, size_t n)
{
	uint64_t	word;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint32_t	low;
	uint32_t	high;

	if (n == 8)
	{
		memcpy(&word, bytes, 8);
		return word;
	}
	if (n >= 4)
	{
		memcpy(&low, bytes, 4);
		memcpy(&high, bytes + n - 4, 4);
		return low | (uint64_t) high << 8 * (n - 4) | ONES * ' ' << 8 * n;
	}
#endif
	word = n == 8 ? 0 : ONES * ' ' << 8 * n;
	for (size_t i = 0; i < n; i++)
		word |= (uint64_t) (unsigned char) bytes[i] << 8 * i;
	return word;
}

static inline void
store_word(char *at, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(at, &word, 8);
#else
	for (int i = 0; i < 8; i++)
		at[i] = (char) (word >> 8 * i);
#endif
}

/* 1 in each byte of a word that is "c" */
static inline uint64_t
find_byte(uint64_t word, char c)
{
	uint64_t	other = word ^ ONES * (unsigned char) c;

	return ~(((other & ONES * 0x7F) + ONES * 0x7F) | other) >> 7 & ONES;
}

static inline bool
has_control(uint64_t word)
{
	/* Only above a byte that is one can a borrow make another look like one. */
	return ((word - ONES * 0x20) & ~word & ONES * 0x80) != 0;
}

/*
 * Writes the first n bytes of a word, with a backslash in front of each quote
 * and backslash.  JSON in a string is full of those: one after the other makes
 * room by moving the rest of the word.
 */
static inline char *
write_word(char *at, uint64_t word, size_t n)
{
	uint64_t	marks = find_byte(word, '"') | find_byte(word, '\\');
	char	   *end = at + n;

	store_word(at, word);
	while (marks != 0)
	{
		int			skip = __builtin_ctzll(marks);

		at += skip / 8;
		word >>= skip;
		marks >>= skip;
		*at++ = '\\';
		store_word(at, word);
		marks--;
		end++;
	}
	return end;
}

/*
 * Appends a string in quotes.  This is what hashing a record mostly consists
 * of, so it goes by words and writes to reserved room, with no call a run.
 */
static void
append_quoted(AlBuf *out, const char *bytes, size_t len)
{
	const char *end = bytes + len;
	bool		first = true;

	do
	{
		size_t		left = (size_t) (end - bytes);
		const char *stop = left > CHUNK ? bytes + CHUNK : end;
		char	   *room = al_buf_reserve(out, CHUNK * 6 + 32);
		char	   *at = room;

		if (room == NULL)
			return;
		if (first)
			*at++ = '"';
		first = false;
		while (bytes < stop)
		{
			size_t		n = stop - bytes < 8 ? (size_t) (stop - bytes) : 8;
			uint64_t	word = load_word(bytes, n);

			if (!has_control(word))
				at = write_word(at, word, n);
			else
				for (size_t i = 0; i < n; i++)
					if (al_json_is_plain(bytes[i]))
						*at++ = bytes[i];
					else
						at = write_escape(at, (unsigned char) bytes[i]);
			bytes += n;
		}
		if (bytes == end)
			*at++ = '"';
		out->len += (size_t) (at - room);
	} while (bytes < end);
}

static AlStatus
print_strict_scalar(const AlTree *tree, const AlTreeNode *node,
					AlBuf *scratch, AlBuf *out, AlError *err)
{
	const char *text = tree->json + node->start;
	AlJsonToken token;
	AlStatus	status;

	if (node->kind == AL_JSON_NUMBER)
	{
		if (al_number_print_es6(text, node->len, out) != AL_OK)
			return fail_at(err, AL_UNSUPPORTED,
						   "number that a double does not hold, "
						   "to be written as a string,", node->start);
		return AL_OK;
	}
	if (!node->escaped)
	{
		/* true, false and null; strings that needed no escape need none */
		al_buf_append(out, text, node->len);
		return AL_OK;
	}
	al_tree_token(node, &token);
	al_buf_reset(scratch);
	status = al_json_decode(tree->json, &token, true, scratch, err);
	if (status == AL_OK)
		append_quoted(out, scratch->data, scratch->len);
	return status;
}

static AlStatus
print_strict(const AlTree *tree, AlBuf *scratch, AlBuf *out, AlError *err)
{
	bool		first = true;
	bool		object = false; /* whether the parent is one */
	uint32_t	parent = AL_TREE_NONE;
	uint32_t	at = 0;
	AlStatus	status;

	for (;;)
	{
		const AlTreeNode *node;

		if (at == AL_TREE_NONE)
		{
			if (parent == AL_TREE_NONE)
				return AL_OK;
			al_buf_append_char(out, object ? '}' : ']');
			first = false;
			at = tree->nodes[parent].next;
			parent = tree->nodes[parent].parent;
			object = parent != AL_TREE_NONE &&
				tree->nodes[parent].kind == AL_JSON_OBJECT_START;
			continue;
		}
		node = &tree->nodes[at];
		if (!first)
			al_buf_append_char(out, ',');
		first = false;
		if (object)
		{
			append_quoted(out, al_tree_key(tree, node), node->key_len);
			al_buf_append_char(out, ':');
		}
		if (al_tree_is_container(node))
		{
			object = node->kind == AL_JSON_OBJECT_START;
			al_buf_append_char(out, object ? '{' : '[');
			first = true;
			parent = at;
			at = node->child;
			continue;
		}
		status = print_strict_scalar(tree, node, scratch, out, err);
		if (status != AL_OK)
			return status;
		at = node->next;
	}
}

static AlStatus
finish(AlStatus status, AlBuf *out, size_t start, AlError *err)
{
	if (status == AL_OK && out->failed)
		status = al_status_fail(err, AL_NO_MEMORY, "out of memory");
	if (status != AL_OK)
		out->len = start;
	return status;
}

/* Appends the pipe form. */
AlStatus
al_canon_pipe(const char *json, size_t len, AlBuf *out, AlError *err)
{
	AlTree		tree;
	size_t		start = out->len;
	AlStatus	status;

	status = al_tree_build(&tree, AL_TREE_BYTES, json, len, err);
	if (status == AL_OK)
		status = print_pipe(&tree, out, err);
	al_tree_free(&tree);
	return finish(status, out, start, err);
}

/* Appends the strict form. */
AlStatus
al_canon_strict(const char *json, size_t len, AlBuf *out, AlError *err)
{
	AlTree		tree;
	AlBuf		scratch = {0};
	size_t		start = out->len;
	AlStatus	status;

	status = al_tree_build(&tree, AL_TREE_UTF16, json, len, err);
	if (status == AL_OK)
		status = print_strict(&tree, &scratch, out, err);
	al_tree_free(&tree);
	al_buf_free(&scratch);
	return finish(status, out, start, err);
}

void
al_canon_jcs_begin(AlCanonJcs *jcs, AlBuf *out)
{
	jcs->out = out;
	jcs->start = out->len;
	jcs->last_key = NULL;
	jcs->last_key_len = 0;
	jcs->misordered = false;
}

/*
 * Appends a member.  A null value is JSON's null.  Keys must come in the
 * order of the strict form, each once, and stay in place until the next call.
 * Bytes are not checked to be UTF-8: the caller's strings are the server's,
 * and different bytes give different output in any encoding that holds ASCII.
 */
void
al_canon_jcs_put(AlCanonJcs *jcs, const char *key, size_t key_len,
				 const char *value, size_t value_len)
{
	if (jcs->last_key == NULL)
		al_buf_append_char(jcs->out, '{');
	else
	{
		if (al_tree_compare_utf16(jcs->last_key, jcs->last_key_len,
								  key, key_len) >= 0)
			jcs->misordered = true;
		al_buf_append_char(jcs->out, ',');
	}
	jcs->last_key = key;
	jcs->last_key_len = key_len;
	append_quoted(jcs->out, key, key_len);
	al_buf_append_char(jcs->out, ':');
	if (value == NULL)
		al_buf_append(jcs->out, "null", 4);
	else
		append_quoted(jcs->out, value, value_len);
}

/*
 * Lays out a key for al_canon_jcs_put_name().  before is the name that is put
 * before it, NULL for the first.  AL_INVALID if the key does not come after
 * that one, is too long or holds anything but letters, digits and "_".
 */
AlStatus
al_canon_jcs_name(AlCanonName *name, const AlCanonName *before,
				  const char *key, AlError *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t		len = strlen(key);

	if (strspn(key, plain) != len ||
		len + sizeof(",\"\":null") > AL_CANON_NAME_SIZE)
		return al_status_fail(err, AL_INVALID, "the key cannot be laid out");
	name->len = (size_t) snprintf(name->text, AL_CANON_NAME_SIZE,
								  ",\"%s\":null", key) - 4;
	/* The quote that ends a key sorts before all that a key holds. */
	if (before != NULL && strcmp(before->text, name->text) >= 0)
		return al_status_fail(err, AL_INVALID, "keys are not in order");
	return AL_OK;
}

/*
 * Appends a member, as al_canon_jcs_put() does.  An object has either names
 * or keys; that names come in the order they were laid out in is up to the
 * caller.
 */
void
al_canon_jcs_put_name(AlCanonJcs *jcs, const AlCanonName *name,
					  const char *value, size_t value_len)
{
	char	   *at = al_buf_reserve(jcs->out, AL_CANON_NAME_SIZE);

	if (at == NULL)
		return;
	memcpy(at, name->text, AL_CANON_NAME_SIZE);
	if (jcs->last_key == NULL)
		at[0] = '{';
	jcs->last_key = name->text;
	if (value == NULL)
	{
		jcs->out->len += name->len + 4;
		return;
	}
	jcs->out->len += name->len;
	append_quoted(jcs->out, value, value_len);
}

/*
 * Completes the object, and says whether all of it went well.  A key out of
 * order is AL_INVALID: such bytes would be hashed as one thing here and as
 * another by whoever checks them.
 */
AlStatus
al_canon_jcs_end(AlCanonJcs *jcs, AlError *err)
{
	AlStatus	status = AL_OK;

	if (jcs->last_key == NULL)
		al_buf_append_char(jcs->out, '{');
	al_buf_append_char(jcs->out, '}');
	if (jcs->misordered)
		status = al_status_fail(err, AL_INVALID, "keys are not in order");
	return finish(status, jcs->out, jcs->start, err);
}
