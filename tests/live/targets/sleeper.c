/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread for each way to wait.  Those with a time limit must neither fail nor come back early;
 * those without wait until a line comes on standard input, and must not come back before that.
 * Says "awake" at the end, or aborts.
 */
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "told-layout.h"

#define LIMIT_MS 4000

static volatile int may_wake;
static int data_pipe[2], epoll_fd, listener, stream[2];
static uint32_t forever_word, limit_word;

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct timespec limit = {.tv_sec = LIMIT_MS / 1000,
                                      .tv_nsec = LIMIT_MS % 1000 * 1000000L};

static int wait_nanosleep(void)
{
    return nanosleep(&limit, NULL);
}

static int wait_clock_nanosleep(void)
{
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &limit, NULL);
}

static int wait_poll_limit(void)
{
    return poll(NULL, 0, LIMIT_MS);
}

static int wait_select_limit(void)
{
    struct timeval left = {.tv_sec = LIMIT_MS / 1000};
    return select(0, NULL, NULL, NULL, &left);
}

static int wait_futex_limit(void)
{
    long result = syscall(SYS_futex, &limit_word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
    return result < 0 && errno == ETIMEDOUT ? 0 : -1;
}

static int wait_poll(void)
{
    struct pollfd one = {.fd = data_pipe[0], .events = POLLIN};
    return poll(&one, 1, -1) == 1 ? 0 : -1;
}

static int wait_read(void)
{
    char byte;
    return read(stream[0], &byte, 1) == 1 ? 0 : -1;
}

static int wait_accept(void)
{
    int fd = accept(listener, NULL, NULL);
    return fd >= 0 ? close(fd) : -1;
}

static int wait_futex(void)
{
    while (!__atomic_load_n(&forever_word, __ATOMIC_SEQ_CST)) {
        if (syscall(SYS_futex, &forever_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) < 0 &&
            errno != EAGAIN)
            return -1;
    }
    return 0;
}

static int wait_epoll(void)
{
    struct epoll_event event;
    return epoll_wait(epoll_fd, &event, 1, -1) == 1 ? 0 : -1;
}

static int wait_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigwaitinfo(&set, NULL) == SIGUSR2 ? 0 : -1;
}

static pid_t child;

static int wait_child(void)
{
    int status;
    return waitpid(child, &status, 0) == child ? 0 : -1;
}

typedef struct {
    const char *name;
    int (*wait)(void);
    int limited;
    pthread_t thread;
    pid_t tid;
} Way;

static Way ways[] = {
    {"nanosleep", wait_nanosleep, 1, 0, 0},
    {"clock_nanosleep", wait_clock_nanosleep, 1, 0, 0},
    {"poll with a limit", wait_poll_limit, 1, 0, 0},
    {"select with a limit", wait_select_limit, 1, 0, 0},
    {"futex with a limit", wait_futex_limit, 1, 0, 0},
    {"poll", wait_poll, 0, 0, 0},
    {"read", wait_read, 0, 0, 0},
    {"accept", wait_accept, 0, 0, 0},
    {"futex", wait_futex, 0, 0, 0},
    {"waitpid", wait_child, 0, 0, 0},
    /* Linux makes these fail with EINTR by a mere stop, signal(7); see main(). */
    {"epoll_wait", wait_epoll, 0, 0, 0},
    {"sigwaitinfo", wait_signal, 0, 0, 0},
};
#define WAYS (sizeof ways / sizeof *ways)

static void *run(void *data)
{
    Way *way = data;
    long begin = now_ms();
    errno = 0;
    __atomic_store_n(&way->tid, target_tid(), __ATOMIC_SEQ_CST);
    if (way->wait() != 0)
        DIE("%s: %s", way->name, strerror(errno));
    if (way->limited && now_ms() - begin < LIMIT_MS)
        DIE("%s: awake after %ld ms", way->name, now_ms() - begin);
    if (!way->limited && !may_wake)
        DIE("%s: awake too early", way->name);
    return NULL;
}

static void wake_all(const struct sockaddr_in *address)
{
    may_wake = 1;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (const struct sockaddr *)address, sizeof *address) == 0);
    CHECK(write(data_pipe[1], "x", 1) == 1 && write(stream[1], "x", 1) == 1);
    __atomic_store_n(&forever_word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &forever_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    kill(child, SIGKILL);
    kill(getpid(), SIGUSR2);
}

/* usage: sleeper [all]: all takes the ways too that a stop makes fail on Linux. */
int main(int argc, char **argv)
{
    (void)argv;
    target_begin();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    struct epoll_event event = {.events = EPOLLIN};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    CHECK(pipe(data_pipe) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, data_pipe[0], &event) == 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    size_t count = argc > 1 ? WAYS : WAYS - 2;
    for (size_t i = 0; i < count; i++)
        CHECK(!pthread_create(&ways[i].thread, NULL, run, &ways[i]));
    for (size_t i = 0; i < count; i++) {
        while (!__atomic_load_n(&ways[i].tid, __ATOMIC_SEQ_CST))
            target_nap_ms(1);
        target_await_syscall(ways[i].tid, -1);
    }
    printf("{\"pid\":%d}\n", (int)getpid());
    char line[16];
    while (!fgets(line, sizeof line, stdin))
        CHECK(!feof(stdin));
    wake_all(&address);
    for (size_t i = 0; i < count; i++)
        CHECK(!pthread_join(ways[i].thread, NULL));
    printf("awake\n");
    return 0;
}
