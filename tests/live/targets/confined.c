/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage: confined strict|filter: a process under seccomp that would be killed for a clone(). */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "told-layout.h"

static void filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

int main(int argc, char **argv)
{
    target_begin();
    CHECK(argc == 2);
    int fds[2];
    char byte;
    CHECK(pipe(fds) == 0);
    printf("{\"pid\":%d}\n", (int)getpid());
    if (!strcmp(argv[1], "strict"))
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    else
        filter();
    /* Only read, write, exit and sigreturn are allowed under "strict". */
    for (;;)
        if (read(fds[0], &byte, 1) < 0)
            return 1;
    return 0;
}
