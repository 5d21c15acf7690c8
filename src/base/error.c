/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>

G_DEFINE_QUARK(dk - error - quark, dk_error)

static const char *const code_names[] = {
    [DK_ERROR_NOT_MINE] = "not-mine",
    [DK_ERROR_DAMAGED] = "damaged",
    [DK_ERROR_UNSUPPORTED] = "unsupported",
    [DK_ERROR_ABSENT] = "absent",
    [DK_ERROR_FAULT] = "fault",
    [DK_ERROR_NOT_FOUND] = "not-found",
    [DK_ERROR_LIMIT] = "limit",
    [DK_ERROR_DENIED] = "denied",
    [DK_ERROR_PEER] = "peer",
    [DK_ERROR_CANCELLED] = "cancelled",
    [DK_ERROR_TARGET_GONE] = "target-gone",
    [DK_ERROR_NO_SPACE] = "no-space",
    [DK_ERROR_EXISTS] = "exists",
    [DK_ERROR_BUSY] = "busy",
    [DK_ERROR_USAGE] = "usage",
    [DK_ERROR_SYSTEM] = "system",
};

const char *dk_error_code_name(int code)
{
    if (code < 0 || (gsize)code >= G_N_ELEMENTS(code_names))
        return "unknown";
    return code_names[code];
}

DkErrorCode dk_error_code_from_errno(int err)
{
    switch (err) {
    case EACCES:
    case EPERM:
        return DK_ERROR_DENIED;
    case ENOENT:
    case ENOTDIR:
        return DK_ERROR_NOT_FOUND;
    case ESRCH:
        return DK_ERROR_TARGET_GONE;
    case ENOSPC:
    case EDQUOT:
        return DK_ERROR_NO_SPACE;
    case EEXIST:
        return DK_ERROR_EXISTS;
    case EFAULT:
        return DK_ERROR_FAULT;
    case EBUSY:
        return DK_ERROR_BUSY;
    case ECANCELED:
        return DK_ERROR_CANCELLED;
    default:
        return DK_ERROR_SYSTEM;
    }
}

void dk_error_set_errno(GError **error, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DK_ERROR, (int)dk_error_code_from_errno(err), "%s: %s", text,
                g_strerror(err));
}
