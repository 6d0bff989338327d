#include "postgres.h"

#include "keys.h"

bool
al_keys_check_signing_key(char **newval, void **extra, GucSource source)
{
	return true;
}

void
al_keys_assign_signing_key(const char *newval, void *extra)
{
}
