/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first bytes of any file. */
#include <glib.h>
#include <stdint.h>

#include "base/error.h"
#include "format/foreign.h"
#include "io/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes("fuzz", bytes);
    g_autoptr(GError) error = NULL;
    if (dk_foreign_recognise(input, &error))
        g_assert(g_error_matches(error, DK_ERROR, DK_ERROR_UNSUPPORTED));
    else
        g_assert(!error);
    return 0;
}
