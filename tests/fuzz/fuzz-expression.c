/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The expression parser over a host whose names and memory depend on the text alone. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "console/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gboolean fake_name(DkExprHost *host, const char *name, gboolean at_sign, guint64 *value,
                          GError **error)
{
    gsize len = strlen(name);
    if (len % 3 == 2) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no symbol \"%s\"", name);
        return FALSE;
    }
    *value = len * 0x1000 + at_sign;
    return TRUE;
}

static gboolean fake_read(DkExprHost *host, guint64 va, guint size, guint64 *value, GError **error)
{
    if (va % 7 == 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "memory is not there");
        return FALSE;
    }
    *value = va ^ size;
    return TRUE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DkExprHost host = {.pointer_size = 8, .name = fake_name, .read = fake_read};
    g_autofree char *text = g_strndup((const char *)data, size);
    const char *end = NULL;
    guint64 value = 0;
    g_autoptr(GError) error = NULL;
    if (dk_expr_parse(text, text, &host, &end, &value, &error)) {
        g_assert(!error);
        g_assert(end >= text && end <= text + strlen(text));
    } else {
        g_assert(error && error->domain == DK_ERROR && g_str_has_prefix(error->message, "column "));
    }
    return 0;
}
