/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Creates and ends threads all the time; stays at about 40 of them. */
#include <pthread.h>

#include "told-layout.h"

static void *live_shortly(void *data)
{
    volatile char stack[512];
    memset((char *)stack, 1, sizeof stack);
    if ((uintptr_t)data % 3)
        target_nap_ms((long)((uintptr_t)data % 7));
    return data;
}

static void *breed(void *data)
{
    for (uintptr_t i = 0;; i++) {
        pthread_t threads[10];
        for (unsigned n = 0; n < 10; n++)
            CHECK(!pthread_create(&threads[n], NULL, live_shortly, (void *)(i + n)));
        for (unsigned n = 0; n < 10; n++)
            CHECK(!pthread_join(threads[n], NULL));
    }
    return data;
}

int main(void)
{
    pthread_t thread;
    target_begin();
    for (unsigned i = 0; i < 3; i++)
        CHECK(!pthread_create(&thread, NULL, breed, NULL));
    printf("{\"pid\":%d}\n", (int)getpid());
    breed(NULL);
    return 0;
}
