/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 16 MiB in use, spread over 4 GiB that are reserved. */
#include <sys/mman.h>

#include "told-layout.h"

#define PAGE ((size_t)4096)
#define SIZE ((size_t)4 << 30)

int main(void)
{
    target_begin();
    char *base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(base != MAP_FAILED);
    CHECK(madvise(base, SIZE, MADV_NOHUGEPAGE) == 0);
    /* 64 pieces of 64 pages each: the page tables stay small. */
    for (unsigned i = 0; i < 64; i++)
        target_fill(base + SIZE / 64 * i, 64 * PAGE, 0x5eed + i);
    printf("{\"pid\":%d,\"base\":%llu}\n", (int)getpid(), (unsigned long long)(uintptr_t)base);
    for (;;)
        pause();
    return 0;
}
