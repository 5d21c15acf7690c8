/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/cursor.h"
#include "format/utf16.h"
#include "format/windmp/windmp-file.h"
#include "format/windows-context-layout.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"

/* Adds size bytes of virtual memory at va, which stand at off; FALSE when that cannot be. */
static gboolean add_piece(GArray *pieces, guint64 va, guint64 off, guint64 size)
{
    if (!size || !off || va > G_MAXUINT64 - (size - 1))
        return FALSE;
    DkWindmpPiece piece = {va, va + (size - 1), off, FALSE};
    g_array_append_val(pieces, piece);
    return TRUE;
}

/* --- drivers --- */

/* The counted string at off, or NULL. */
static char *driver_name(DkWindmp *dump, guint64 off)
{
    guint32 units = 0;
    if (!off || !dk_windmp_raw(dump, off, &units, sizeof units))
        return NULL;
    guint64 size = (guint64)MIN(units, DK_WINDMP_NAME_MAX) * 2;
    g_autoptr(GBytes) bytes = dk_windmp_bytes(dump, off + sizeof units, size, size);
    if (!bytes)
        return NULL;
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);
    g_autofree char *name = dk_utf16_text(data, len);
    return *name ? g_steal_pointer(&name) : NULL;
}

static DkModule *add_module(DkWindmp *dump, guint64 first, guint64 last, char *path)
{
    DkModule *module = g_new0(DkModule, 1);
    module->first = first;
    module->last = last;
    module->path = path;
    g_ptr_array_add(dump->base.subject->system.modules, module);
    return module;
}

static void read_drivers(DkWindmp *dump, const DmpTriage64 *triage)
{
    guint64 off = triage->drivers_off;
    guint32 count = triage->ndrivers;
    if (!off || !count)
        return;
    guint64 stride = triage->strings_off > off ? (triage->strings_off - off) / count : 0;
    if (stride < sizeof(DmpDriver64) || count > DK_WINDMP_DRIVERS_MAX) {
        dk_windmp_damage(dump, "%u drivers at offset " X64 " in front of the names at 0x%x: %s",
                         count, off, triage->strings_off,
                         count > DK_WINDMP_DRIVERS_MAX ? "too many" : "not room enough");
        return;
    }
    guint32 taken = 0;
    for (guint32 i = 0; i < count; i++) {
        DmpDriver64 raw;
        guint64 at = off + i * stride;
        if (!dk_windmp_raw(dump, at, &raw, sizeof raw)) {
            dk_windmp_cut(dump, 1, 0,
                          "truncated: %u of %u drivers stand behind the end of the file", count - i,
                          count);
            break;
        }
        if (!raw.size || raw.base_va > G_MAXUINT64 - raw.size) {
            dk_windmp_damage(dump, "the driver at offset " X64 " has 0x%x bytes at " X64, at,
                             raw.size, raw.base_va);
            continue;
        }
        DkModule *module = add_module(dump, raw.base_va, raw.base_va + (raw.size - 1),
                                      driver_name(dump, raw.name_off));
        module->timestamp = raw.time;
        module->checksum = raw.checksum;
        taken++;
    }
    dk_windmp_note(dump, "drivers", off, stride * count, "%u, entries of 0x%x bytes", taken,
                   (guint)stride);
}

static void read_unloaded(DkWindmp *dump, guint64 off)
{
    guint64 count = 0;
    if (!off)
        return;
    if (!dk_windmp_raw(dump, off, &count, sizeof count)) {
        dk_windmp_cut(dump, 1, 0,
                      "truncated: the unloaded drivers at offset " X64 " are behind the end", off);
        return;
    }
    if (count > DK_WINDMP_UNLOADED_MAX) {
        dk_windmp_damage(
            dump, "%" G_GUINT64_FORMAT " unloaded drivers at offset " X64 ", expected at most %u",
            count, off, DK_WINDMP_UNLOADED_MAX);
        return;
    }
    for (guint64 i = 0; i < count; i++) {
        DmpUnloaded64 raw;
        guint64 at = off + sizeof count + i * sizeof raw;
        if (!dk_windmp_raw(dump, at, &raw, sizeof raw)) {
            dk_windmp_cut(dump, 1, 0,
                          "truncated: unloaded drivers from offset " X64 " on are behind the end",
                          at);
            break;
        }
        /* An empty slot of the kernel's ring. */
        if (raw.end_va <= raw.first_va)
            continue;
        char *name = dk_utf16_text(raw.name, MIN(raw.name_size, sizeof raw.name));
        add_module(dump, raw.first_va, raw.end_va - 1, name)->unloaded = TRUE;
    }
    dk_windmp_note(dump, "unloaded drivers", off, sizeof count + count * sizeof(DmpUnloaded64),
                   "%" G_GUINT64_FORMAT, count);
}

/* --- memory --- */

