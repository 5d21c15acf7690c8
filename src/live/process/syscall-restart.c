/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/syscall-restart.h"

#include <errno.h>
#include <glib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "live/process/sigframe.h"

/* linux/errno.h, for the kernel's own use: restart if no handler is run. */
#define KERNEL_ERESTARTNOHAND 514

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* Of these, the socket calls and read() fail so only with a time limit (SO_RCVTIMEO). */
static gboolean fails_by_a_stop(guint64 number)
{
    switch (number) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_rt_sigtimedwait:
    case SYS_io_getevents:
    case SYS_accept:
    case SYS_accept4:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_read:
        return TRUE;
    default:
        return FALSE;
    }
}

void dk_syscall_restart(pid_t tid)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0 || regs.cs != DK_USER_CS_64 ||
        (gint64)regs.rax != -EINTR || !fails_by_a_stop(regs.orig_rax))
        return;
    regs.rax = (guint64)-KERNEL_ERESTARTNOHAND;
    ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}
