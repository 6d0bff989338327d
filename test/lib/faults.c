/*
 * test/lib/faults.c
 *
 * Preloaded into a test's server (LD_PRELOAD): makes the operating system fail
 * on demand.  The file named by the environment variable FAULTS holds lines
 *
 *	full TEXT		there is no room for files whose path has TEXT in it
 *	kill CALL TEXT	the process that calls fsync, rename or link for such a
 *					file is killed instead; for rename and link it is the new
 *					name that counts
 *	clock SECONDS	the clock is so far ahead, or behind
 *
 * and may change at any time; without it nothing is changed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

/* Reads the faults; an empty text if there are none. */
static void
read_faults(char *text, size_t size)
{
	const char *path = getenv("FAULTS");
	int			save_errno = errno;
	int			fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t		len = fd >= 0 ? read(fd, text, size - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	errno = save_errno;
}

/* Is there a line that begins so, and whose rest is part of the path? */
static bool
wanted(const char *begin, const char *path)
{
	char		text[4096];
	char	   *save;

	read_faults(text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &save); line;
		 line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, begin, strlen(begin)) == 0 &&
			strstr(path, line + strlen(begin)))
			return true;
	return false;
}

static const char *
path_of(int fd, char *path, size_t size)
{
	char		link[64];
	int			save_errno = errno;
	ssize_t		len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size - 1);
	path[len > 0 ? len : 0] = '\0';
	errno = save_errno;
	return path;
}

static bool
is_full(int fd)
{
	char		path[4096];

	if (fd <= 2 || !wanted("full ", path_of(fd, path, sizeof(path))))
		return false;
	errno = ENOSPC;
	return true;
}

static void
kill_if(const char *call, const char *path)
{
	if (wanted(call, path))
		kill(getpid(), SIGKILL);
}

/* Only files that would grow: what has room keeps it. */
static bool
is_full_at(int fd, off_t end)
{
	off_t		size = lseek(fd, 0, SEEK_END);

	return size >= 0 && end > size && is_full(fd);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	return is_full(fd) ? -1 : NEXT(write) (fd, bytes, len);
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return is_full_at(fd, at + len) ? -1 : NEXT(pwrite) (fd, bytes, len, at);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	return is_full_at(fd, at + len) ? -1 :
		NEXT(pwrite64) (fd, bytes, len, at);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	return is_full_at(fd, at + 1) ? -1 : NEXT(pwritev) (fd, parts, count, at);
}

ssize_t
pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
	return is_full_at(fd, at + 1) ? -1 :
		NEXT(pwritev64) (fd, parts, count, at);
}

int
posix_fallocate(int fd, off_t at, off_t len)
{
	return is_full(fd) ? ENOSPC : NEXT(posix_fallocate) (fd, at, len);
}

int
posix_fallocate64(int fd, off64_t at, off64_t len)
{
	return is_full(fd) ? ENOSPC : NEXT(posix_fallocate64) (fd, at, len);
}

int
fsync(int fd)
{
	char		path[4096];

	kill_if("kill fsync ", path_of(fd, path, sizeof(path)));
	return NEXT(fsync) (fd);
}

int
rename(const char *old, const char *new)
{
	kill_if("kill rename ", new);
	return NEXT(rename) (old, new);
}

int
link(const char *old, const char *new)
{
	kill_if("kill link ", new);
	return NEXT(link) (old, new);
}

static long
clock_ahead(void)
{
	char		text[4096];
	const char *line;

	read_faults(text, sizeof(text));
	line = strstr(text, "clock ");
	return line ? atol(line + strlen("clock ")) : 0;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int			result = NEXT(gettimeofday) (now, zone);

	now->tv_sec += clock_ahead();
	return result;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result = NEXT(clock_gettime) (clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += clock_ahead();
	return result;
}
