/*
 * src/core/redact_form.c
 *
 * Removal of fields from application/x-www-form-urlencoded bodies, and what
 * other forms need to know about the keys of fields.
 *
 * The keys a[b] and a.b are the path a, b, for both kinds of name; empty and
 * numeric steps count as array indexes.
 */
#include <stdint.h>
#include <string.h>

#include "json.h"
#include "redact.h"
#include "removal.h"

/*
 * Appends a key with its %XX decoded, and "+" too if that is a space here.  A
 * % without two digits stands for itself.
 */
void
al_redact_form_decode(const char *key, size_t len, bool plus, AlBuf *out)
{
	const char *end = key + len;

	while (key < end)
	{
		const char *from = key;
		char		c;

		while (key < end && *key != '%' && (*key != '+' || !plus))
			key++;
		al_buf_append(out, from, (size_t) (key - from));
		if (key == end)
			break;
		c = *key == '+' ? ' ' : '%';
		if (c == '%' && end - key > 2)
		{
			int			high = al_json_hex_digit(key[1]);
			int			low = al_json_hex_digit(key[2]);

			if (high >= 0 && low >= 0)
			{
				c = (char) (high << 4 | low);
				key += 2;
			}
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

/*
 * The rule that removes a field with this decoded key, or AL_REDACT_NO_NAME:
 * the key is looked up as it is, then step by step.
 */
uint32_t
al_redact_form_find(const AlRedactRules *rules, const char *key, size_t len)
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
look_up_pair(const AlRemoval *removal, const char *pair, size_t len,
			 AlBuf *scratch, uint32_t *name, AlError *err)
{
	const char *equals = memchr(pair, '=', len);
	size_t		key_len = equals ? (size_t) (equals - pair) : len;

	if (memchr(pair, '%', key_len) == NULL &&
		memchr(pair, '+', key_len) == NULL)
	{
		*name = al_redact_form_find(removal->rules, pair, key_len);
		return AL_OK;
	}
	al_buf_reset(scratch);
	al_redact_form_decode(pair, key_len, true, scratch);
	*name = AL_REDACT_NO_NAME;
	if (scratch->failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	*name = al_redact_form_find(removal->rules, scratch->data, scratch->len);
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
	AlRemoval	removal;
	AlBuf		scratch = {0};
	AlStatus	status = AL_OK;
	bool		kept = false;
	size_t		from;
	size_t		next;

	al_removal_begin(&removal, rules, body, out, removed);
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
		al_removal_keep_until(&removal, kept ? from - 1 : from);
		removal.copied = kept ? end : next;
		status = al_removal_note(&removal, name, err);
	}
	al_buf_free(&scratch);
	return al_removal_finish(&removal, status, len, changed, err);
}
