/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/kdump/kdump-build.h"

#include <string.h>

#include "base/error.h"
#include "format/kdump/kdump-reader.h"
#include "format/machine-notes.h"
#include "format/own-record.h"

void dk_kdump_put32(GByteArray *out, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

void dk_kdump_put64(GByteArray *out, guint64 value)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

static void put_long(GByteArray *out, gboolean wide, guint64 value)
{
    if (wide)
        dk_kdump_put64(out, value);
    else
        dk_kdump_put32(out, (guint32)value);
}

static void put_zeros(GByteArray *out, gsize len)
{
    guint old = out->len;
    g_byte_array_set_size(out, old + (guint)len);
    memset(out->data + old, 0, len);
}

void dk_kdump_put_descriptor(GByteArray *out, guint64 off, guint32 size, guint32 flags)
{
    dk_kdump_put64(out, off);
    dk_kdump_put32(out, size);
    dk_kdump_put32(out, flags);
    dk_kdump_put64(out, 0);
}

/*
 * The last address that the bitmaps speak of: the end of the last range of RAM that the dump has
 * anything of.  Ranges behind it, such as firmware that was left out, are in our own record only:
 * makedumpfile fails to filter files whose bitmaps reach behind the kernel's last memory.
 */
static guint64 highest(const DkSubject *subject, const DkDumpPlan *dump)
{
    const GArray *ram = subject->system.ram;
    if (!dump->extents->len)
        return ram->len ? g_array_index(ram, DkRamRange, ram->len - 1).last : 0;
    guint64 last = g_array_index(dump->extents, DkExtent, dump->extents->len - 1).last;
    for (guint i = ram->len; i > 0; i--) {
        const DkRamRange *range = &g_array_index(ram, DkRamRange, i - 1);
        if (range->first <= last)
            return MAX(last, range->last);
    }
    return last;
}

/* Our closing note, with blanks for its text. */
static void put_result_note(GByteArray *out)
{
    dk_kdump_put32(out, sizeof DK_OWN_NOTE_OWNER);
    dk_kdump_put32(out, DK_OWN_RESULT_SIZE);
    dk_kdump_put32(out, DK_OWN_NOTE_RESULT);
    g_byte_array_append(out, (const guint8 *)DK_OWN_NOTE_OWNER, sizeof DK_OWN_NOTE_OWNER);
    guint old = out->len;
    g_byte_array_set_size(out, old + DK_OWN_RESULT_SIZE);
    memset(out->data + old, ' ', DK_OWN_RESULT_SIZE);
}

static void build_notes(DkKdumpPlan *plan, const DkSubject *subject, gboolean with_result)
{
    GBytes *machine = dk_machine_notes_write(subject);
    GByteArray *out = g_bytes_unref_to_array(machine);
    GBytes *info = subject->system.vmcoreinfo;
    if (info && g_bytes_get_size(info)) {
        gsize len;
        const guint8 *text = g_bytes_get_data(info, &len);
        const guint8 *at = memmem(out->data, out->len, text, len);
        plan->vmcoreinfo_off = at ? plan->notes_off + (guint64)(at - out->data) : 0;
        plan->vmcoreinfo_size = at ? len : 0;
    }
    if (with_result) {
        put_result_note(out);
        plan->result_off = plan->notes_off + out->len - DK_OWN_RESULT_SIZE;
    }
    plan->notes = g_byte_array_free_to_bytes(out);
}

gboolean dk_kdump_plan_init(DkKdumpPlan *plan, const DkSubject *subject, const DkDumpPlan *dump,
                            gboolean with_result, GError **error)
{
    plan->wide = subject->machine != DK_MACHINE_X86;
    plan->block = subject->page_size;
    plan->max_mapnr = highest(subject, dump) / plan->block + 1;
    plan->pages = dump->bytes / plan->block;
    if (plan->max_mapnr > DK_KDUMP_PAGES_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "kdump: memory up to page %" G_GUINT64_FORMAT "; at most %" G_GUINT64_FORMAT
                    " pages are written",
                    plan->max_mapnr, DK_KDUMP_PAGES_MAX);
        return FALSE;
    }
    guint64 block = plan->block;
    plan->notes_off = block + (plan->wide ? sizeof(DkKdumpSub64) : DK_KDUMP_SUB32_SIZE);
    build_notes(plan, subject, with_result);
    guint64 notes_end = plan->notes_off + g_bytes_get_size(plan->notes);
    plan->sub_blocks = (notes_end + block - 1) / block - 1;
    plan->bitmap_size = ((plan->max_mapnr + 7) / 8 + block - 1) / block * block;
    plan->bitmap_off = (1 + plan->sub_blocks) * block;
    plan->desc_off = plan->bitmap_off + 2 * plan->bitmap_size;
    plan->data_off = plan->desc_off + plan->pages * sizeof(DkKdumpDescriptor);
    return TRUE;
}