static void read_blocks(DkWindmp *dump, const DmpTriage64 *triage, GArray *pieces)
{
    guint64 off = triage->blocks_off;
    guint32 count = triage->nblocks;
    guint64 bytes_in_all = 0;
    if (!off || !count)
        return;
    if (count > DK_WINDMP_BLOCKS_MAX) {
        dk_windmp_damage(dump, "%u data blocks at offset " X64 ", expected at most %u", count, off,
                         DK_WINDMP_BLOCKS_MAX);
        return;
    }
    guint64 size = (guint64)count * sizeof(DmpBlock64);
    g_autoptr(GBytes) bytes = dk_windmp_bytes(dump, off, size, size);
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, off, "data block");
    while (dk_cursor_left(&cursor) >= sizeof(DmpBlock64)) {
        guint64 va;
        guint32 block_off;
        guint32 block_size;
        guint64 at = dk_cursor_off(&cursor);
        if (!dk_cursor_u64(&cursor, "address", &va, NULL) ||
            !dk_cursor_u32(&cursor, "offset", &block_off, NULL) ||
            !dk_cursor_u32(&cursor, "size", &block_size, NULL))
            break;
        bytes_in_all += block_size;
        if (!add_piece(pieces, va, block_off, block_size))
            dk_windmp_damage(dump, "the data block at offset " X64 " has 0x%x bytes for " X64, at,
                             block_size, va);
    }
    if (len < size)
        dk_windmp_cut(dump, 1, 0,
                      "truncated: the table of %u data blocks at offset " X64
                      " reaches behind the end of the file",
                      count, off);
    dk_windmp_note(dump, "data blocks", off, size, "%u blocks, %" G_GUINT64_FORMAT " bytes", count,
                   bytes_in_all);
}

/* The kernel's stack, which begins at va; also told to the subject. */
static void read_stack(DkWindmp *dump, guint64 va, guint64 off, guint64 size, GArray *pieces)
{
    DkMachine *system = &dump->base.subject->system;
    if (!va || !add_piece(pieces, va, off, size))
        return;
    system->stack_first = va;
    system->stack_last = va + (size - 1);
    dk_windmp_note(dump, "stack", off, size, "at " X64, va);
}

static void read_kdbg(DkWindmp *dump, guint64 off, guint64 size, GArray *pieces)
{
    DkSubject *subject = dump->base.subject;
    guint64 va = subject->system.windows.kdbg_va;
    if (!off || !size)
        return;
    g_autoptr(GBytes) bytes = dk_windmp_bytes(dump, off, size, DK_WINDMP_KDBG_MAX);
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
    guint32 tag = 0;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, off, "KDBG");
    if (len < MIN(size, DK_WINDMP_KDBG_MAX))
        dk_windmp_cut(
            dump, 1, 0,
            "truncated: the debugger data at offset " X64 " reach behind the end of the file", off);
    if (!dk_cursor_seek(&cursor, "tag", DMP_KDBG_TAG_OFF, NULL) ||
        !dk_cursor_u32(&cursor, "tag", &tag, NULL))
        return;
    dk_windmp_note(dump, "debugger data", off, size,
                   tag == DMP_KDBG_TAG ? "KDDEBUGGER_DATA64, decoded"
                                       : "without the tag KDBG: encoded, or something else");
    if (tag == DMP_KDBG_TAG)
        dk_subject_set_text(subject, "windows/kdbg", bytes);
    /* Memory itself has it encoded; what a reader of the address wants is this. */
    if (va)
        add_piece(pieces, va, off, size);
}

/* --- the whole --- */

/* The mark at the end, which is there when all was written. */
static void check_end(DkWindmp *dump, guint32 valid_off, guint32 size)
{
    guint32 mark = 0;
    gboolean there = dk_windmp_raw(dump, valid_off, &mark, sizeof mark);
    if (valid_off < dump->header.size || (guint64)valid_off + sizeof mark != size)
        dk_windmp_damage(dump,
                         "the end mark is at offset 0x%x of 0x%x bytes, expected it to be the last "
                         "four",
                         valid_off, size);
    if (!there)
        dk_windmp_cut(dump, 1, 0,
                      "truncated: the end mark TRGD is at offset 0x%x, the file ends at " X64,
                      valid_off, dump->size);
    else if (mark != DMP_TRGD)
        dk_windmp_cut(dump, 1, 0,
                      "truncated: at offset 0x%x there is 0x%08x, expected the end mark TRGD",
                      valid_off, mark);
    else
        dump->data_end = (guint64)valid_off + sizeof mark;
}

static void note_parts(DkWindmp *dump, const DmpTriage64 *triage)
{
    const struct {
        const char *name;
        guint32 off;
    } parts[] = {
        {"memory manager", triage->mm_off},
        {"PRCB", triage->prcb_off},
        {"process", triage->process_off},
        {"thread", triage->thread_off},
    };
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i].off)
            dk_windmp_note(dump, parts[i].name, parts[i].off, 0,
                           "as the kernel has it, of this build");
    }
}

/*
 * Of 32 bits nobody has described more than that the first words are the same (no pointer is among
 * them), which the end mark confirms; then comes the stack's address, which the stack pointer does.
 */
