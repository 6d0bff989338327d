/*
 * src/core/redact_multipart.c
 *
 * Removal of fields from multipart/form-data bodies (RFC 7578).
 *
 * A field that has a name to remove goes with its delimiter line and its
 * headers.  In one that stays, a value that is JSON is searched as if it were
 * a member of that name.
 *
 * The boundary is the first line's: the header that declares it is not here.
 * A body that can be read in more than one way, such as one that holds another
 * such body, is AL_UNSUPPORTED, because a reader that takes it differently
 * would find a field where none is seen here.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "redact.h"
#include "removal.h"

#define MAX_BOUNDARY 200		/* bytes; RFC 2046 allows 70 */

/* A delimiter line. */
typedef struct Delimiter
{
	size_t		start;			/* of its "--" */
	size_t		end;			/* after its end of line */
	bool		last;			/* closes the body */
} Delimiter;

typedef struct Text
{
	const char *data;
	size_t		len;
} Text;

static bool
begins_with(Text text, const char *word)
{
	size_t		len = strlen(word);

	return text.len >= len && strncasecmp(text.data, word, len) == 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The line at "from", without its end, which is at *next. */
static Text
read_line(const char *body, size_t len, size_t from, size_t *next)
{
	const char *end = memchr(body + from, '\n', len - from);
	size_t		to = end ? (size_t) (end - body) : len;
	Text		line = {body + from, to - from};

	*next = end ? from + line.len + 1 : len;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* Finds the first delimiter line that begins at "from" or later. */
static bool
find_delimiter(const char *body, size_t len, size_t from, Text boundary,
			   Delimiter *found)
{
	const char *at = body + from;

	while ((at = memchr(at, '-', len - (size_t) (at - body))) != NULL)
	{
		size_t		start = (size_t) (at - body);
		Text		line;
		size_t		i;

		at++;
		if (start > 0 && body[start - 1] != '\n')
			continue;
		line = read_line(body, len, start, &found->end);
		if (line.len < boundary.len + 2 || line.data[1] != '-' ||
			memcmp(line.data + 2, boundary.data, boundary.len) != 0)
			continue;
		i = boundary.len + 2;
		found->start = start;
		found->last = line.len - i >= 2 && memcmp(line.data + i, "--", 2) == 0;
		if (found->last)
			i += 2;
		while (i < line.len && is_blank(line.data[i]))
			i++;
		if (i == line.len)
			return true;
	}
	return false;
}

/* The boundary, if the first line is a delimiter and the next a header. */
static bool
find_boundary(const char *body, size_t len, Text *boundary)
{
	size_t		next;
	size_t		ignored;
	size_t		start = 0;
	Text		line;

	while (start < len && (body[start] == '\r' || body[start] == '\n'))
		start++;
	line = read_line(body, len, start, &next);
	while (line.len > 0 && is_blank(line.data[line.len - 1]))
		line.len--;
	if (line.len < 3 || line.len > MAX_BOUNDARY + 2 ||
		memcmp(line.data, "--", 2) != 0 ||
		!begins_with(read_line(body, len, next, &ignored), "content-"))
		return false;
	boundary->data = line.data + 2;
	boundary->len = line.len - 2;
	return true;
}

/*
 * Takes the next parameter off a header: its name, and its value without
 * quotes but with its escapes.
 */
static bool
next_parameter(Text *header, Text *name, Text *value)
{
	const char *at = header->data;
	const char *end = at + header->len;

	at = memchr(at, ';', (size_t) (end - at));
	if (at == NULL)
		return false;
	for (at++; at < end && is_blank(*at); at++)
		;
	name->data = at;
	while (at < end && *at != '=' && *at != ';')
		at++;
	name->len = (size_t) (at - name->data);
	while (name->len > 0 && is_blank(name->data[name->len - 1]))
		name->len--;
	value->data = at;
	value->len = 0;
	if (at < end && *at == '=')
	{
		for (at++; at < end && is_blank(*at); at++)
			;
		value->data = at;
		if (at < end && *at == '"')
		{
			value->data = ++at;
			while (at < end && *at != '"')
				at += *at == '\\' && end - at > 1 ? 2 : 1;
			value->len = (size_t) (at - value->data);
		}
		else
		{
			while (at < end && *at != ';')
				at++;
			value->len = (size_t) (at - value->data);
			while (value->len > 0 && is_blank(value->data[value->len - 1]))
				value->len--;
		}
	}
	header->data = at;
	header->len = (size_t) (end - at);
	return true;
}

/*
 * Looks up the name of a field in each way that receivers read it: as it is,
 * with %XX decoded, which browsers write for a quote, and with backslashes
 * removed.
 */
static uint32_t
find_field(const AlRedactRules *rules, Text value, AlBuf *scratch)
{
	uint32_t	name = al_redact_form_find(rules, value.data, value.len);
	size_t		i;

	if (name == AL_REDACT_NO_NAME &&
		memchr(value.data, '%', value.len) != NULL)
	{
		al_buf_reset(scratch);
		al_redact_form_decode(value.data, value.len, false, scratch);
		if (!scratch->failed)
			name = al_redact_form_find(rules, scratch->data, scratch->len);
	}
	if (name == AL_REDACT_NO_NAME &&
		memchr(value.data, '\\', value.len) != NULL)
	{
		al_buf_reset(scratch);
		for (i = 0; i < value.len; i++)
		{
			if (value.data[i] == '\\' && i + 1 < value.len)
				i++;
			al_buf_append_char(scratch, value.data[i]);
		}
		if (!scratch->failed)
			name = al_redact_form_find(rules, scratch->data, scratch->len);
	}
	return name;
}

/* What a Content-Disposition header says: a rule, and the field's name. */
static AlStatus
read_disposition(const AlRedactRules *rules, Text header, AlBuf *scratch,
				 uint32_t *rule, Text *field, AlError *err)
{
	Text		name;
	Text		value;

	while (*rule == AL_REDACT_NO_NAME &&
		   next_parameter(&header, &name, &value))
	{
		if (!begins_with(name, "name"))
			continue;
		if (name.len > 4 && name.data[4] == '*')
		{
			const char *quote = memchr(value.data, '\'', value.len);

			/* A name in pieces, which some receivers put together */
			if (name.len > 5)
				return al_status_fail(err, AL_UNSUPPORTED,
									  "field name in pieces");
			if (quote)
				quote = memchr(quote + 1, '\'',
							   value.len - (size_t) (quote + 1 - value.data));
			if (quote)
			{
				value.len -= (size_t) (quote + 1 - value.data);
				value.data = quote + 1;
			}
		}
		else if (name.len > 4)
			continue;
		*field = value;
		*rule = find_field(rules, value, scratch);
		if (scratch->failed)
			return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	}
	return AL_OK;
}

/*
 * Reads the headers of a part up to "end"; its content begins at *content.  A
 * header may go on in lines that begin with a blank: joined, it is in
 * "unfolded".
 */
static AlStatus
read_headers(const AlRedactRules *rules, const char *body, size_t from,
			 size_t end, size_t *content, AlBuf *unfolded, AlBuf *scratch,
			 uint32_t *rule, Text *field, AlError *err)
{
	AlStatus	status = AL_OK;
	bool		found = false;

	*content = from;
	while (from < end && status == AL_OK)
	{
		Text		line = read_line(body, end, from, &from);

		*content = from;
		if (line.len == 0)
			break;
		if (!begins_with(line, "content-disposition"))
			continue;
		if (found)
			return al_status_fail(err, AL_UNSUPPORTED, "field with two names");
		found = true;
		if (from < end && is_blank(body[from]))
		{
			al_buf_append(unfolded, line.data, line.len);
			while (from < end && is_blank(body[from]))
			{
				line = read_line(body, end, from, &from);
				al_buf_append(unfolded, line.data, line.len);
			}
			*content = from;
			if (unfolded->failed)
				return al_status_fail(err, AL_NO_MEMORY, "out of memory");
			line.data = unfolded->data;
			line.len = unfolded->len;
		}
		status = read_disposition(rules, line, scratch, rule, field, err);
	}
	return status;
}

/* Searches the value of a part that stays. */
static AlStatus
read_value(AlRemoval *removal, size_t from, size_t end, Text field,
		   AlError *err)
{
	const char *value = removal->input + from;
	AlBuf		left = {0};
	bool		changed;
	bool		suspect;
	AlStatus	status;

	status = al_redact_json_at(removal->rules, field.data, field.len, false,
							   value, end - from, &left, removal->removed,
							   &changed, err);
	if (status == AL_OK && changed)
	{
		al_removal_keep_until(removal, from);
		al_buf_append(removal->out, left.data, left.len);
		removal->copied = end;
		removal->changed = true;
	}
	al_buf_free(&left);
	if (status != AL_INVALID)
		return status;
	if (al_redact_holds_field(value, end - from))
		return al_status_fail(err, AL_UNSUPPORTED, "field within a field");
	status = al_redact_suspect(removal->rules, value, end - from,
							   removal->removed, &suspect, err);
	if (status == AL_OK && suspect)
	{
		al_removal_keep_until(removal, from);
		removal->copied = end;
		removal->changed = true;
	}
	return status;
}

static AlStatus
read_parts(AlRemoval *removal, size_t len, Text boundary, AlBuf *unfolded,
		   AlBuf *scratch, AlError *err)
{
	const char *body = removal->input;
	Delimiter	here;
	Delimiter	next;
	bool		more = find_delimiter(body, len, 0, boundary, &here);
	AlStatus	status = AL_OK;
	size_t		i;

	while (more && !here.last && status == AL_OK)
	{
		uint32_t	rule = AL_REDACT_NO_NAME;
		Text		field = {NULL, 0};
		size_t		end;
		size_t		content;

		more = find_delimiter(body, len, here.end, boundary, &next);
		if (!more)
			next.start = len;
		al_buf_reset(unfolded);
		status = read_headers(removal->rules, body, here.end, next.start,
							  &content, unfolded, scratch, &rule, &field, err);
		/* The end of line before a delimiter belongs to it. */
		end = next.start;
		if (more && end > content)
			end--;
		if (more && end > content && body[end - 1] == '\r')
			end--;
		if (status == AL_OK && rule != AL_REDACT_NO_NAME)
		{
			al_removal_keep_until(removal, here.start);
			removal->copied = next.start;
			status = al_removal_note(removal, rule, err);
		}
		else if (status == AL_OK)
			status = read_value(removal, content, end, field, err);
		here = next;
	}
	for (i = more ? here.end : len; i < len && status == AL_OK; i++)
	{
		if (!is_blank(body[i]) && body[i] != '\r' && body[i] != '\n')
			status = al_status_fail(err, AL_UNSUPPORTED, "text after the end");
	}
	return status;
}

/*
 * Removes from a multipart/form-data body the fields whose key has a name to
 * remove.  AL_INVALID: it is none.  AL_UNSUPPORTED: it is one, and nobody can
 * say what its fields are.
 */
AlStatus
al_redact_multipart(const AlRedactRules *rules, const char *body, size_t len,
					AlBuf *out, AlBuf *removed, bool *changed, AlError *err)
{
	AlRemoval	removal;
	AlBuf		unfolded = {0};
	AlBuf		scratch = {0};
	AlStatus	status;
	Text		boundary;

	al_removal_begin(&removal, rules, body, out, removed);
	if (len > 0 && find_boundary(body, len, &boundary))
		status = read_parts(&removal, len, boundary, &unfolded, &scratch, err);
	else
		status = al_status_fail(err, AL_INVALID, "not multipart");
	al_buf_free(&unfolded);
	al_buf_free(&scratch);
	return al_removal_finish(&removal, status, len, changed, err);
}
