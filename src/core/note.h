/*
 * src/core/note.h
 *
 * Signed notes: a text and lines that sign it, each by one named key.
 *
 * A note is the text, an empty line, and the signature lines; the text ends
 * in a newline, which is signed.  To write one, append the text, a newline,
 * and what al_note_sign() makes for each key.
 *
 * Nothing of a note may be believed before al_note_verify() said AL_OK.
 */
#ifndef AUDIT_LOG_NOTE_H
#define AUDIT_LOG_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "crypto.h"
#include "status.h"

#define AL_NOTE_DASH "\xe2\x80\x94 "	/* begins a signature line: U+2014 */
#define AL_NOTE_PLAIN_DASH "- " /* in its place where text cannot hold it */
#define AL_NOTE_KEY_ID_LEN 4
#define AL_NOTE_NAME_MAX 255	/* bytes of the name of a key of ours */
#define AL_NOTE_MAX_LINES 100	/* signature lines of one note */
#define AL_NOTE_SIGNATURE_MAX 8192	/* bytes of a signature, also unknown */

/* A key that signs notes under a name */
typedef struct AlNoteKey
{
	char		name[AL_NOTE_NAME_MAX + 1];
	uint8_t		id[AL_NOTE_KEY_ID_LEN];
	AlPublicKey *key;
	bool		owned;			/* al_note_free_key() frees key too */
} AlNoteKey;

/* A note taken apart; points into it */
typedef struct AlNote
{
	const char *text;			/* signed; ends in a newline */
	size_t		text_len;
	const char *lines;			/* signature lines, each with its newline */
	size_t		lines_len;
} AlNote;

typedef struct AlNoteSignature
{
	const char *name;			/* points into the line */
	size_t		name_len;
	uint8_t		id[AL_NOTE_KEY_ID_LEN];
	uint8_t		bytes[AL_NOTE_SIGNATURE_MAX];
	size_t		len;
} AlNoteSignature;

/* Names and keys */
extern AlStatus al_note_check_name(const char *name, size_t len,
								   AlError *err);
extern AlStatus al_note_use_key(const char *name, AlPublicKey *public_key,
								AlNoteKey *key, AlError *err);
extern AlStatus al_note_parse_verifier(const char *text, size_t len,
									   AlNoteKey *key, AlError *err);
extern AlStatus al_note_format_verifier(const AlNoteKey *key, AlBuf *out);
extern void al_note_free_key(AlNoteKey *key);

/* Notes */
extern AlStatus al_note_sign(const char *name, AlKey *key, const char *text,
							 size_t len, AlBuf *line, AlError *err);
extern AlStatus al_note_split(const char *note, size_t len, AlNote *parts,
							  AlError *err);
extern AlStatus al_note_parse_line(const char *line, size_t len,
								   AlNoteSignature *signature, AlError *err);
extern AlStatus al_note_verify_line(const char *text, size_t text_len,
									const char *line, size_t line_len,
									const AlNoteKey *keys, int n_keys,
									int *which, AlError *err);
extern void al_note_replace_dashes(const char *text, size_t len,
								   const char *from, const char *to,
								   AlBuf *out);
extern AlStatus al_note_verify(const char *note, size_t len,
							   const AlNoteKey *keys, int n_keys,
							   AlNote *parts, bool *signed_by, AlError *err);

#endif							/* AUDIT_LOG_NOTE_H */
