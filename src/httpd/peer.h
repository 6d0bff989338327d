/*
 * src/httpd/peer.h
 *
 * The address of a client.
 */
#ifndef AUDIT_LOG_PEER_H
#define AUDIT_LOG_PEER_H

#include <arpa/inet.h>
#include <microhttpd.h>

#include "config.h"

extern void al_peer_find(const AlConfig *config, struct MHD_Connection *mhd,
						 char peer[INET6_ADDRSTRLEN]);

#endif							/* AUDIT_LOG_PEER_H */
