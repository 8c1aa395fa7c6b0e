/* Moves the clock that a process sees, by as many milliseconds as the file CLOCK_OFFSET_FILE says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long offset_ms(void) {
    const char *name = getenv("CLOCK_OFFSET_FILE");
    char text[32] = {0};
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
    close(file);
    return atoll(text);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && id == CLOCK_REALTIME) {
        long long ms = offset_ms(), ns = at->tv_nsec + ms % 1000 * 1000000;
        at->tv_sec += ms / 1000 + (ns >= 1000000000) - (ns < 0);
        at->tv_nsec = ns - (ns >= 1000000000) * 1000000000LL + (ns < 0) * 1000000000LL;
    }
    return failed;
}
