/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What bench/run.py captures: a process that holds memory (a quarter each of zeros, a constant,
 * text and random bytes), has waiting threads if asked for, and a thread that beats every 0.2 ms
 * and remembers the longest gap between two beats.
 *
 * usage: bench-target MIB small|huge THREADS
 *
 * Says "ready", then answers lines of standard input: "mark" forgets the longest gap, "gap" prints
 * it in milliseconds.  Ends at end of input, and with the process that started it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    BEAT_NS = 200000,
    MAX_MIB = 16384,
    MAX_THREADS = 4096,
    WORKER_STACK = 256 * 1024,
    HUGE_PAGE = 2 << 20,
};

static _Atomic uint64_t longest_gap_ns;
static pthread_mutex_t work = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *beat(void *unused)
{
    (void)unused;
    prctl(PR_SET_TIMERSLACK, 1);
    const struct timespec pause = {0, BEAT_NS};
    for (uint64_t last = now_ns();;) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        uint64_t now = now_ns();
        uint64_t gap = now - last;
        uint64_t longest = atomic_load(&longest_gap_ns);
        while (gap > longest && !atomic_compare_exchange_weak(&longest_gap_ns, &longest, gap)) {
        }
        last = now;
    }
    return NULL;
}

static void wait_for_work(void)
{
    pthread_mutex_lock(&work);
    pthread_mutex_unlock(&work);
}

/* Stacks of different depth: 1 to 8 frames of this function. */
static void serve_request(unsigned depth)
{
    if (depth > 0)
        serve_request(depth - 1);
    else
        wait_for_work();
}

static void *worker(void *number)
{
    serve_request((unsigned)(uintptr_t)number % 8);
    return NULL;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Lines of a service's log. */
static void fill_text(char *at, size_t len)
{
    static const char *const levels[] = {"info", "info", "warn", "error"};
    static const char *const things[] = {"order",   "account", "customer", "invoice",
                                         "session", "setting", "shipment", "payment"};
    static const int statuses[] = {200, 200, 200, 204, 301, 404, 500, 503};
    uint64_t state = 88172645463325252;
    for (size_t done = 0; done < len;) {
        char line[200];
        uint64_t a = next_random(&state);
        uint64_t b = next_random(&state);
        int n = snprintf(line, sizeof line,
                         "2026-11-21T%02u:%02u:%02u.%03uZ level=%s request=%08x user=%u "
                         "path=/api/v1/%s/%u status=%d time_ms=%u\n",
                         (unsigned)(a % 24), (unsigned)(a >> 8 & 31), (unsigned)(a >> 16 & 31),
                         (unsigned)(a >> 24 & 511), levels[a >> 40 & 3], (unsigned)b,
                         (unsigned)(a >> 44 & 8191), things[b >> 32 & 7],
                         (unsigned)(b >> 36 & 0xffff), statuses[b >> 52 & 7],
                         (unsigned)(b >> 56 & 255));
        size_t take = (size_t)n < len - done ? (size_t)n : len - done;
        memcpy(at + done, line, take);
        done += take;
    }
}

static void fill_random(char *at, size_t len)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t done = 0; done + sizeof state <= len; done += sizeof state) {
        uint64_t value = next_random(&state);
        memcpy(at + done, &value, sizeof value);
    }
}

static void fill(size_t len, int huge)
{
    char *map = mmap(NULL, len + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
    if (map == MAP_FAILED) {
        fprintf(stderr, "bench-target: %zu bytes: %s\n", len, strerror(errno));
        exit(1);
    }
    char *memory = map + (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE);
    if (madvise(memory, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
        fprintf(stderr, "bench-target: madvise: %s\n", strerror(errno));
    size_t quarter = len / 4;
    memset(memory, 0, quarter);
    memset(memory + quarter, 0x5a, quarter);
    fill_text(memory + 2 * quarter, quarter);
    fill_random(memory + 3 * quarter, quarter);
}

static void start(void *(*run)(void *), void *data)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    if (pthread_create(&thread, &attr, run, data) != 0) {
        fprintf(stderr, "bench-target: cannot start a thread\n");
        exit(1);
    }
    pthread_attr_destroy(&attr);
}

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value > max) {
        fprintf(stderr, "bench-target: \"%s\": a number up to %lu was expected\n", text, max);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench-target MIB small|huge THREADS\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fill(number(argv[1], MAX_MIB) << 20, strcmp(argv[2], "huge") == 0);
    pthread_mutex_lock(&work);
    unsigned long threads = number(argv[3], MAX_THREADS);
    for (unsigned long i = 0; i < threads; i++)
        start(worker, (void *)i);
    start(beat, NULL);
    usleep(100000);
    printf("ready\n");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "mark\n") == 0)
            atomic_store(&longest_gap_ns, 0);
        printf("%.3f\n", (double)atomic_load(&longest_gap_ns) / 1e6);
        fflush(stdout);
    }
    _exit(0);
}
