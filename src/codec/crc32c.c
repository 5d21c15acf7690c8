/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/crc32c.h"

#include <string.h>

/*
 * A table entry is the sum (exclusive or) of the entries of its bits, so that the compiler makes
 * the table of eight numbers: the remainders of 1 << 0 to 1 << 7.
 */
#define BIT(i, n, value) ((guint32)(((i) >> (n)) & 1) * (value))
#define ENTRY(i)                                                                \
    (BIT(i, 0, 0xf26b8303u) ^ BIT(i, 1, 0xe13b70f7u) ^ BIT(i, 2, 0xc79a971fu) ^ \
     BIT(i, 3, 0x8ad958cfu) ^ BIT(i, 4, 0x105ec76fu) ^ BIT(i, 5, 0x20bd8edeu) ^ \
     BIT(i, 6, 0x417b1dbcu) ^ BIT(i, 7, 0x82f63b78u))
#define ENTRIES4(i) ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define ENTRIES16(i) ENTRIES4(i), ENTRIES4((i) + 4), ENTRIES4((i) + 8), ENTRIES4((i) + 12)
#define ENTRIES64(i) ENTRIES16(i), ENTRIES16((i) + 16), ENTRIES16((i) + 32), ENTRIES16((i) + 48)

static const guint32 table[256] = {ENTRIES64(0), ENTRIES64(64), ENTRIES64(128), ENTRIES64(192)};

static guint32 by_table(guint32 crc, const guint8 *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xff];
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static guint32 by_instruction(guint32 crc, const guint8 *bytes,
                                                                gsize len)
{
    guint64 wide = crc;
    for (; len >= 8; len -= 8, bytes += 8) {
        guint64 word;
        memcpy(&word, bytes, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    return by_table((guint32)wide, bytes, len);
}
#endif

guint32 dk_crc32c(const void *data, gsize len)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(~0u, data, len);
#endif
    return ~by_table(~0u, data, len);
}
