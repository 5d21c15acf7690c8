/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor of a guest that libvirt runs, by way of libvirt: commands and their descriptors go
 * through virDomainQemuMonitorCommandWithFiles(), events come by
 * virConnectDomainQemuMonitorEventRegister().  libvirt keeps the monitor for itself, and sees what
 * is done: it follows the events STOP and RESUME, and marks the guest as tainted
 * ("custom-monitor").  What changes the guest is refused while a job of libvirt's own is under way.
 */
#pragma once

#include <glib.h>

#include "proto/qmp-transport.h"

/*
 * The guest that "libvirt:NAME" means; NAME is a domain's id, UUID or name, looked for in this
 * order as virsh does.  The connection is the one that libvirt takes by itself: the URI in
 * LIBVIRT_DEFAULT_URI, in the user's libvirt.conf, or what answers.  A DkQmpOpen.
 * DK_ERROR_NOT_FOUND when there is no such domain or it does not run, DENIED, UNSUPPORTED for a
 * hypervisor without QEMU's monitor, and when dumpkit was built without libvirt, PEER in libvirt's
 * words.
 */
DkQmpTransport *dk_libvirt_open(const char *target, GError **error);
