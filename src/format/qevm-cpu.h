/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The CPUs of a machine from the device state of a QEMU migration stream: registers, segments,
 * control and debug registers, model specific ones, x87 and SSE state of x86.
 */
#pragma once

#include <glib.h>

#include "mem/subject.h"
#include "proto/qevm/qevm.h"

/*
 * Takes a device of the stream: "cpu" appends a DkCpu to subject->system, "apic" gives cr8 to the
 * CPU before it.  Devices of other names are passed over.  A CPU whose state does not agree with
 * its description, or that lacks general registers, gets its `missing` and the subject a gap "cpu".
 * To be called from DkQevmCallbacks.device in the order of the stream.
 */
void dk_qevm_cpu_take(DkSubject *subject, const DkQevmDevice *device);

/*
 * Called once when all devices were taken: sets subject->cpus, and subject->machine if any CPU has
 * registers that are known, and gives these the form of that machine.  It is x86 when the CPUs run
 * with paging and none is in long mode, and x86-64 otherwise (firmware in real mode included).
 */
void dk_qevm_cpu_done(DkSubject *subject);
