/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the format knows: structure against the file's size, and our own checksums. */
#include <string.h>

#include "base/error.h"
#include "codec/checksum.h"
#include "format/elfcore/elfcore-reader.h"
#include "format/own-record.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define READ_STEP ((gsize)1 << 20)

static void check_loads(DkElfcore *core, DkVerify *verify)
{
    guint cut = 0;
    guint64 lost = 0;
    guint64 first_off = 0;
    guint64 first_va = 0;
    for (guint i = 0; i < core->loads->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(core->loads, DkElfcoreLoad, i);
        guint64 held = MIN(load->filesz - 1, load->last - load->first) + 1;
        if (!load->filesz || load->present >= held)
            continue;
        if (!cut++) {
            first_off = load->off + load->present;
            first_va = load->first + load->present;
        }
        lost += held - load->present;
    }
    if (cut)
        dk_verify_add(verify, DK_VERIFY_LACKS, "data",
                      "the file ends at offset " HEX ": the memory of %u of %u segments is cut "
                      "off, " HEX " bytes in all, first at offset " HEX " (address " HEX ")",
                      core->size, cut, core->loads->len, lost, first_off, first_va);
    /* The same memory may well stand under two virtual addresses in the dump of a machine. */
    if (dk_elfcore_is_machine(core))
        return;
    if (core->overlapping)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "segments",
                      "%u segments overlap an earlier one, first at address " HEX,
                      core->overlapping, core->overlap_va);
    if (core->unsorted)
        dk_verify_add(verify, DK_VERIFY_NOTE, "segments",
                      "%u segments lie below the one before them; the ELF specification wants "
                      "them ascending",
                      core->unsorted);
}

static void check_notes(DkElfcore *core, DkVerify *verify)
{
    for (guint i = 0; i < core->segments->len; i++) {
        const DkElfcoreNotes *notes = &g_array_index(core->segments, DkElfcoreNotes, i);
        if (notes->present < notes->size)
            dk_verify_add(verify, DK_VERIFY_LACKS, "notes",
                          "the file ends at offset " HEX ": " HEX " bytes of notes from offset " HEX
                          " are cut off",
                          core->size, notes->size - notes->present, notes->off + notes->present);
    }
    if (!core->segments->len && !dk_elfcore_is_machine(core))
        dk_verify_add(verify, DK_VERIFY_LACKS, "notes", "the file has no note segment");
}

static void check_threads(DkElfcore *core, DkVerify *verify)
{
    const GPtrArray *threads = core->source.subject->process.threads;
    guint told = 0;
    guint without = 0;
    for (guint i = 0; i < threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(threads, i);
        if (thread->regs[DK_REGSET_GENERAL])
            continue;
        without++;
        if (told++ < 10)
            dk_verify_add(verify, DK_VERIFY_LACKS, "threads", "thread %u has no registers: %s",
                          thread->tid, thread->missing ? thread->missing : "not in the file");
    }
    if (without > told)
        dk_verify_add(verify, DK_VERIFY_LACKS, "threads", "%u threads in all have no registers",
                      without);
    if (!threads->len)
        dk_verify_add(verify, DK_VERIFY_LACKS, "threads", "the file names no thread");
}

