/*
 * src/core/removal.c
 *
 * What every kind of body has in common when something is taken out of it.
 */
#include <stdlib.h>
#include <string.h>

#include "removal.h"

void
al_removal_begin(AlRemoval *removal, const AlRedactRules *rules,
				 const char *input, AlBuf *out, AlBuf *removed)
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
void
al_removal_keep_until(AlRemoval *removal, size_t pos)
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

/* Adds a name to a list of removed ones, unless it is there. */
void
al_removal_list(AlBuf *removed, const char *name)
{
	size_t		len = strlen(name);

	if (is_listed(removed, name, len))
		return;
	if (removed->len > 0)
		al_buf_append_char(removed, ',');
	al_buf_append(removed, name, len);
}

/* Adds the name of a rule that removed something to the list, once. */
AlStatus
al_removal_note(AlRemoval *removal, uint32_t name, AlError *err)
{
	const char *text = al_redact_rules_name(removal->rules, name);

	removal->changed = true;
	if (removal->seen == NULL)
		removal->seen = calloc(al_redact_rules_count(removal->rules), 1);
	if (removal->seen == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	if (removal->seen[name])
		return AL_OK;
	removal->seen[name] = 1;
	al_removal_list(removal->removed, text);
	return AL_OK;
}

/* Copies the rest, or takes everything back if "status" is a failure. */
AlStatus
al_removal_finish(AlRemoval *removal, AlStatus status, size_t len,
				  bool *changed, AlError *err)
{
	free(removal->seen);
	if (status == AL_OK && removal->changed)
		al_removal_keep_until(removal, len);
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
