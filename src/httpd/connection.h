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
#include "syntax.h"

struct AlRequest;				/* see request.h */

/* NULL where a function takes one: there was no memory for it. */
typedef struct AlConnection AlConnection;

extern void al_connection_init(const AlConfig *config);
extern void al_connection_open(struct MHD_Connection *mhd, void **state);
extern void al_connection_close(AlConnection *connection);
extern struct AlRequest *al_connection_request(const AlConnection *connection);
extern void al_connection_set_request(AlConnection *connection,
									  struct AlRequest *request);
extern int	al_connection_socket(const AlConnection *connection);
extern void al_connection_set_deadline(AlConnection *connection, bool on);
extern const char *al_connection_method(const AlConnection *connection);
extern bool al_connection_is_refused(const AlConnection *connection);
extern void al_connection_say_last(AlConnection *connection, const char *bytes,
								   size_t len);
extern void al_connection_refuse(AlConnection *connection, AlFault fault,
								 bool linger);
extern void al_connection_acknowledge(const AlConnection *connection);
extern void al_connection_cut_slow(void);
extern void al_connection_drain(void);
extern bool al_connection_is_draining(void);

#endif							/* AUDIT_LOG_CONNECTION_H */
