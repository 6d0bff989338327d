/*
 * src/core/redact.c
 *
 * Removal of keys from JSON texts and form bodies.  What the rules mean is
 * explained in redact_rules.h.
 *
 * A removed member goes with all that it holds, one comma and the whitespace
 * around that; every other byte stays as it is.  That is why this is done on
 * the text: a parsed and printed body would no longer be what was sent.
 *
 * In a form body the keys a[b] and a.b are the path a, b, for both kinds of
 * name; empty and numeric steps count as array indexes.
 *
 * Bodies come from anybody and may be large: all work is linear in the size
 * of the input and none of it recursive.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "redact.h"

/* Where a removal is noted; common to all kinds of input. */
typedef struct Removal
{
	const AlRedactRules *rules;
	const char *input;
	size_t		copied;			/* input up to here was copied or cut */
	AlBuf	   *out;
	AlBuf	   *removed;
	size_t		out_start;
	size_t		removed_start;
	unsigned char *seen;		/* by name; allocated at the first removal */
	bool		changed;
} Removal;

/* An object that is being read. */
typedef struct Frame
{
	uint32_t	node;			/* where its keys are looked up */
	uint32_t	child;			/* the same for the member being read */
	bool		kept;			/* a member before was not removed */
} Frame;

static void
begin(Removal *removal, const AlRedactRules *rules, const char *input,
	  AlBuf *out, AlBuf *removed)
{
	memset(removal, 0, sizeof(*removal));
	removal->rules = rules;
	removal->input = input;
	removal->out = out;
	removal->removed = removed;
	removal->out_start = out->len;
	removal->removed_start = removed->len;
}

/* Copies the input before a place where a removal begins. */
static void
keep_until(Removal *removal, size_t pos)
{
	al_buf_append(removal->out, removal->input + removal->copied,
				  pos - removal->copied);
	removal->copied = pos;
}

static bool
is_listed(const AlBuf *removed, const char *name, size_t len)
{
	const char *at = removed->data;
	size_t		left = removed->len;

	while (left > 0)
	{
		const char *comma = memchr(at, ',', left);
		size_t		item = comma ? (size_t) (comma - at) : left;

		if (item == len && memcmp(at, name, len) == 0)
			return true;
		if (comma == NULL)
			break;
		at += item + 1;
		left -= item + 1;
	}
	return false;
}

