/*
 * src/backend/isotime.c
 *
 * Times as ISO 8601 (RFC 3339) in UTC with microseconds, whatever DateStyle
 * and TimeZone say: 2026-01-31T23:59:59.000001Z.
 *
 * Records that are hashed or shown together are mostly of one day, so its
 * date is kept.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "isotime.h"

/*
 * Writes a finite time, without a terminating zero, and returns its length,
 * AL_ISOTIME_SIZE at most.
 */
int
al_isotime_print(char *out, TimestampTz time)
{
	static int64 printed_day = PG_INT64_MIN;
	static char date[AL_ISOTIME_SIZE];
	static int	date_len;
	int64		day = time / USECS_PER_DAY - (time % USECS_PER_DAY < 0);
	int64		us = time - day * USECS_PER_DAY;
	char	   *p = out;

	Assert(!TIMESTAMP_NOT_FINITE(time));
	if (day != printed_day)
	{
		int			year;
		int			month;
		int			dom;

		j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dom);
		date_len = snprintf(date, sizeof(date), "%04d-%02d-%02dT",
							year, month, dom);
		printed_day = day;
	}
	memcpy(p, date, date_len);
	p = pg_ultostr_zeropad(p + date_len, us / USECS_PER_HOUR, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, us / USECS_PER_MINUTE % 60, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, us / USECS_PER_SEC % 60, 2);
	*p++ = '.';
	p = pg_ultostr_zeropad(p, us % USECS_PER_SEC, 6);
	*p++ = 'Z';
	return p - out;
}
