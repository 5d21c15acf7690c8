/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/carriers.h"

#include "proto/libvirt/libvirt-carrier.h"
#include "proto/qmp/qmp-socket.h"

static const struct {
    const char *prefix;
    DkQmpOpen open;
} carriers[] = {
    {"qmp:", dk_qmp_socket_open},
    {"libvirt:", dk_libvirt_open},
};

DkQmpOpen dk_carrier_of(const char *target)
{
    for (guint i = 0; i < G_N_ELEMENTS(carriers); i++) {
        if (g_str_has_prefix(target, carriers[i].prefix))
            return carriers[i].open;
    }
    return NULL;
}

void dk_carrier_connect(const char *uri)
{
    const char *wanted = uri ? uri : g_getenv("VIRSH_DEFAULT_CONNECT_URI");
    /* The guardian, another process, must end up at the same daemon. */
    if (wanted)
        g_setenv("LIBVIRT_DEFAULT_URI", wanted, TRUE);
}
