/*
 * src/httpd/handle.h
 *
 * The way of a request: what libmicrohttpd calls.
 */
#ifndef AUDIT_LOG_HANDLE_H
#define AUDIT_LOG_HANDLE_H

#include <microhttpd.h>

#include "config.h"

extern void al_handle_init(const AlConfig *config);
extern void *al_handle_begin(void *cls, const char *target,
							 struct MHD_Connection *mhd);
extern enum MHD_Result al_handle_request(void *cls, struct MHD_Connection *mhd,
										 const char *url, const char *method,
										 const char *version,
										 const char *upload,
										 size_t *upload_len, void **state);
extern void al_handle_end(void *cls, struct MHD_Connection *mhd, void **state,
						  enum MHD_RequestTerminationCode how);
extern void al_handle_connection(void *cls, struct MHD_Connection *mhd,
								 void **state,
								 enum MHD_ConnectionNotificationCode what);

#endif							/* AUDIT_LOG_HANDLE_H */
