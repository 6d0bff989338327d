/*
 * src/httpd/later.c
 *
 * Records of requests that were answered before: threads that write them when
 * a database connection is free, so that no client waits for what it does not
 * need, and an answer that says how busy the database is can itself be quick.
 *
 * The queue is bounded.  What finds it full has no record, and is counted.
 */
#include <pthread.h>
#include <stdlib.h>

#include "counters.h"
#include "later.h"
#include "pool.h"
#include "work.h"

#define QUEUE_PER_CONNECTION 2

static const AlConfig *config;
static pthread_t *writers;
static int	nwriters;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wakeup = PTHREAD_COND_INITIALIZER;
static AlRequest *first;
static AlRequest **last = &first;
static int	queued;
static bool stopping;

/* NULL when there is nothing more to do, ever. */
static AlRequest *
next_request(void)
{
	AlRequest  *request;

	pthread_mutex_lock(&lock);
	while (first == NULL && !stopping)
		pthread_cond_wait(&wakeup, &lock);
	request = first;
	if (request)
	{
		first = request->next;
		if (first == NULL)
			last = &first;
		queued--;
	}
	pthread_mutex_unlock(&lock);
	return request;
}

static void *
write_records(void *arg)
{
	AlRequest  *request;

	(void) arg;
	while ((request = next_request()) != NULL)
	{
		AlDatabase *db = al_pool_take(AL_POOL_PATIENT);

		al_work_execute(db, request);
		al_pool_give(db);
		atomic_fetch_sub(&al_counters.due, 1);
		al_request_release(request);
	}
	return NULL;
}

/* Leaves it to a writer, which has a reference of its own; false: no room. */
bool
al_later_submit(AlRequest *request)
{
	bool		accepted;

	pthread_mutex_lock(&lock);
	accepted = !stopping &&
		queued < config->max_connections * QUEUE_PER_CONNECTION;
	if (accepted)
	{
		atomic_fetch_add(&request->references, 1);
		atomic_fetch_add(&al_counters.due, 1);
		request->next = NULL;
		*last = request;
		last = &request->next;
		queued++;
		pthread_cond_signal(&wakeup);
	}
	pthread_mutex_unlock(&lock);
	return accepted;
}

/* As many as there are connections, all of which they may use. */
bool
al_later_start(const AlConfig *with)
{
	config = with;
	writers = calloc((size_t) config->pool_size, sizeof(pthread_t));
	if (writers == NULL)
		return false;
	for (nwriters = 0; nwriters < config->pool_size; nwriters++)
		if (pthread_create(&writers[nwriters], NULL, write_records, NULL) != 0)
			return false;
	return true;
}

/* Writes what is queued, then ends the writers. */
void
al_later_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&wakeup);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < nwriters; i++)
		pthread_join(writers[i], NULL);
	free(writers);
}
