/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks the note segments and lists what stands in them. */
#include <string.h>

#include "base/error.h"
#include "format/elfcore/elfcore-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* Where a note's parts lie, as offsets in its segment; 64 bits, so that nothing overflows. */
typedef struct {
    DkElfNoteHeader header;
    guint64 content;
    guint64 next;
} Place;

static guint64 align_up(guint64 value, guint align)
{
    return (value + align - 1) & ~(guint64)(align - 1);
}

/* Reads the header at pos; FALSE when the segment, or what the file has of it, ends before. */
static gboolean place_note(DkElfcore *core, const DkElfcoreNotes *segment, guint align, guint64 pos,
                           Place *place)
{
    guint8 raw[sizeof(DkElfNoteHeader)];
    if (pos > segment->present || segment->present - pos < sizeof raw)
        return FALSE;
    if (dk_input_read(core->input, segment->off + pos, raw, sizeof raw, NULL) != (gssize)sizeof raw)
        return FALSE;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, raw, sizeof raw, segment->off + pos, "note");
    place->header.namesz = (guint32)dk_elfcore_u32(&fields, "namesz");
    place->header.descsz = (guint32)dk_elfcore_u32(&fields, "descsz");
    place->header.type = (guint32)dk_elfcore_u32(&fields, "type");
    place->content = align_up(pos + sizeof raw + place->header.namesz, align);
    place->next = align_up(place->content + place->header.descsz, align);
    return TRUE;
}

/* All zero: what some writers fill the end of a segment with. */
static gboolean is_padding(const Place *place)
{
    return !place->header.namesz && !place->header.descsz && !place->header.type;
}

/* Whether notes with this alignment fill the segment to its end. */
static gboolean lands(DkElfcore *core, const DkElfcoreNotes *segment, guint align)
{
    guint64 pos = 0;
    Place place;
    guint count = 0;
    while (pos < segment->size && count++ < DK_ELFCORE_NOTES_MAX) {
        if (!place_note(core, segment, align, pos, &place))
            return FALSE;
        if (is_padding(&place))
            return TRUE;
        if (place.content + place.header.descsz > segment->size)
            return FALSE;
        pos = place.next;
    }
    return TRUE;
}

static void read_owner(DkElfcore *core, guint64 off, guint32 namesz, DkElfcoreNote *note)
{
    gsize want = MIN(namesz, sizeof note->owner - 1);
    gssize got = dk_input_read(core->input, off, note->owner, want, NULL);
    note->owner[got < 0 ? 0 : got] = '\0';
    for (char *c = note->owner; *c; c++) {
        if (!g_ascii_isprint(*c))
            *c = '?';
    }
}

void dk_elfcore_notes_scan_segment(DkElfcore *core, const DkElfcoreNotes *segment)
{
    guint align = segment->align;
    /* Some writers say 8 and align to 4; the chain of notes shows which it is. */
    if (align == 8 && !lands(core, segment, 8) && lands(core, segment, 4))
        align = 4;
    guint64 pos = 0;
    Place place;
    while (place_note(core, segment, align, pos, &place) && !is_padding(&place)) {
        if (core->notes->len >= DK_ELFCORE_NOTES_MAX) {
            dk_elfcore_damage(core, "data", "there are more than %u notes", DK_ELFCORE_NOTES_MAX);
            return;
        }
        DkElfcoreNote note = {.type = place.header.type,
                              .size = place.header.descsz,
                              .header = segment->off + pos,
                              .off = segment->off + place.content};
        guint64 end = place.content + place.header.descsz;
        note.cut = end > segment->present;
        if (pos + sizeof(DkElfNoteHeader) + place.header.namesz <= segment->present)
            read_owner(core, note.header + sizeof(DkElfNoteHeader), place.header.namesz, &note);
        if (end > segment->size) {
            /* Of a machine's notes, their own reader tells this. */
            dk_elfcore_damage(core, dk_elfcore_is_machine(core) ? NULL : "data",
                              "the note at offset " HEX " has a name of %u and a content of %u "
                              "bytes; its segment ends at " HEX,
                              note.header, place.header.namesz, place.header.descsz,
                              segment->off + segment->size);
        }
        g_array_append_val(core->notes, note);
        pos = place.next;
    }
}

void dk_elfcore_notes_scan(DkElfcore *core)
{
    for (guint i = 0; i < core->segments->len; i++)
        dk_elfcore_notes_scan_segment(core, &g_array_index(core->segments, DkElfcoreNotes, i));
}

GBytes *dk_elfcore_note_read(DkElfcore *core, const DkElfcoreNote *note, guint64 limit,
                             GError **error)
{
    if (note->cut) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "the note at offset " HEX " is cut off: its content of %u bytes from " HEX
                    " goes over the end",
                    note->header, note->size, note->off);
        return NULL;
    }
    return dk_input_read_bytes(core->input, "note", note->off, note->size, limit, error);
}

gboolean dk_elfcore_note_is_linux(const DkElfcoreNote *note)
{
    return g_str_equal(note->owner, "CORE") || g_str_equal(note->owner, "LINUX");
}

gboolean dk_elfcore_note_is_own(const DkElfcoreNote *note, guint32 type)
{
    return note->type == type && g_str_equal(note->owner, DK_ELF_OWN_OWNER);
}

const char *dk_elfcore_note_name(const DkElfcoreNote *note)
{
    static const struct {
        guint32 type;
        const char *name;
    } names[] = {
        {NT_PRSTATUS, "NT_PRSTATUS"},
        {NT_PRFPREG, "NT_FPREGSET"},
        {NT_PRPSINFO, "NT_PRPSINFO"},
        {NT_AUXV, "NT_AUXV"},
        {NT_SIGINFO, "NT_SIGINFO"},
        {NT_FILE, "NT_FILE"},
        {NT_X86_XSTATE, "NT_X86_XSTATE"},
        {NT_PRXFPREG, "NT_PRXFPREG"},
        {NT_386_TLS, "NT_386_TLS"},
        {0x204, "NT_X86_SHSTK"},
        {0x205, "NT_X86_XSAVE_LAYOUT"},
        {0x400, "NT_ARM_VFP"},
        {0x401, "NT_ARM_TLS"},
        {0x402, "NT_ARM_HW_BREAK"},
        {0x403, "NT_ARM_HW_WATCH"},
        {0x404, "NT_ARM_SYSTEM_CALL"},
        {0x405, "NT_ARM_SVE"},
        {0x406, "NT_ARM_PAC_MASK"},
        {0x407, "NT_ARM_PACA_KEYS"},
        {0x408, "NT_ARM_PACG_KEYS"},
        {0x409, "NT_ARM_TAGGED_ADDR_CTRL"},
        {0x40a, "NT_ARM_PAC_ENABLED_KEYS"},
        {0x700, "NT_VMCOREDD"},
    };
    static const char *const own[] = {"dumpkit info", "dumpkit checksums", "dumpkit result",
                                      "dumpkit seal", "dumpkit mappings",  "dumpkit closing notes"};
    if (g_str_equal(note->owner, DK_ELF_OWN_OWNER)) {
        guint32 index = note->type - DK_ELF_OWN_INFO;
        return index < G_N_ELEMENTS(own) ? own[index] : NULL;
    }
    if (g_str_equal(note->owner, "QEMU") && !note->type)
        return "QEMU CPU state";
    if (g_str_has_prefix(note->owner, "VMCOREINFO"))
        return "VMCOREINFO";
    if (!dk_elfcore_note_is_linux(note))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].type == note->type)
            return names[i].name;
    }
    return NULL;
}
