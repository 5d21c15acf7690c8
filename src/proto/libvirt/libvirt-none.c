/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "proto/libvirt/libvirt-carrier.h"

DkQmpTransport *dk_libvirt_open(const char *target, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "%s: dumpkit was built without libvirt",
                target);
    return NULL;
}
