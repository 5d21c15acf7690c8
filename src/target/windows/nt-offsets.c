/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/windows/nt-offsets.h"

#include <string.h>

#define BUILDS 6
static const guint32 builds[BUILDS] = {7601, 17763, 18362, 19041, 20348, 22000};

#define SAME(x)          \
    {                    \
        x, x, x, x, x, x \
    }
#define SINCE_10(old, x)   \
    {                      \
        old, x, x, x, x, x \
    }
#define NONE 0xffff

typedef struct {
    const char *type;
    const char *path; /* NULL: the size of the type */
    guint8 size;      /* of the member, bytes; 0: none that can be read as an integer */
    guint32 offset[BUILDS];
} Row;

static const Row rows[] = {
    {"_KPCR", "Self", 8, SAME(0x18)},
    {"_KPCR", "CurrentPrcb", 8, SAME(0x20)},
    {"_KPCR", "Prcb", 0, SAME(0x180)},
    {"_KPRCB", NULL, 0, {0x6f00, 0x7ec0, 0x8f00, 0xaf00, 0xbf00, 0xbf00}},
    {"_KPRCB", "CurrentThread", 8, SAME(0x8)},
    {"_KPRCB", "NextThread", 8, SAME(0x10)},
    {"_KPRCB", "IdleThread", 8, SAME(0x18)},
    {"_KPRCB", "Number", 4, SAME(0x24)},
    {"_KPRCB", "ProcessorState", 0, SINCE_10(0x40, 0x100)},
    {"_KPRCB", "Context", 8, {0x53e0, 0x62c0, 0x62c0, 0x85c0, 0x8980, 0x89c0}},
    {"_KPROCESSOR_STATE", "SpecialRegisters", 0, SAME(0)},
    {"_KPROCESSOR_STATE", "ContextFrame", 0, SINCE_10(0xe0, 0xf0)},
    {"_KSPECIAL_REGISTERS", "Cr0", 8, SAME(0x0)},
    {"_KSPECIAL_REGISTERS", "Cr3", 8, SAME(0x10)},
    {"_KSPECIAL_REGISTERS", "KernelDr7", 8, SAME(0x48)},
    {"_KSPECIAL_REGISTERS", "Gdtr", 0, SAME(0x50)},
    {"_KSPECIAL_REGISTERS", "Idtr", 0, SAME(0x60)},
    {"_KSPECIAL_REGISTERS", "MsrGsBase", 8, SAME(0xa8)},
    {"_KSPECIAL_REGISTERS", "MsrGsSwap", 8, SAME(0xb0)},
    {"_EPROCESS", NULL, 0, {0x4f8, 0x858, 0x880, 0xa40, 0xbc0, 0xb80}},
    {"_EPROCESS", "UniqueProcessId", 8, {0x180, 0x2e0, 0x2e8, 0x440, 0x440, 0x440}},
    {"_EPROCESS", "ActiveProcessLinks", 0, {0x188, 0x2e8, 0x2f0, 0x448, 0x448, 0x448}},
    {"_EPROCESS", "ImageFileName", 0, {0x2e0, 0x450, 0x450, 0x5a8, 0x5a8, 0x5a8}},
    {"_EPROCESS", "ObjectTable", 8, {0x200, 0x418, 0x418, 0x570, 0x570, 0x570}},
    {"_EPROCESS", "ThreadListHead", 0, {0x308, 0x488, 0x488, 0x5e0, 0x5e0, 0x5e0}},
    {"_EPROCESS", "ActiveThreads", 4, {0x328, 0x498, 0x498, 0x5f0, 0x5f0, 0x5f0}},
    {"_EPROCESS", "Peb", 8, {0x338, 0x3f8, 0x3f8, 0x550, 0x550, 0x550}},
    {"_EPROCESS", "ExitTime", 8, {0x170, 0x690, 0x6c0, 0x840, 0x840, 0x840}},
    {"_KPROCESS", "DirectoryTableBase", 8, SAME(0x28)},
    {"_EPROCESS", "Pcb.DirectoryTableBase", 8, SAME(0x28)},
    {"_KPROCESS", "UserDirectoryTableBase", 8, {0x110, 0x278, 0x280, 0x388, 0x388, 0x388}},
    {"_KTHREAD", "InitialStack", 8, SAME(0x28)},
    {"_KTHREAD", "StackLimit", 8, SAME(0x30)},
    {"_KTHREAD", "StackBase", 8, SINCE_10(0x278, 0x38)},
    {"_KTHREAD", "KernelStack", 8, SINCE_10(0x38, 0x58)},
    {"_KTHREAD", "TrapFrame", 8, SINCE_10(0x1d8, 0x90)},
    {"_KTHREAD", "ApcState", 0, SINCE_10(0x50, 0x98)},
    {"_KTHREAD", "ApcState.Process", 8, SINCE_10(0x70, 0xb8)},
    {"_ETHREAD", "Cid", 0, {0x3b8, 0x638, 0x648, 0x478, 0x4c8, 0x4c8}},
    {"_ETHREAD", "Cid.UniqueProcess", 8, {0x3b8, 0x638, 0x648, 0x478, 0x4c8, 0x4c8}},
    {"_ETHREAD", "Cid.UniqueThread", 8, {0x3c0, 0x640, 0x650, 0x480, 0x4d0, 0x4d0}},
    {"_ETHREAD", "ThreadListEntry", 0, {0x428, 0x6a8, 0x6b8, 0x4e8, 0x538, 0x538}},
    {"_OBJECT_HEADER", "TypeIndex", 1, SAME(0x18)},
    {"_OBJECT_HEADER", "InfoMask", 1, SAME(0x1a)},
    {"_OBJECT_HEADER", "Body", 0, SAME(0x30)},
    {"_CONTEXT", NULL, 0, SAME(0x4d0)},
    {"_CONTEXT", "ContextFlags", 4, SAME(0x30)},
    {"_CONTEXT", "Rax", 8, SAME(0x78)},
    {"_CONTEXT", "Rsp", 8, SAME(0x98)},
    {"_CONTEXT", "Rip", 8, SAME(0xf8)},
    {"_CONTEXT", "Xmm0", 0, SAME(0x1a0)},
    {"_KTRAP_FRAME", NULL, 0, SAME(0x190)},
    {"_KTRAP_FRAME", "Rax", 8, SAME(0x30)},
    {"_KTRAP_FRAME", "Rbp", 8, SAME(0x158)},
    {"_KTRAP_FRAME", "Rip", 8, SAME(0x168)},
    {"_KTRAP_FRAME", "EFlags", 4, SAME(0x178)},
    {"_KTRAP_FRAME", "Rsp", 8, SAME(0x180)},
    {"_KLDR_DATA_TABLE_ENTRY", "InLoadOrderLinks", 0, SAME(0x0)},
    {"_KLDR_DATA_TABLE_ENTRY", "DllBase", 8, SAME(0x30)},
    {"_KLDR_DATA_TABLE_ENTRY", "EntryPoint", 8, SAME(0x38)},
    {"_KLDR_DATA_TABLE_ENTRY", "SizeOfImage", 4, SAME(0x40)},
    {"_KLDR_DATA_TABLE_ENTRY", "FullDllName", 0, SAME(0x48)},
    {"_KLDR_DATA_TABLE_ENTRY", "BaseDllName", 0, SAME(0x58)},
    {"_KLDR_DATA_TABLE_ENTRY", "TimeDateStamp", 4, SAME(0x80)},
    {"_POOL_TRACKER_TABLE", NULL, 0, {0x28, 0x38, 0x38, 0x38, 0x50, 0x50}},
    {"_POOL_TRACKER_TABLE", "Key", 4, SAME(0x0)},
    {"_POOL_TRACKER_TABLE", "NonPagedBytes", 8, SINCE_10(0x10, 0x8)},
    {"_POOL_TRACKER_TABLE", "NonPagedAllocs", 8, SINCE_10(NONE, 0x10)},
    {"_POOL_TRACKER_TABLE", "NonPagedFrees", 8, SINCE_10(NONE, 0x18)},
    {"_POOL_TRACKER_TABLE", "PagedBytes", 8, SAME(0x20)},
    {"_POOL_TRACKER_TABLE", "PagedAllocs", 8, SINCE_10(NONE, 0x28)},
    {"_POOL_TRACKER_TABLE", "PagedFrees", 8, SINCE_10(NONE, 0x30)},
    {"_POOL_TRACKER_BIG_PAGES", NULL, 0, {0x18, 0x18, 0x18, 0x18, 0x20, 0x20}},
    {"_POOL_TRACKER_BIG_PAGES", "Va", 8, SAME(0x0)},
    {"_POOL_TRACKER_BIG_PAGES", "Key", 4, SAME(0x8)},
    {"_POOL_TRACKER_BIG_PAGES", "NumberOfBytes", 8, SAME(0x10)},
};

/* Columns of tables are good from their build up to the next one; the last one for all later. */
static gboolean column_of(guint32 build, guint *column)
{
    if (build < builds[0])
        return FALSE;
    guint found = 0;
    while (found + 1 < BUILDS && builds[found + 1] <= build)
        found++;
    *column = found;
    return TRUE;
}

static const Row *row_of(const char *type, const char *path)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (g_str_equal(rows[i].type, type) && g_strcmp0(rows[i].path, path) == 0)
            return &rows[i];
    }
    return NULL;
}

gboolean dk_nt_offsets_member(guint32 build, const char *type, const char *path, DkNtMember *member)
{
    guint column;
    const Row *row = path ? row_of(type, path) : NULL;
    if (!row || !column_of(build, &column) || row->offset[column] == NONE)
        return FALSE;
    *member = (DkNtMember){
        .offset = row->offset[column], .size = row->size, .count = 1, .origin = DK_NT_FROM_TABLE};
    return TRUE;
}

gboolean dk_nt_offsets_size(guint32 build, const char *type, guint64 *size)
{
    guint column;
    const Row *row = row_of(type, NULL);
    if (!row || !column_of(build, &column))
        return FALSE;
    *size = row->offset[column];
    return TRUE;
}
