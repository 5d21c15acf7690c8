/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Little-endian UTF-16, as files of Windows hold their strings. */
#pragma once

#include <glib.h>

/*
 * len bytes of UTF-16 as UTF-8, up to a NUL; an odd last byte is left out, unpaired surrogates
 * become U+FFFD.  Free with g_free().
 */
char *dk_utf16_text(const guint8 *data, gsize len);
