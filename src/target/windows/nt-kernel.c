/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/windows/nt-kernel.h"

#include "arch/translate-space.h"
#include "base/cursor.h"

/* MM_SHARED_USER_DATA_VA of the kernel, on 64-bit and 32-bit machines. */
#define SHARED_64 0xfffff78000000000ull
#define SHARED_32 0xffdf0000ull

/* Members of KUSER_SHARED_DATA. */
enum {
    OFF_IMAGE_NUMBER_LOW = 0x2c,
    OFF_SYSTEM_ROOT = 0x30, /* WCHAR[260] */
    OFF_BUILD = 0x260,
    OFF_MAJOR = 0x26c,
    OFF_MINOR = 0x270,
    SHARED_SIZE = 0x274,
};

static gboolean u32_at(DkCursor *cursor, guint off, guint32 *value)
{
    return dk_cursor_seek(cursor, "member", off, NULL) &&
           dk_cursor_u32(cursor, "member", value, NULL);
}

/* "X:\..." of plain characters, ended by a NUL. */
static gboolean take_root(DkCursor *cursor, DkNtKernel *kernel)
{
    guint len = 0;
    guint16 unit = 0;
    if (!dk_cursor_seek(cursor, "NtSystemRoot", OFF_SYSTEM_ROOT, NULL))
        return FALSE;
    while (len < sizeof kernel->root - 1 && dk_cursor_u16(cursor, "NtSystemRoot", &unit, NULL) &&
           unit)
        kernel->root[len++] = unit >= ' ' && unit <= '~' ? (char)unit : '?';
    kernel->root[len] = '\0';
    return !unit && len >= 3 && g_ascii_isalpha(kernel->root[0]) && kernel->root[1] == ':' &&
           kernel->root[2] == '\\';
}

static gboolean take_page(const guint8 *page, DkNtKernel *kernel)
{
    DkCursor cursor;
    DkNtKernel found = {0};
    guint32 images;
    dk_cursor_init(&cursor, page, SHARED_SIZE, 0, "KUSER_SHARED_DATA");
    if (!u32_at(&cursor, OFF_IMAGE_NUMBER_LOW, &images) ||
        !u32_at(&cursor, OFF_BUILD, &found.build) || !u32_at(&cursor, OFF_MAJOR, &found.major) ||
        !u32_at(&cursor, OFF_MINOR, &found.minor) || !take_root(&cursor, &found))
        return FALSE;
    /* Both halves, the lowest and the highest machine of images, are the same in all releases. */
    found.processor = images & 0xffff;
    if (found.major < 4 || found.major > 20 || found.minor > 20 || images >> 16 != found.processor)
        return FALSE;
    if (found.major < 10)
        found.build = 0;
    *kernel = found;
    return TRUE;
}

gboolean dk_nt_kernel_recognise(DkSpace *phys, const DkPageTables *tables, DkNtKernel *kernel)
{
    guint8 page[SHARED_SIZE];
    g_autoptr(DkSpace) space = dk_translate_space_new(phys, tables);
    guint64 va = tables->paging->extended ? SHARED_64 : SHARED_32;
    return dk_space_read(space, va, page, sizeof page) == sizeof page && take_page(page, kernel);
}
