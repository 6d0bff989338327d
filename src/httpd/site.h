/*
 * src/httpd/site.h
 *
 * Keeping other web sites out of a browser's reach.
 */
#ifndef AUDIT_LOG_SITE_H
#define AUDIT_LOG_SITE_H

#include <microhttpd.h>
#include <stdbool.h>

#include "config.h"

extern bool al_site_is_ours(const AlConfig *config,
							struct MHD_Connection *mhd);

#endif							/* AUDIT_LOG_SITE_H */