static AlStatus
note_removal(Removal *removal, uint32_t name, AlError *err)
{
	const char *text = al_redact_rules_name(removal->rules, name);
	size_t		len = strlen(text);

	removal->changed = true;
	if (removal->seen == NULL)
		removal->seen = calloc(al_redact_rules_count(removal->rules), 1);
	if (removal->seen == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	if (removal->seen[name])
		return AL_OK;
	removal->seen[name] = 1;
	if (is_listed(removal->removed, text, len))
		return AL_OK;
	if (removal->removed->len > 0)
		al_buf_append_char(removal->removed, ',');
	al_buf_append(removal->removed, text, len);
	return AL_OK;
}

static AlStatus
finish(Removal *removal, AlStatus status, size_t len, bool *changed,
	   AlError *err)
{
	free(removal->seen);
	if (status == AL_OK && removal->changed)
		keep_until(removal, len);
	if (status == AL_OK && (removal->out->failed || removal->removed->failed))
		status = al_status_fail(err, AL_NO_MEMORY, "out of memory");
	if (status != AL_OK)
	{
		removal->out->len = removal->out_start;
		removal->removed->len = removal->removed_start;
	}
	*changed = status == AL_OK && removal->changed;
	return status;
}

/* Looks up a key token.  One that is no text, having half a pair, is kept. */
static AlStatus
look_up_token(const Removal *removal, uint32_t node, const AlJsonToken *token,
			  AlBuf *scratch, uint32_t *name, uint32_t *child, AlError *err)
{
	AlStatus	status;

	*child = AL_REDACT_NOWHERE;
	if (!token->escaped)
	{
		*name = al_redact_rules_find(removal->rules, node,
									 removal->input + token->start + 1,
									 token->end - token->start - 2, child);
		return AL_OK;
	}
	al_buf_reset(scratch);
	status = al_json_decode(removal->input, token, true, scratch, err);
	*name = AL_REDACT_NO_NAME;
	if (status == AL_OK)
		*name = al_redact_rules_find(removal->rules, node, scratch->data,
									 scratch->len, child);
	return status == AL_INVALID ? AL_OK : status;
}

/* Reads the value after a key; token becomes its last one. */
static AlStatus
skip_value(AlJsonReader *reader, AlJsonToken *token, AlError *err)
{
	size_t		depth = reader->depth;
	AlStatus	status;

	do
		status = al_json_next(reader, token, err);
	while (status == AL_OK && reader->depth > depth);
	return status;
}

/*
 * Goes through the tokens.  A member that follows one that stays is cut from
 * the end of the value before it, comma included; one that does not, up to
 * the token after it, which is the next key or the closing brace.
 */
static AlStatus
read_json(Removal *removal, AlJsonReader *reader, uint32_t root,
		  AlBuf *frames, AlBuf *scratch, AlError *err)
{
	AlJsonToken token;
	Frame		frame = {AL_REDACT_NOWHERE, root, false};
	size_t		last_end = 0;	/* of the token before */
	bool		cutting = false;	/* up to the next token */
	uint32_t	name;
	AlStatus	status;

	while ((status = al_json_next(reader, &token, err)) == AL_OK &&
		   token.kind != AL_JSON_END)
	{
		if (cutting)
			removal->copied = token.start;
		cutting = false;
		switch (token.kind)
		{
			case AL_JSON_OBJECT_START:
				al_buf_append(frames, &frame, sizeof(frame));
				if (frames->failed)
					return al_status_fail(err, AL_NO_MEMORY, "out of memory");
				frame.node = frame.child;
				frame.kept = false;
				break;
			case AL_JSON_OBJECT_END:
				frames->len -= sizeof(frame);
				memcpy(&frame, frames->data + frames->len, sizeof(frame));
				break;
			case AL_JSON_KEY:
				status = look_up_token(removal, frame.node, &token, scratch,
									   &name, &frame.child, err);
				if (status != AL_OK)
					return status;
				if (name == AL_REDACT_NO_NAME)
				{
					frame.kept = true;
					break;
				}
				keep_until(removal, frame.kept ? last_end : token.start);
				status = skip_value(reader, &token, err);
				if (status == AL_OK)
					status = note_removal(removal, name, err);
				if (status != AL_OK)
					return status;
				removal->copied = token.end;
				cutting = !frame.kept;
				break;
			default:
				break;
		}
		last_end = token.end;
	}
	return status;
}

/*
 * Removes from a JSON text that is the value of the root's member prefix: a
 * json column of a row.  That the prefix itself may be a name to remove is
 * the caller's business; see al_redact_rules_match().
 */
AlStatus
al_redact_json_at(const AlRedactRules *rules, const char *prefix,
				  size_t prefix_len, const char *json, size_t len, AlBuf *out,
				  AlBuf *removed, bool *changed, AlError *err)
{
	uint32_t	root = AL_REDACT_ROOT;
	Removal		removal;
	AlJsonReader reader;
	AlBuf		frames = {0};
	AlBuf		scratch = {0};
	AlStatus	status;

	begin(&removal, rules, json, out, removed);
	if (prefix != NULL)
		al_redact_rules_find(rules, AL_REDACT_ROOT, prefix, prefix_len, &root);
	al_json_start(&reader, json, len);
	al_json_skip_mark(&reader);
	status = read_json(&removal, &reader, root, &frames, &scratch, err);
	al_json_free(&reader);
	al_buf_free(&frames);
	al_buf_free(&scratch);
	return finish(&removal, status, len, changed, err);
}

/*
 * Removes from a JSON text.  Text that is not JSON is AL_INVALID whatever
 * the rules say, so that the caller learns to try it as a form.  A byte order
 * mark before it is let through, since receivers do that too.
 */
AlStatus
al_redact_json(const AlRedactRules *rules, const char *json, size_t len,
			   AlBuf *out, AlBuf *removed, bool *changed, AlError *err)
{
	return al_redact_json_at(rules, NULL, 0, json, len, out, removed, changed,
							 err);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Appends a form key decoded; a % without two digits stands for itself. */
static void
decode_form(const char *key, size_t len, AlBuf *out)
{
	const char *end = key + len;

	while (key < end)
	{
		const char *from = key;
		char		c;

		while (key < end && *key != '+' && *key != '%')
			key++;
		al_buf_append(out, from, (size_t) (key - from));
		if (key == end)
			break;
		c = *key == '+' ? ' ' : '%';
		if (c == '%' && end - key > 2 && hex_digit(key[1]) >= 0 &&
			hex_digit(key[2]) >= 0)
		{
			c = (char) (hex_digit(key[1]) << 4 | hex_digit(key[2]));
			key += 2;
		}
		al_buf_append_char(out, c);
		key++;
	}
}

static bool
is_index(const char *step, size_t len)
{
	size_t		i = 0;

	while (i < len && step[i] >= '0' && step[i] <= '9')
		i++;
	return i == len;
}

/* Looks up a decoded form key: as it is, then step by step. */
static uint32_t
look_up_form(const AlRedactRules *rules, const char *key, size_t len)
{
	uint32_t	node = AL_REDACT_ROOT;
	uint32_t	child;
	uint32_t	name = al_redact_rules_find(rules, node, key, len, &child);
	size_t		from = 0;
	size_t		i;

	for (i = 0; name == AL_REDACT_NO_NAME && i <= len; i++)
	{
		if (i < len && key[i] != '[' && key[i] != ']' && key[i] != '.')
			continue;
		name = al_redact_rules_find(rules, node, key + from, i - from, &child);
		if (child != AL_REDACT_NOWHERE || !is_index(key + from, i - from))
			node = child;
		from = i + 1;
	}
	return name;
}

/* Looks up the key of a pair, decoding it only if there is what to decode. */
static AlStatus
look_up_pair(const Removal *removal, const char *pair, size_t len,
			 AlBuf *scratch, uint32_t *name, AlError *err)
{
	const char *equals = memchr(pair, '=', len);
	size_t		key_len = equals ? (size_t) (equals - pair) : len;

	if (memchr(pair, '%', key_len) == NULL &&
		memchr(pair, '+', key_len) == NULL)
	{
		*name = look_up_form(removal->rules, pair, key_len);
		return AL_OK;
	}
	al_buf_reset(scratch);
	decode_form(pair, key_len, scratch);
	*name = AL_REDACT_NO_NAME;
	if (scratch->failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	*name = look_up_form(removal->rules, scratch->data, scratch->len);
	return AL_OK;
}

/*
 * Removes from an application/x-www-form-urlencoded body the pairs whose key
 * has a name to remove, each with one "&".  Any bytes will do as a form.
 */
AlStatus
al_redact_form(const AlRedactRules *rules, const char *body, size_t len,
			   AlBuf *out, AlBuf *removed, bool *changed, AlError *err)
{
	Removal		removal;
	AlBuf		scratch = {0};
	AlStatus	status = AL_OK;
	bool		kept = false;
	size_t		from;
	size_t		next;

	begin(&removal, rules, body, out, removed);
	for (from = 0; from < len && status == AL_OK; from = next)
	{
		const char *amp = memchr(body + from, '&', len - from);
		size_t		end = amp ? (size_t) (amp - body) : len;
		uint32_t	name = AL_REDACT_NO_NAME;

		next = amp ? end + 1 : len;
		status = look_up_pair(&removal, body + from, end - from, &scratch,
							  &name, err);
		if (status != AL_OK)
			break;
		if (name == AL_REDACT_NO_NAME)
		{
			kept = true;
			continue;
		}
		keep_until(&removal, kept ? from - 1 : from);
		removal.copied = kept ? end : next;
		status = note_removal(&removal, name, err);
	}
	al_buf_free(&scratch);
	return finish(&removal, status, len, changed, err);
}
