/*
 * src/core/status.h
 *
 * How functions of src/core report failure: a code for the caller to branch
 * on and a reason for people to read.  Nothing in src/core throws, prints or
 * exits; the backend turns a failure into ereport(), a program into its own
 * message.
 */
#ifndef AUDIT_LOG_STATUS_H
#define AUDIT_LOG_STATUS_H

typedef enum AlStatus
{
	AL_OK = 0,
	AL_INVALID,					/* the input is not what it claims to be */
	AL_UNSUPPORTED,				/* well-formed, but of a kind we refuse */
	AL_MISMATCH,				/* a signature, hash or proof does not fit */
	AL_NO_MEMORY,
	AL_FAILED					/* a library refused; see the reason */
} AlStatus;

/* Reason of a failure: lower case, no period, never holds secret bytes. */
typedef struct AlError
{
	char		reason[256];
} AlError;

/*
 * Writes the reason into err, which may be NULL, and returns the status, so
 * that a failing function can end with one statement.
 */
extern AlStatus al_status_fail(AlError *err, AlStatus status,
							   const char *format,...)
			__attribute__((format(printf, 3, 4)));

#endif							/* AUDIT_LOG_STATUS_H */
