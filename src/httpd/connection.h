/*
 * src/httpd/connection.h
 *
 * The connections of clients, each with its deadline.
 */
#ifndef AUDIT_LOG_CONNECTION_H
#define AUDIT_LOG_CONNECTION_H

#include <microhttpd.h>
#include <stdbool.h>

#include "config.h"

/* NULL where a function takes one: there was no memory for it. */
typedef struct AlConnection AlConnection;

extern void al_connection_init(const AlConfig *config);
extern void al_connection_notify(void *cls, struct MHD_Connection *mhd,
								 void **state,
								 enum MHD_ConnectionNotificationCode what);
extern int	al_connection_socket(const AlConnection *connection);
extern void al_connection_set_deadline(AlConnection *connection, bool on);
extern void al_connection_acknowledge(const AlConnection *connection);
extern void al_connection_cut_slow(void);
extern void al_connection_drain(void);
extern bool al_connection_is_draining(void);

#endif							/* AUDIT_LOG_CONNECTION_H */
