/*
 * src/httpd/listen.h
 *
 * The socket that takes connections.
 */
#ifndef AUDIT_LOG_LISTEN_H
#define AUDIT_LOG_LISTEN_H

#include "config.h"

extern int	al_listen_open(const AlConfig *config);
extern unsigned int al_listen_port(int listener);

#endif							/* AUDIT_LOG_LISTEN_H */