static DkWindmpIndex *read_narrow(DkWindmp *dump)
{
    guint8 start[DMP_TRIAGE_COMMON + sizeof(guint32)];
    DmpTriage64 triage = {0};
    guint32 stack_va;
    guint32 esp;
    guint64 off = dump->header.size;
    if (!dk_windmp_raw(dump, off, start, sizeof start)) {
        dk_windmp_cut(dump, 1, 0, "truncated: the file ends at " X64 ", in front of its tables",
                      dump->size);
        return NULL;
    }
    memcpy(&triage, start, DMP_TRIAGE_COMMON);
    memcpy(&stack_va, start + DMP_TRIAGE_COMMON, sizeof stack_va);
    dk_windmp_note(dump, "triage tables", off, sizeof start, "of 32 bits: partly understood");
    dump->opaque = TRUE;
    check_end(dump, triage.valid_off, triage.size);
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(DkWindmpPiece));
    guint64 esp_off = dump->header.context_off + G_STRUCT_OFFSET(WinContextX86, esp);
    if (dump->data_end && dk_windmp_raw(dump, esp_off, &esp, sizeof esp) && esp >= stack_va &&
        esp - stack_va < triage.stack_size)
        read_stack(dump, stack_va, triage.stack_off, triage.stack_size, pieces);
    return dk_windmp_index_pieces(dump, pieces, FALSE, NULL);
}

DkWindmpIndex *dk_windmp_index_triage(DkWindmp *dump)
{
    DmpTriage64 triage;
    guint64 off = dump->header.size;
    if (!dump->header.wide)
        return read_narrow(dump);
    if (!dk_windmp_raw(dump, off, &triage, sizeof triage)) {
        dk_windmp_cut(dump, 1, 0, "truncated: the file ends at " X64 ", in front of its tables",
                      dump->size);
        return NULL;
    }
    dk_windmp_note(dump, "triage tables", off, sizeof triage, "dump of 0x%x bytes", triage.size);
    check_end(dump, triage.valid_off, triage.size);
    dump->prcb_off = triage.prcb_off;
    note_parts(dump, &triage);
    read_drivers(dump, &triage);
    read_unloaded(dump, triage.unloaded_off);
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(DkWindmpPiece));
    read_kdbg(dump, triage.kdbg_off, triage.kdbg_size, pieces);
    read_blocks(dump, &triage, pieces);
    read_stack(dump, triage.stack_va, triage.stack_off, triage.stack_size, pieces);
    if (triage.page_va && triage.page_size &&
        !add_piece(pieces, triage.page_va, triage.page_off, triage.page_size))
        dk_windmp_damage(dump, "the data page has 0x%x bytes for " X64, triage.page_size,
                         triage.page_va);
    return dk_windmp_index_pieces(dump, pieces, FALSE, NULL);
}

/* A u16 of the debugger data, which say where KPRCB has what; 0 when they are too short. */
static guint16 kdbg_u16(GBytes *kdbg, gsize off)
{
    gsize len;
    guint16 value = 0;
    const void *data = g_bytes_get_data(kdbg, &len);
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "KDBG");
    if (!dk_cursor_seek(&cursor, "offset", off, NULL) ||
        !dk_cursor_u16(&cursor, "offset", &value, NULL))
        return 0;
    return value;
}

void dk_windmp_triage_registers(DkWindmp *dump)
{
    DkSubject *subject = dump->base.subject;
    GBytes *kdbg = dk_subject_text(subject, "windows/kdbg");
    guint16 context_at = kdbg ? kdbg_u16(kdbg, DMP_KDBG_PRCB_CONTEXT_OFF) : 0;
    guint16 number_at = kdbg ? kdbg_u16(kdbg, DMP_KDBG_PRCB_NUMBER_OFF) : 0;
    guint8 context[sizeof(WinContextAmd64)] = {0};
    gsize size = subject->machine == DK_MACHINE_ARM64 ? sizeof(WinContextArm64) : sizeof context;
    guint64 va = 0;
    guint32 number = 0;
    static_assert(sizeof(WinContextArm64) < sizeof(WinContextAmd64), "the larger one");
    if (!dump->prcb_off || !context_at || subject->machine == DK_MACHINE_X86 ||
        !dk_windmp_raw(dump, dump->prcb_off + context_at, &va, sizeof va) ||
        dk_space_read(dump->base.space, va, context, size) != size)
        return;
    if (!number_at || !dk_windmp_raw(dump, dump->prcb_off + number_at, &number, sizeof number) ||
        number >= subject->cpus)
        number = 0;
    DkCpu *cpu = g_ptr_array_index(subject->system.cpus, 0);
    GBytes *old = cpu->regs[DK_REGSET_GENERAL];
    g_autoptr(GBytes) header = old ? g_bytes_ref(old) : NULL;
    if (!dk_windmp_context(dump, context, size, cpu, NULL))
        return;
    cpu->index = number;
    g_clear_pointer(&cpu->missing, g_free);
    if (header && !g_bytes_equal(header, cpu->regs[DK_REGSET_GENERAL]))
        subject->system.windows.exception.general = g_steal_pointer(&header);
}
