/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the dump of a machine from the core of a process: nothing of one may be taken for the
 * other. */
#include <string.h>

#include "base/error.h"
#include "format/elfcore/elfcore-reader.h"

#define ELFOSABI_BARE 255    /* what FreeBSD puts into the header of a full dump */
#define XEN_SECTIONS_MAX 64u /* sections that are looked at; a Xen core has about eight */

/* What the notes tell, each with a mark of its own. */
typedef struct {
    gboolean own;
    gboolean qemu;
    gboolean vmcoreinfo;
    gboolean virtualbox;
    gboolean xen;
    gboolean process; /* what only the core of a process has */
} Marks;

static void look_at(const DkElfcoreNote *note, Marks *marks)
{
    marks->own |= dk_elfcore_note_is_own(note, DK_ELF_OWN_CLOSING);
    marks->qemu |= g_str_equal(note->owner, "QEMU");
    marks->vmcoreinfo |= g_str_has_prefix(note->owner, "VMCOREINFO");
    marks->virtualbox |= g_str_equal(note->owner, "VBCORE") || g_str_equal(note->owner, "VBCPU");
    marks->xen |= g_str_has_prefix(note->owner, "Xen");
    marks->process |= g_str_equal(note->owner, "CORE") &&
                      (note->type == NT_PRPSINFO || note->type == NT_AUXV ||
                       note->type == NT_FILE || note->type == NT_SIGINFO);
}

/*
 * FreeBSD's full dump is of the ABI "stand alone", and has nothing but loads that can be read, at
 * their physical addresses.
 */
static gboolean is_freebsd(const DkElfcore *core)
{
    if (core->osabi != ELFOSABI_BARE || core->segments->len || !core->loads->len)
        return FALSE;
    for (guint i = 0; i < core->loads->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(core->loads, DkElfcoreLoad, i);
        if (load->va != load->pa || load->flags != PF_R)
            return FALSE;
    }
    return TRUE;
}

gboolean dk_vmcore_detect(DkElfcore *core, GError **error)
{
    Marks marks = {0};
    for (guint i = 0; i < core->notes->len; i++)
        look_at(&g_array_index(core->notes, DkElfcoreNote, i), &marks);
    if (marks.own)
        core->of = DK_VMCORE_OWN;
    else if (marks.qemu)
        core->of = DK_VMCORE_QEMU;
    else if (marks.vmcoreinfo)
        core->of = DK_VMCORE_LINUX;
    else if (marks.virtualbox)
        core->of = DK_VMCORE_VIRTUALBOX;
    else if (is_freebsd(core))
        core->of = DK_VMCORE_FREEBSD;
    else if (core->paddr_set && !marks.process)
        core->of = DK_VMCORE_PHYSICAL;
    else
        core->of = DK_ELFCORE_PROCESS;
    if (marks.xen && core->of == DK_ELFCORE_PROCESS) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "is a core of Xen without physical addresses, which is not yet readable");
        return FALSE;
    }
    return TRUE;
}

/* Whether the section of notes at off begins with one of Xen. */
static gboolean begins_with_xen(DkElfcore *core, guint64 off)
{
    static const char owner[] = "Xen";
    guint8 raw[sizeof(DkElfNoteHeader) + sizeof owner];
    if (dk_input_read(core->input, off, raw, sizeof raw, NULL) != (gssize)sizeof raw)
        return FALSE;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, raw, sizeof raw, off, "note");
    return dk_elfcore_u32(&fields, "namesz") == sizeof owner &&
           memcmp(raw + sizeof(DkElfNoteHeader), owner, sizeof owner) == 0;
}

gboolean dk_vmcore_is_xen(DkElfcore *core, guint64 shoff, guint count)
{
    guint8 raw[sizeof(DkElf64Section)];
    gsize size = core->wide ? sizeof(DkElf64Section) : sizeof(DkElf32Section);
    if (!shoff || shoff > core->size)
        return FALSE;
    for (guint i = 0; i < MIN(count, XEN_SECTIONS_MAX); i++) {
        guint64 off = shoff + i * size;
        if (dk_input_read(core->input, off, raw, size, NULL) != (gssize)size)
            return FALSE;
        DkElfcoreFields fields;
        dk_elfcore_fields_init(&fields, core, raw, size, off, "section header");
        dk_elfcore_u32(&fields, "sh_name");
        guint64 type = dk_elfcore_u32(&fields, "sh_type");
        dk_elfcore_uword(&fields, "sh_flags");
        dk_elfcore_uword(&fields, "sh_addr");
        guint64 content = dk_elfcore_uword(&fields, "sh_offset");
        if (!fields.failed && type == SHT_NOTE && begins_with_xen(core, content))
            return TRUE;
    }
    return FALSE;
}
