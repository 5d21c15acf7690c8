/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/libvirt/libvirt-error.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "base/error.h"

static DkErrorCode code_of(int code)
{
    switch (code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_CONNECT:
        return DK_ERROR_NOT_FOUND;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
        return DK_ERROR_DENIED;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        return DK_ERROR_UNSUPPORTED;
    default:
        return DK_ERROR_PEER;
    }
}

char *dk_libvirt_last_words(void)
{
    const virError *last = virGetLastError();
    return g_strdup(last && last->message ? last->message : "libvirt gives no reason");
}

void dk_libvirt_set_error(GError **error, const char *prefix)
{
    const virError *last = virGetLastError();
    g_autofree char *words = dk_libvirt_last_words();
    g_set_error(error, DK_ERROR, (int)code_of(last ? last->code : VIR_ERR_INTERNAL_ERROR), "%s: %s",
                prefix, words);
}

static void say_nothing(void *data, virErrorPtr error)
{
}

gboolean dk_libvirt_start(GError **error)
{
    static gsize once_init_value;
    /* libvirt knows one event loop and one printer of errors for the process. */
    if (g_once_init_enter(&once_init_value)) {
        virSetErrorFunc(NULL, say_nothing);
        g_once_init_leave(&once_init_value, virEventRegisterDefaultImpl() < 0 ? 2 : 1);
    }
    if (once_init_value == 1)
        return TRUE;
    g_set_error_literal(error, DK_ERROR, DK_ERROR_SYSTEM, "libvirt: its event loop does not start");
    return FALSE;
}