static gint compare_loads(gconstpointer a, gconstpointer b)
{
    const DkElfcoreLoad *left = a;
    const DkElfcoreLoad *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/* Files of NT_FILE should be under program headers; a dump that leaves memory out has fewer. */
static void check_files(DkElfcore *core, DkVerify *verify)
{
    if (!core->has_files) {
        dk_verify_add(verify, DK_VERIFY_NOTE, "NT_FILE",
                      "there is no NT_FILE: mapped files are not known by name");
        return;
    }
    g_autoptr(GArray) loads = g_array_copy(core->loads);
    g_array_sort(loads, compare_loads);
    guint outside = 0;
    guint next = 0;
    for (guint i = 0; i < core->files->len; i++) {
        const DkElfcoreFile *file = &g_array_index(core->files, DkElfcoreFile, i);
        while (next < loads->len && g_array_index(loads, DkElfcoreLoad, next).last < file->first)
            next++;
        outside += next >= loads->len ||
                   g_array_index(loads, DkElfcoreLoad, next).first > file->last;
    }
    if (outside && !core->own)
        dk_verify_add(verify, DK_VERIFY_NOTE, "NT_FILE",
                      "%u of %u mapped files have no program header", outside, core->files->len);
}

/* The sum of size bytes at off; FALSE with an error when they cannot be read. */
static gboolean sum_range(DkElfcore *core, DkChecksum *sum, guint64 off, guint64 size,
                          guint8 *buffer, guint8 digest[DK_CHECKSUM_SIZE], GError **error)
{
    while (size) {
        gsize step = (gsize)MIN(size, READ_STEP);
        gssize got = dk_input_read(core->input, off, buffer, step, error);
        if (got < 0)
            return FALSE;
        if (got != (gssize)step) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "the file ends at offset " HEX,
                        off + (guint64)got);
            return FALSE;
        }
        dk_checksum_update(sum, buffer, step);
        off += step;
        size -= step;
    }
    dk_checksum_finish(sum, digest);
    return TRUE;
}

static const DkElfcoreNote *find_own(const DkElfcore *core, guint32 type)
{
    for (guint i = core->notes->len; i > 0; i--) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i - 1);
        if (dk_elfcore_note_is_own(note, type))
            return note;
    }
    return NULL;
}

/* The segment of notes that note stands in. */
static const DkElfcoreNotes *segment_of(const DkElfcore *core, const DkElfcoreNote *note)
{
    for (guint i = 0; i < core->segments->len; i++) {
        const DkElfcoreNotes *notes = &g_array_index(core->segments, DkElfcoreNotes, i);
        if (note->header >= notes->off && note->header - notes->off < notes->size)
            return notes;
    }
    return NULL;
}

/* The bytes in front of the closing notes, by the table of checksums. */
static gboolean compare_content(DkElfcore *core, const DkElfcoreNote *note,
                                const DkElfcoreNotes *closing, DkVerify *verify, GError **error)
{
    g_autoptr(GError) local = NULL;
    guint64 covered = 0;
    g_autoptr(GBytes) table = dk_elfcore_note_read(core, note, core->size, &local);
    if (!table || !dk_own_sums_check(table, note->off, core->size, &covered, &local)) {
        gboolean unknown = g_error_matches(local, DK_ERROR, DK_ERROR_UNSUPPORTED);
        dk_verify_add(verify, unknown ? DK_VERIFY_NOTE : DK_VERIFY_DAMAGED, "checksums", "%s",
                      local->message);
        return TRUE;
    }
    if (covered != closing->off)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "checksums",
                      "the checksums at offset " HEX " cover " HEX
                      " bytes, expected all up to the closing notes at " HEX,
                      note->off, covered, closing->off);
    return dk_own_sums_verify(core->input, table, note->off, verify, error);
}

/* The closing segment by its seal, which is its last note. */
static void compare_seal(DkElfcore *core, const DkElfcoreNote *seal, const DkElfcoreNotes *closing,
                         DkVerify *verify)
{
    g_autoptr(DkChecksum) sum = dk_checksum_new();
    g_autofree guint8 *buffer = g_malloc(READ_STEP);
    g_autoptr(GError) error = NULL;
    guint8 digest[DK_CHECKSUM_SIZE];
    guint8 stored[DK_CHECKSUM_SIZE];
    if (seal->cut || seal->size != sizeof stored || closing != segment_of(core, seal) ||
        seal->off + seal->size != closing->off + closing->size ||
        closing->off + closing->size != core->size) {
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "closing notes",
                      "the seal at offset " HEX " is not at the end of the file", seal->off);
        return;
    }
    if (dk_input_read(core->input, seal->off, stored, sizeof stored, &error) !=
            (gssize)sizeof stored ||
        !sum_range(core, sum, closing->off, seal->off - closing->off, buffer, digest, &error)) {
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "closing notes", "%s",
                      error ? error->message : "the file ends");
    } else if (memcmp(stored, digest, sizeof stored) != 0) {
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "closing notes",
                      "the bytes from offset " HEX " to " HEX
                      " are not those that were written (checksum differs)",
                      closing->off, core->size - 1);
    }
}

