/*
 * src/backend/notetext.c
 *
 * Signed notes and what holds them, which are UTF-8, as text of the database.
 *
 * Their bytes are signed or compared, so nothing may be lost on the way to
 * text and back.  All of them is ASCII, or came from text, but for the em dash
 * that signature lines begin with: most encodings do not have it.  Where the
 * database's is one of those a hyphen takes its place in text.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "core/note.h"

#include "glue.h"
#include "notetext.h"
#include "utf8.h"

/* Can text of this database hold the dash, and be read as it again? */
static bool
holds_dash(void)
{
	const char *text;
	const char *back;

	if (GetDatabaseEncoding() == PG_UTF8 ||
		GetDatabaseEncoding() == PG_SQL_ASCII)
		return true;
	text = al_utf8_to_text(AL_NOTE_DASH, strlen(AL_NOTE_DASH));
	back = text ? al_utf8_from_text(text, strlen(text)) : NULL;
	return back && strcmp(back, AL_NOTE_DASH) == 0;
}

static char *
replace_dashes(const char *text, const char *from, const char *to)
{
	AlBuf		buf = {0};

	al_note_replace_dashes(text, strlen(text), from, to, &buf);
	return al_glue_text(AL_OK, NULL, &buf);
}

/*
 * A note as text.  What came from elsewhere, and text cannot hold, is shown
 * with question marks.
 */
char *
al_notetext_show(const char *note)
{
	char	   *copy = holds_dash() ? pstrdup(note) :
		replace_dashes(note, AL_NOTE_DASH, AL_NOTE_PLAIN_DASH);
	char	   *text = al_utf8_to_text(copy, strlen(copy));

	if (text)
		return text;
	for (char *p = copy; *p; p++)
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	return copy;
}

/*
 * The note that is shown so, here or in a database of another encoding that
 * this one was restored from.  Text that has no UTF-8 form is no note.
 */
char *
al_notetext_read(const char *text)
{
	const char *utf8 = al_utf8_from_text(text, strlen(text));

	return utf8 ? replace_dashes(utf8, AL_NOTE_PLAIN_DASH, AL_NOTE_DASH) :
		pstrdup(text);
}
