/*
 * src/httpd/counters.c
 *
 * What is counted; see counters.h.
 */
#include "counters.h"

AlCounters	al_counters;
