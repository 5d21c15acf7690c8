/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream of signals to itself, each of which has to arrive once: numbered real-time signals,
 * normal ones that are waited for, and a timer that interrupts all the time.  Prints the number of
 * rounds when it is told to end by a line on standard input; aborts on a signal lost or doubled.
 */
#include <pthread.h>
#include <sys/time.h>

#include "told-layout.h"

static volatile long numbered, normal, ticks;
static volatile sig_atomic_t wrong;

static void on_number(int sig, siginfo_t *info, void *data)
{
    (void)sig;
    (void)data;
    if (info->si_code != SI_QUEUE || info->si_value.sival_int != (int)numbered)
        wrong = 1;
    numbered++;
}

static void on_normal(int sig)
{
    (void)sig;
    normal++;
}

static void on_tick(int sig)
{
    (void)sig;
    ticks++;
}

static volatile int ending;

static void *await_end(void *data)
{
    char line[16];
    if (!fgets(line, sizeof line, stdin))
        line[0] = 0;
    ending = 1;
    return data;
}

static void handle(int sig, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK(sigaction(sig, &action, NULL) == 0);
}

int main(void)
{
    target_begin();
    struct sigaction action = {.sa_sigaction = on_number, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK(sigaction(SIGRTMIN + 1, &action, NULL) == 0);
    handle(SIGUSR1, on_normal);
    handle(SIGALRM, on_tick);
    pthread_t thread;
    sigset_t all, none;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &none);
    CHECK(!pthread_create(&thread, NULL, await_end, NULL));
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    const struct itimerval storm = {.it_interval = {.tv_usec = 300}, .it_value = {.tv_usec = 300}};
    CHECK(setitimer(ITIMER_REAL, &storm, NULL) == 0);
    printf("{\"pid\":%d}\n", (int)getpid());
    pthread_t self = pthread_self();
    long rounds = 0;
    for (; !ending || rounds < 100; rounds++) {
        long before = numbered;
        for (int i = 0; i < 8; i++)
            CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = (int)before + i}) ==
                  0);
        while (numbered < before + 8 && !wrong)
            ;
        CHECK(!wrong && numbered == before + 8);
        long had = normal;
        CHECK(!pthread_kill(self, SIGUSR1));
        CHECK(normal == had + 1);
    }
    CHECK(ticks > 0);
    printf("%ld rounds\n", rounds);
    return 0;
}
