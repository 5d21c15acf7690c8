/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage: many-threads N: that many threads, each of which keeps its number in rbx. */
#include <pthread.h>

#include "told-layout.h"

static pid_t tids[65536];

static void *keep_number(void *data)
{
    __atomic_store_n(&tids[(uintptr_t)data & 0xffff], target_tid(), __ATOMIC_SEQ_CST);
    for (;;) {
        long result = SYS_poll;
        __asm__ volatile("mov %1, %%rbx; syscall"
                         : "+a"(result)
                         : "r"(data), "D"(0L), "S"(0L), "d"(-1L)
                         : "rbx", "rcx", "r11", "memory");
    }
    return NULL;
}

int main(int argc, char **argv)
{
    target_begin();
    CHECK(argc == 2);
    unsigned long count = strtoul(argv[1], NULL, 10);
    CHECK(count <= 65536);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    CHECK(!pthread_attr_setstacksize(&attr, 1 << 16));
    for (unsigned long i = 1; i < count; i++) {
        pthread_t thread;
        CHECK(!pthread_create(&thread, &attr, keep_number, (void *)(0x5eed0000 + i)));
    }
    for (unsigned long i = 1; i < count; i++) {
        while (!__atomic_load_n(&tids[i], __ATOMIC_SEQ_CST))
            target_nap_ms(1);
        target_await_syscall(tids[i], SYS_poll);
    }
    printf("{\"pid\":%d}\n", (int)getpid());
    keep_number((void *)0x5eed0000);
    return 0;
}