/* Whether the file ends with the bytes of a seal, wherever its headers lead. */
static gboolean ends_with_seal(DkElfcore *core)
{
    static const char owner[] = DK_ELF_OWN_OWNER;
    const guint64 size = sizeof(DkElfNoteHeader) + sizeof owner + DK_CHECKSUM_SIZE;
    guint8 raw[sizeof(DkElfNoteHeader) + sizeof owner];
    if (core->size < size ||
        dk_input_read(core->input, core->size - size, raw, sizeof raw, NULL) != (gssize)sizeof raw)
        return FALSE;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, raw, sizeof raw, core->size - size, "seal");
    fields.cursor.big_endian = FALSE;
    return dk_elfcore_u32(&fields, "namesz") == sizeof owner &&
           dk_elfcore_u32(&fields, "descsz") == DK_CHECKSUM_SIZE &&
           dk_elfcore_u32(&fields, "type") == DK_ELF_OWN_SEAL &&
           memcmp(raw + sizeof(DkElfNoteHeader), owner, sizeof owner) == 0;
}

gboolean dk_elfcore_verify_own(DkElfcore *core, gboolean deep, DkVerify *verify, GError **error)
{
    const DkElfcoreNote *sums_note = find_own(core, DK_ELF_OWN_CHECKSUMS);
    const DkElfcoreNote *seal = find_own(core, DK_ELF_OWN_SEAL);
    const DkOrigin *origin = &core->source.subject->origin;
    if (!core->own && !sums_note && !seal) {
        if (ends_with_seal(core))
            dk_verify_add(verify, DK_VERIFY_DAMAGED, "structure",
                          "the file ends as dumpkit ends its files, but no program header leads "
                          "to its notes");
        return TRUE;
    }
    if (!core->own_result)
        dk_verify_add(verify, DK_VERIFY_LACKS, "result",
                      "the closing notes of dumpkit are not there: the file was not finished or is "
                      "cut off");
    else if (origin->complete != 1)
        dk_verify_add(verify, DK_VERIFY_LACKS, "result",
                      "dumpkit's own note says that the dump is not complete");
    if (!deep)
        return TRUE;
    const DkElfcoreNotes *closing = sums_note ? segment_of(core, sums_note) : NULL;
    if (!closing || !seal) {
        /* A file that was cut off lost them with its end, which was told. */
        gboolean whole = core->own_result || ends_with_seal(core);
        dk_verify_add(verify, whole ? DK_VERIFY_DAMAGED : DK_VERIFY_LACKS, "checksums",
                      "the checksums of dumpkit are missing, expected in a note segment at the end "
                      "of the file");
        return TRUE;
    }
    compare_seal(core, seal, closing, verify);
    return compare_content(core, sums_note, closing, verify, error);
}

void dk_elfcore_verify_structure(DkElfcore *core, DkVerify *verify)
{
    for (guint i = 0; i < core->damage->len; i++)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "structure", "%s",
                      (const char *)g_ptr_array_index(core->damage, i));
    if (core->more_damage)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "structure", "%u more of these",
                      core->more_damage);
    check_loads(core, verify);
    check_notes(core, verify);
}

gboolean dk_elfcore_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    g_assert(source->ops == &dk_elfcore_source_ops || source->ops == &dk_vmcore_source_ops);
    DkElfcore *core = (DkElfcore *)source;
    dk_elfcore_verify_structure(core, verify);
    if (dk_elfcore_is_machine(core))
        return dk_vmcore_verify(core, deep, verify, error);
    if (!core->foreign) {
        check_threads(core, verify);
        check_files(core, verify);
    }
    return dk_elfcore_verify_own(core, deep, verify, error);
}
