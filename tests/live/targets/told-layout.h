/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the target programs of the live tests share.  Each of them prints one line of JSON about
 * itself when it is in position, then goes on until it is killed; it dies with its parent.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <errno.h>
#include <signal.h>

/* Ends the program with the reason; tests look at the exit status. */
#define DIE(...)                                 \
    do {                                         \
        fprintf(stderr, "target: " __VA_ARGS__); \
        fprintf(stderr, "\n");                   \
        abort();                                 \
    } while (0)

#define CHECK(expression)                                                            \
    do {                                                                             \
        if (!(expression))                                                           \
            DIE("%s:%d: %s (%s)", __FILE__, __LINE__, #expression, strerror(errno)); \
    } while (0)

static inline void target_begin(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline pid_t target_tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static inline void target_nap_ms(long ms)
{
    struct timespec nap = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&nap, NULL);
}

/* The pattern of an area: word number i is seed + i * 0x9e3779b97f4a7c15. */
static inline void target_fill(void *at, size_t len, uint64_t seed)
{
    uint64_t *words = at;
    for (size_t i = 0; i < len / sizeof *words; i++)
        words[i] = seed + i * UINT64_C(0x9e3779b97f4a7c15);
}

/* Waits until the thread sleeps in system call number; -1: in any. */
static inline void target_await_syscall(pid_t tid, long number)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)tid);
    for (;;) {
        char text[128] = "";
        FILE *file = fopen(path, "re");
        if (file) {
            if (!fgets(text, sizeof text, file))
                text[0] = 0;
            fclose(file);
        }
        char *end = text;
        long got = strtol(text, &end, 10);
        if (end != text && (got == number || (number < 0 && got >= 0)))
            return;
        target_nap_ms(2);
    }
}
