/*
 * src/httpd/pool.c
 *
 * Who may use a database connection.
 *
 * A connection belongs to one thread from al_pool_take() to al_pool_give(),
 * and a statement is a transaction of its own, so no two requests ever share
 * a transaction and no state of one is left for the next.  The thread that
 * has a request runs its statement itself: to hand it to another and to be
 * called back would take longer than the rest of what we do for it.
 *
 * A client does not wait long when no connection is free: who waits for one
 * says how long.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "pool.h"

/* A thread that waits for a connection, on its stack. */
typedef struct Waiter
{
	pthread_cond_t called;
	AlDatabase *db;				/* what it was given; NULL: nothing yet */
	struct Waiter *next;
} Waiter;

static const AlConfig *config;
static AlDatabase *databases;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_condattr_t monotonic;

/* One of the two lists is empty, always. */
static Waiter *first;
static Waiter **last = &first;

/*
 * The connection that came back last is used first: with few clients the same
 * few are used, whose server processes have warm caches.
 */
static AlDatabase *unused;

/* Waits for what al_pool_give() hands over, until "end" when it is not 0. */
static AlDatabase *
wait_in_line(int64_t end)
{
	Waiter		waiter = {0};
	struct timespec when = {
		.tv_sec = end / 1000000,
		.tv_nsec = end % 1000000 * 1000
	};
	int			failed = 0;

	pthread_cond_init(&waiter.called, &monotonic);
	*last = &waiter;
	last = &waiter.next;
	while (waiter.db == NULL && failed == 0 &&
		   (end == 0 || al_await_stopping() == AL_STOP_NOT))
		failed = end == 0 ? pthread_cond_wait(&waiter.called, &lock) :
			pthread_cond_timedwait(&waiter.called, &lock, &when);
	if (waiter.db == NULL)
	{
		Waiter	  **link = &first;

		while (*link != &waiter)
			link = &(*link)->next;
		*link = waiter.next;
		if (last == &waiter.next)
			last = link;
	}
	pthread_cond_destroy(&waiter.called);
	return waiter.db;
}

/*
 * A connection for the calling thread alone, in the order of asking; NULL when
 * none was free for that many milliseconds.  AL_POOL_PATIENT waits on.
 */
AlDatabase *
al_pool_take(int milliseconds)
{
	AlDatabase *db;

	pthread_mutex_lock(&lock);
	db = unused;
	if (db)
	{
		unused = db->next;
		db->waited_for = false;
	}
	else
	{
		db = wait_in_line(milliseconds == AL_POOL_PATIENT ? 0 :
						  al_clock_now() + (int64_t) milliseconds * 1000);
		if (db)
			db->waited_for = true;
	}
	pthread_mutex_unlock(&lock);
	return db;
}

void
al_pool_give(AlDatabase *db)
{
	pthread_mutex_lock(&lock);
	if (first)
	{
		Waiter	   *waiter = first;

		first = waiter->next;
		if (first == NULL)
			last = &first;
		waiter->db = db;
		pthread_cond_signal(&waiter->called);
	}
	else
	{
		db->next = unused;
		unused = db;
	}
	pthread_mutex_unlock(&lock);
}

bool
al_pool_start(const AlConfig *with)
{
	config = with;
	al_await_init(with);
	al_database_init(with);
	databases = calloc((size_t) config->pool_size, sizeof(AlDatabase));
	if (databases == NULL || pthread_condattr_init(&monotonic) != 0 ||
		pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) != 0)
		return false;
	for (int i = 0; i < config->pool_size; i++)
		al_pool_give(&databases[i]);
	return true;
}

/* Looks at the database before anybody asks, for whoever starts us. */
void
al_pool_greet(void)
{
	AlDatabase *db = al_pool_take(1);

	if (db == NULL)
		return;
	al_database_greet(db);
	al_pool_give(db);
}

/* Nobody waits in line any more, unless patiently, and statements end. */
void
al_pool_hurry(AlStop how)
{
	pthread_mutex_lock(&lock);
	al_await_stop(how);
	for (Waiter *waiter = first; waiter; waiter = waiter->next)
		pthread_cond_signal(&waiter->called);
	pthread_mutex_unlock(&lock);
}

/* No thread uses a connection any more. */
void
al_pool_stop(void)
{
	for (int i = 0; i < config->pool_size; i++)
		al_database_disconnect(&databases[i]);
	free(databases);
}
