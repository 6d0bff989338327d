/*
 * src/core/redact.c
 *
 * Removal of keys from JSON texts.  What the rules mean is explained in
 * redact_rules.h.
 *
 * A removed member goes with all that it holds, one comma and the whitespace
 * around that; every other byte stays as it is.
 */
#include <stdint.h>
#include <string.h>

#include "json.h"
#include "redact.h"
#include "removal.h"

/* An object that is being read. */
typedef struct Frame
{
	uint32_t	node;			/* where its keys are looked up */
	uint32_t	child;			/* the same for the member being read */
	bool		kept;			/* a member before was not removed */
} Frame;

/* Looks up a key token.  One that is no text, having half a pair, is kept. */
static AlStatus
look_up_token(const AlRemoval *removal, uint32_t node,
			  const AlJsonToken *token, AlBuf *scratch, uint32_t *name,
			  uint32_t *child, AlError *err)
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
read_json(AlRemoval *removal, AlJsonReader *reader, uint32_t root,
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
				al_removal_keep_until(removal,
									  frame.kept ? last_end : token.start);
				status = skip_value(reader, &token, err);
				if (status == AL_OK)
					status = al_removal_note(removal, name, err);
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
 * the caller's business; see al_redact_rules_match().  With any_bytes strings
 * and keys may hold what is not UTF-8.
 */
AlStatus
al_redact_json_at(const AlRedactRules *rules, const char *prefix,
				  size_t prefix_len, bool any_bytes, const char *json,
				  size_t len, AlBuf *out, AlBuf *removed, bool *changed,
				  AlError *err)
{
	uint32_t	root = AL_REDACT_ROOT;
	AlRemoval	removal;
	AlJsonReader reader;
	AlBuf		frames = {0};
	AlBuf		scratch = {0};
	AlStatus	status;

	al_removal_begin(&removal, rules, json, out, removed);
	if (prefix != NULL)
		al_redact_rules_find(rules, AL_REDACT_ROOT, prefix, prefix_len, &root);
	al_json_start(&reader, json, len);
	al_json_skip_mark(&reader);
	reader.any_bytes = any_bytes;
	status = read_json(&removal, &reader, root, &frames, &scratch, err);
	al_json_free(&reader);
	al_buf_free(&frames);
	al_buf_free(&scratch);
	return al_removal_finish(&removal, status, len, changed, err);
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
	return al_redact_json_at(rules, NULL, 0, false, json, len, out, removed,
							 changed, err);
}