void dk_kdump_plan_clear(DkKdumpPlan *plan)
{
    g_clear_pointer(&plan->notes, g_bytes_unref);
}

static void put_name(GByteArray *out, const char *name)
{
    gsize len = name ? MIN(strlen(name), DK_KDUMP_UTS_SIZE - 1) : 0;
    if (len)
        g_byte_array_append(out, (const guint8 *)name, (guint)len);
    put_zeros(out, DK_KDUMP_UTS_SIZE - len);
}

static const char *machine_name(DkMachineId machine)
{
    switch (machine) {
    case DK_MACHINE_X86_64:
        return "x86_64";
    case DK_MACHINE_X86:
        return "i686";
    case DK_MACHINE_ARM64:
        return "aarch64";
    case DK_MACHINE_UNKNOWN:
        break;
    }
    return "";
}

/*
 * VMCOREINFO tells the release only.  For the rest stands what the kernel itself calls a name that
 * was never set: libkdumpfile believes nothing of a header with an empty name.
 */
static void put_utsname(GByteArray *out, const DkSubject *subject)
{
    static const char none[] = "(none)";
    gboolean is_linux = subject->os == DK_OS_LINUX || subject->system.vmcoreinfo;
    g_autofree char *release = dk_machine_vmcoreinfo_get(subject, "OSRELEASE");
    const char *known = release ? release : is_linux ? subject->os_version : NULL;
    put_name(out, is_linux ? "Linux" : none);
    put_name(out, none);
    put_name(out, known ? known : none);
    put_name(out, none);
    put_name(out, machine_name(subject->machine));
    put_name(out, none);
}

GByteArray *dk_kdump_build_header(const DkKdumpPlan *plan, const DkSubject *subject)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, (const guint8 *)DK_KDUMP_MAGIC, DK_KDUMP_MAGIC_SIZE);
    dk_kdump_put32(out, DK_KDUMP_VERSION);
    put_utsname(out, subject);
    put_zeros(out, plan->wide ? 6 : 2);
    gint64 time_us = MAX(subject->origin.time_us, 0);
    put_long(out, plan->wide, (guint64)(time_us / G_USEC_PER_SEC));
    put_long(out, plan->wide, (guint64)(time_us % G_USEC_PER_SEC));
    dk_kdump_put32(out, plan->status);
    dk_kdump_put32(out, (guint32)plan->block);
    dk_kdump_put32(out, (guint32)plan->sub_blocks);
    dk_kdump_put32(out, (guint32)(2 * plan->bitmap_size / plan->block));
    dk_kdump_put32(out, (guint32)MIN(plan->max_mapnr, G_MAXUINT32));
    put_zeros(out, 16); /* counts that nobody fills in, and the first CPU */
    dk_kdump_put32(out, MAX(subject->system.cpus->len, MAX(subject->cpus, 1)));
    return out;
}

/* phys_base of x86-64: a signed decimal number in VMCOREINFO. */
static guint64 phys_base(const DkSubject *subject)
{
    g_autofree char *text = dk_machine_vmcoreinfo_get(subject, "NUMBER(phys_base)");
    return text ? (guint64)g_ascii_strtoll(text, NULL, 10) : 0;
}

GByteArray *dk_kdump_build_sub(const DkKdumpPlan *plan, const DkSubject *subject)
{
    GByteArray *out = g_byte_array_new();
    gboolean wide = plan->wide;
    gsize notes_size;
    const void *notes = g_bytes_get_data(plan->notes, &notes_size);
    put_long(out, wide, phys_base(subject));
    dk_kdump_put32(out, plan->dump_level);
    dk_kdump_put32(out, 0); /* not split */
    put_long(out, wide, 0);
    put_long(out, wide, 0);
    dk_kdump_put64(out, plan->vmcoreinfo_off);
    put_long(out, wide, plan->vmcoreinfo_size);
    dk_kdump_put64(out, plan->notes_off);
    put_long(out, wide, notes_size);
    dk_kdump_put64(out, 0); /* nothing was erased */
    put_long(out, wide, 0);
    dk_kdump_put64(out, 0);
    dk_kdump_put64(out, plan->max_mapnr);
    dk_kdump_put64(out, plan->max_mapnr);
    g_assert(plan->block + out->len == plan->notes_off);
    g_byte_array_append(out, notes, (guint)notes_size);
    put_zeros(out, (gsize)(plan->bitmap_off - plan->block - out->len));
    return out;
}
