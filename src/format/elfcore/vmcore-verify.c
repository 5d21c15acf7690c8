/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the format knows of the dump of a machine: program headers, notes, number of CPUs. */
#include "format/elfcore/elfcore-reader.h"

#include "base/size.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* The header that QEMU 7.2 writes wrong, and what becomes of it elsewhere. */
static void check_header(const DkElfcore *core, DkVerify *verify)
{
    guint expected = core->wide ? sizeof(DkElf64Header) : sizeof(DkElf32Header);
    if (core->ehsize != expected)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "e_ehsize is %u, expected %u%s: makedumpfile does not take such a file, "
                      "`dumpkit convert` mends it",
                      core->ehsize, expected, core->ehsize == 8 ? " (an error of QEMU 7.2)" : "");
    if (core->sections_first)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "the section headers stand in front of the program headers (QEMU 7.2): "
                      "makedumpfile does not take such a file, `dumpkit convert` mends it");
}

/* Segments that give the same bytes in memory other places in the file. */
static void check_overlaps(const DkElfcore *core, DkVerify *verify)
{
    if (core->overlapping)
        dk_verify_add(verify, DK_VERIFY_NOTE, "segments",
                      "physical memory stands in the file more than once, in %u places, first at "
                      "address " HEX "; the copy in the segment that begins lowest is read",
                      core->overlapping, core->overlap_va);
}

static void check_cpus(const DkElfcore *core, DkVerify *verify)
{
    guint statuses = 0;
    guint states = 0;
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        statuses += g_str_equal(note->owner, "CORE") && note->type == NT_PRSTATUS;
        states += g_str_equal(note->owner, "QEMU") && !note->type;
    }
    if (states && states != statuses)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "notes",
                      "%u notes NT_PRSTATUS and %u of QEMU's CPU state, expected one of each for "
                      "every CPU",
                      statuses, states);
    const GPtrArray *cpus = core->source.subject->system.cpus;
    guint without = 0;
    for (guint i = 0; i < cpus->len; i++)
        without += !((const DkCpu *)g_ptr_array_index(cpus, i))->regs[DK_REGSET_GENERAL];
    if (without)
        dk_verify_add(verify, DK_VERIFY_LACKS, "cpus", "%u of %u CPUs have no registers", without,
                      cpus->len);
    if (!cpus->len)
        dk_verify_add(verify, DK_VERIFY_LACKS, "cpus", "the file has no registers of any CPU");
}

/* Data of a segment that reach into another structure of the file. */
static void check_places(const DkElfcore *core, DkVerify *verify)
{
    guint inside = 0;
    guint64 first_header = 0;
    for (guint i = 0; i < core->loads->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(core->loads, DkElfcoreLoad, i);
        if (load->filesz && load->off < sizeof(DkElf32Header) && !inside++)
            first_header = load->header;
    }
    if (inside)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "segments",
                      "%u segments have their content inside the ELF header, the first by the "
                      "program header at offset " HEX,
                      inside, first_header);
}

gboolean dk_vmcore_verify(DkElfcore *core, gboolean deep, DkVerify *verify, GError **error)
{
    check_header(core, verify);
    check_places(core, verify);
    check_overlaps(core, verify);
    if (!core->loads->len)
        dk_verify_add(verify, DK_VERIFY_LACKS, "segments", "the file has no memory");
    check_cpus(core, verify);
    return dk_elfcore_verify_own(core, deep, verify, error);
}
