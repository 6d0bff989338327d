/*
 * src/verify/config.h
 *
 * The command line.
 */
#ifndef AUDIT_LOG_CONFIG_H
#define AUDIT_LOG_CONFIG_H

#include "notes.h"
#include "report.h"
#include "trust.h"

typedef struct AlConfig
{
	const char *conninfo;		/* NULL: the environment decides */
	const char *folder;			/* of exported files; NULL: a database */
	const char *save;			/* folder for what was read; NULL: none */
	bool		unsigned_notes; /* no key is given, on purpose */
	bool		done;			/* --help or --version was answered */
} AlConfig;

/* False: the command line is wrong, and the reason was told. */
extern bool al_config_read(int argc, char **argv, AlConfig *config,
						   AlTrust *trust, AlNotes *notes, AlReport *report);

#endif							/* AUDIT_LOG_CONFIG_H */
