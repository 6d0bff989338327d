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

#include "bytes.h"
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

/* Fewer than eight bytes, but not none, as a word filled up with blanks */
static inline uint64_t
load_rest(const char *bytes, size_t n)
{
	uint64_t	blanks = ONES * ' ' << 8 * n;
	uint64_t	word;

	/* Two reads that overlap, of bytes that there are */
	if (n >= 4)
		word = al_load_le32(bytes) |
			(uint64_t) al_load_le32(bytes + n - 4) << 8 * (n - 4);
	else
		word = (uint64_t) (unsigned char) bytes[0] |
			(uint64_t) (unsigned char) bytes[n / 2] << 8 * (n / 2) |
			(uint64_t) (unsigned char) bytes[n - 1] << 8 * (n - 1);
	return word | blanks;
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

	al_store_le64(at, word);
	while (marks != 0)
	{
		int			skip = __builtin_ctzll(marks);

		at += skip / 8;
		word >>= skip;
		marks >>= skip;
		*at++ = '\\';
		al_store_le64(at, word);
		marks--;
		end++;
	}
	return end;
}

/* Writes n bytes of a string, which are also in a word, and escapes. */
static inline char *
write_quoted(char *at, const char *bytes, uint64_t word, size_t n)
{
	if (!has_control(word))
		return write_word(at, word, n);
	for (size_t i = 0; i < n; i++)
		if (al_json_is_plain(bytes[i]))
			*at++ = bytes[i];
		else
			at = write_escape(at, (unsigned char) bytes[i]);
	return at;
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
		const char *stop = len > CHUNK ? bytes + CHUNK : end;
		char	   *room = al_buf_reserve(out, CHUNK * 6 + 32);
		char	   *at = room;

		if (room == NULL)
			return;
		if (first)
			*at++ = '"';
		first = false;
		for (; stop - bytes >= 8; bytes += 8)
			at = write_quoted(at, bytes, al_load_le64(bytes), 8);
		if (bytes < stop)
			at = write_quoted(at, bytes,
							  load_rest(bytes, (size_t) (stop - bytes)),
							  (size_t) (stop - bytes));
		bytes = stop;
		len = (size_t) (end - bytes);
		if (len == 0)
			*at++ = '"';
		out->len += (size_t) (at - room);
	} while (len > 0);
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
 * Adds a key to a layout, which is zeroed before the first.  AL_INVALID if it
 * does not come after the one before, is too long or one too many, or holds
 * anything but letters, digits and "_".
 */
AlStatus
al_canon_jcs_lay_out(AlCanonLayout *layout, const char *key, AlError *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t		len = strlen(key);
	char	   *text = layout->text + layout->start[layout->count];

	if (strspn(key, plain) != len || layout->count == AL_CANON_LAYOUT_KEYS ||
		len + sizeof(",\"\":null") > AL_CANON_KEY_SIZE)
		return al_status_fail(err, AL_INVALID, "the key cannot be laid out");
	len = (size_t) snprintf(text, AL_CANON_KEY_SIZE, ",\"%s\":null", key);
	/* The quote that ends a key sorts before all that a key holds. */
	if (layout->count > 0 &&
		strcmp(layout->text + layout->start[layout->count - 1], text) >= 0)
		return al_status_fail(err, AL_INVALID, "keys are not in order");
	layout->count++;
	layout->start[layout->count] = layout->start[layout->count - 1] + len;
	return AL_OK;
}

/*
 * Starts the member with a number, up to its value, for which there is room
 * for value_len bytes and two quotes.  NULL if there is no memory.
 */
static inline char *
start_member(AlCanonJcs *jcs, const AlCanonLayout *layout, size_t member,
			 size_t value_len)
{
	const char *text = layout->text + layout->start[member];
	char	   *at = al_buf_reserve(jcs->out,
									AL_CANON_KEY_SIZE + value_len + 2);

	if (at == NULL)
		return NULL;
	/* More than the key, but always as much: faster, and never too much. */
	memcpy(at, text, AL_CANON_KEY_SIZE);
	if (jcs->last_key == NULL)
		at[0] = '{';
	jcs->last_key = text;
	return at + layout->start[member + 1] - layout->start[member] - 4;
}

/*
 * Appends a member, as al_canon_jcs_put() does.  An object has members of one
 * layout or keys of the caller; that members come in the order of the layout
 * is up to the caller.
 */
void
al_canon_jcs_put_at(AlCanonJcs *jcs, const AlCanonLayout *layout,
					size_t member, const char *value, size_t value_len)
{
	char	   *at = start_member(jcs, layout, member, 0);

	if (at == NULL)
		return;
	jcs->out->len = (size_t) (at - jcs->out->data);
	append_quoted(jcs->out, value, value_len);
}

/* The same for a value that holds nothing that is escaped. */
void
al_canon_jcs_put_plain(AlCanonJcs *jcs, const AlCanonLayout *layout,
					   size_t member, const char *value, size_t value_len)
{
	char	   *at = start_member(jcs, layout, member, value_len);

	if (at == NULL)
		return;
	*at++ = '"';
	memcpy(at, value, value_len);
	at[value_len] = '"';
	jcs->out->len = (size_t) (at + value_len + 1 - jcs->out->data);
}

/* Appends count members that are null. */
void
al_canon_jcs_put_nulls(AlCanonJcs *jcs, const AlCanonLayout *layout,
					   size_t member, size_t count)
{
	const char *text = layout->text + layout->start[member];
	size_t		len = layout->start[member + count] - layout->start[member];
	char	   *at = al_buf_reserve(jcs->out, len);

	if (at == NULL || count == 0)
		return;
	memcpy(at, text, len);
	if (jcs->last_key == NULL)
		at[0] = '{';
	jcs->last_key = text;
	jcs->out->len += len;
}

/*
 * Appends members that another writer printed, from where one of them began
 * to where one ended.
 */
void
al_canon_jcs_put_printed(AlCanonJcs *jcs, const char *members, size_t len)
{
	if (len == 0)
		return;
	al_buf_append(jcs->out, members, len);
	jcs->last_key = members;
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
