/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three threads, one of which is the parent of a vfork() whose child neither ends nor calls
 * exec: it is in uninterruptible sleep.
 */
#include <pthread.h>

#include "told-layout.h"

static pid_t waiter;

static void *fork_and_wait(void *data)
{
    waiter = target_tid();
    pid_t child = vfork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return data;
}

static void *idle(void *data)
{
    for (;;)
        pause();
    return data;
}

int main(void)
{
    pthread_t thread;
    target_begin();
    CHECK(!pthread_create(&thread, NULL, idle, NULL));
    CHECK(!pthread_create(&thread, NULL, fork_and_wait, NULL));
    while (!__atomic_load_n(&waiter, __ATOMIC_SEQ_CST))
        target_nap_ms(2);
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)waiter);
    while (!strstr(text, ") D")) {
        FILE *file = fopen(path, "re");
        CHECK(file && fgets(text, sizeof text, file));
        fclose(file);
        target_nap_ms(2);
    }
    printf("{\"pid\":%d,\"waiter\":%d}\n", (int)getpid(), (int)waiter);
    idle(NULL);
    return 0;
}
