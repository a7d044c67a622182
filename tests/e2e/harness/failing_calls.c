/* A disk, a kernel and a clock that fail when a test says so: preloaded into a server, it has a call
 * fail while there is a file of its name in the folder TANIST_TEST_FAILING_CALLS. By so many
 * seconds as the file `clock` there says the time of day is wrong. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int is_to_fail(const char *call) {
    const char *folder = getenv("TANIST_TEST_FAILING_CALLS");
    char path[PATH_MAX];
    if (folder == NULL) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, call);
    int before = errno;
    int found = access(path, F_OK) == 0;
    errno = before;
    return found;
}

static int fail(int error) {
    errno = error;
    return -1;
}

int fsync(int fd) {
    return is_to_fail("fsync") ? fail(EIO) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return is_to_fail("fdatasync") ? fail(EIO) : (int)syscall(SYS_fdatasync, fd);
}

pid_t fork(void) {
    static pid_t (*real)(void);
    if (is_to_fail("fork")) return fail(ENOMEM);
    if (real == NULL) real = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
    return real();
}

static long long clock_error_s(void) {
    const char *folder = getenv("TANIST_TEST_FAILING_CALLS");
    char text[PATH_MAX];
    if (folder == NULL) return 0;
    snprintf(text, sizeof text, "%s/clock", folder);
    int before = errno;
    long long error_s = 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        long got = syscall(SYS_read, fd, text, sizeof text - 1);
        syscall(SYS_close, fd);
        text[got > 0 ? got : 0] = 0;
        error_s = strtoll(text, NULL, 10);
    }
    errno = before;
    return error_s;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    t->tv_sec += clock_error_s();
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    if (t != NULL) *t = now.tv_sec;
    return now.tv_sec;
}
