/*
 * src/backend/ids.c
 *
 * Record ids are UUIDs of version 7 (RFC 9562, section 5.7), so that new ones
 * land on the rightmost leaf of the primary key and one index serves order,
 * paging and time filters:
 *
 *	48 bits		Unix time in milliseconds: the record's own occurred_at
 *	 4 bits		version 7
 *	12 bits		the microseconds within it, in 4096ths (section 6.2, method 3)
 *	 2 bits		variant
 *	62 bits		a counter from a random start (section 6.2, method 2)
 *
 * All ids of a statement share the time; the counter keeps them in the order
 * in which the rows were recorded.  Its start has the highest bit clear, so
 * that it cannot overflow.
 *
 * Random bytes are bought in bulk: one system call serves many records.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "ids.h"

#define POOL_SIZE 4096

static unsigned char pool[POOL_SIZE];
static int	pool_left = 0;

/* Fills "bytes" with random bytes fit for cryptography. */
void
al_ids_random(void *bytes, int len)
{
	Assert(len <= POOL_SIZE);
	if (pool_left < len)
	{
		if (!pg_strong_random(pool, POOL_SIZE))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random bytes")));
		pool_left = POOL_SIZE;
	}
	pool_left -= len;
	memcpy(bytes, pool + pool_left, len);
	/* Handed out once: what is used stays nowhere. */
	memset(pool + pool_left, 0, len);
}

/* Starts the ids of records whose time is "at". */
void
al_ids_start(AlIdSequence *ids, TimestampTz at)
{
	int64		unix_us = at + AL_POSTGRES_EPOCH;
	uint64		ms = unix_us / 1000;
	uint64		fraction = (unix_us % 1000) * 4096 / 1000;
	uint64		start;

	al_ids_random(&start, sizeof(start));
	ids->prefix = (ms << 16) | (UINT64CONST(7) << 12) | fraction;
	ids->next = (start >> 3) | (UINT64CONST(1) << 63);
}

void
al_ids_next(AlIdSequence *ids, pg_uuid_t *id)
{
	uint64		high = pg_hton64(ids->prefix);
	uint64		low = pg_hton64(ids->next);

	ids->next++;
	memcpy(id->data, &high, 8);
	memcpy(id->data + 8, &low, 8);
}

/*
 * Writes AL_REQUEST_ID_SIZE characters [A-Za-z0-9] and a terminating zero,
 * as Kong makes request ids.
 */
void
al_ids_request_id(char *id)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	int			n = 0;

	while (n < AL_REQUEST_ID_SIZE)
	{
		unsigned char byte;

		al_ids_random(&byte, 1);
		/* Rejecting the rest of the range keeps all characters as likely. */
		if (byte < 62 * 4)
			id[n++] = alphabet[byte % 62];
	}
	id[n] = '\0';
}

/* When an id was made, to the millisecond below. */
TimestampTz
al_ids_time(const pg_uuid_t *id)
{
	uint64		prefix;

	memcpy(&prefix, id->data, sizeof(prefix));
	return (int64) (pg_ntoh64(prefix) >> 16) * 1000 - AL_POSTGRES_EPOCH;
}

/*
 * Writes a UUID, any, as text of AL_UUID_TEXT_LEN characters without a
 * terminating zero.  Each record has its own printed some times: two digits at
 * once, and no loop, take half of what a loop over digits takes.
 */
void
al_ids_print(char *out, const pg_uuid_t *id)
{
#define PAIRS(high) \
	high "0" high "1" high "2" high "3" high "4" high "5" high "6" high "7" \
	high "8" high "9" high "a" high "b" high "c" high "d" high "e" high "f"
	static const char pairs[] =
		PAIRS("0") PAIRS("1") PAIRS("2") PAIRS("3")
		PAIRS("4") PAIRS("5") PAIRS("6") PAIRS("7")
		PAIRS("8") PAIRS("9") PAIRS("a") PAIRS("b")
		PAIRS("c") PAIRS("d") PAIRS("e") PAIRS("f");

#define PUT(at, i) memcpy(out + (at), pairs + 2 * id->data[i], 2)

	PUT(0, 0), PUT(2, 1), PUT(4, 2), PUT(6, 3);
	out[8] = '-';
	PUT(9, 4), PUT(11, 5);
	out[13] = '-';
	PUT(14, 6), PUT(16, 7);
	out[18] = '-';
	PUT(19, 8), PUT(21, 9);
	out[23] = '-';
	PUT(24, 10), PUT(26, 11), PUT(28, 12);
	PUT(30, 13), PUT(32, 14), PUT(34, 15);
#undef PUT
#undef PAIRS
}

/* The same as a string in the current memory context. */
char *
al_ids_text(const pg_uuid_t *id)
{
	char	   *text = palloc(AL_UUID_TEXT_LEN + 1);

	al_ids_print(text, id);
	text[AL_UUID_TEXT_LEN] = '\0';
	return text;
}
