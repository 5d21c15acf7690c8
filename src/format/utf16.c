/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/utf16.h"

char *dk_utf16_text(const guint8 *data, gsize len)
{
    GString *text = g_string_sized_new(len / 2);
    for (gsize i = 0; i + 1 < len; i += 2) {
        gunichar unit = (gunichar)(data[i] | data[i + 1] << 8);
        if (!unit)
            break;
        if (unit >= 0xd800 && unit < 0xdc00 && i + 3 < len) {
            gunichar low = (gunichar)(data[i + 2] | data[i + 3] << 8);
            if (low >= 0xdc00 && low < 0xe000) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        g_string_append_unichar(text, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
    }
    return g_string_free(text, FALSE);
}
