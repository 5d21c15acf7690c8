/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that a mere stop would make fail.  Most that wait are restarted by the kernel after
 * a stop; those of signal(7), "Interruption of system calls and library functions by stop signals",
 * fail with EINTR instead, though no handler ran, which programs are not all ready for.
 *
 * x86-64 only; does nothing elsewhere.
 */
#pragma once

#include <sys/types.h>

/*
 * Makes the kernel restart the call that a thread in a PTRACE_EVENT_STOP was taken out of, if it is
 * one of those and no handler is run first (which sees EINTR, as ever).  A time limit of the call
 * begins anew.
 */
void dk_syscall_restart(pid_t tid);
