/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machines with QEMU's monitor, by what their words begin with. */
#pragma once

#include "proto/qmp-transport.h"

/* What opens the monitor of target; NULL when its word names no such machine. */
DkQmpOpen dk_carrier_of(const char *target);

/*
 * Has libvirt connect to uri ("qemu:///system") from now on, here and in processes that are started
 * from here.  NULL: where virsh would.
 */
void dk_carrier_connect(const char *uri);
