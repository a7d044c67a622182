/* A disk and a kernel that fail when a test says so: preloaded into a server, it has a call fail
 * while there is a file of its name in the folder TANIST_TEST_FAILING_CALLS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
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
