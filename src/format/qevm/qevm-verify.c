/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the format knows: end of the stream, its devices, and how much of each block came. */
#include "format/qevm/qevm-file.h"

#define COUNT G_GUINT64_FORMAT

static void check_stream(const DkQevmFile *file, DkVerify *verify)
{
    if (file->libvirt && !file->libvirt->whole) {
        dk_verify_add(verify, DK_VERIFY_LACKS, "libvirt",
                      "the magic at offset 0 is \"LibvirtQemudPart\": saving was not finished");
    }
    if (file->damage) {
        dk_verify_add(verify, file->cut ? DK_VERIFY_LACKS : DK_VERIFY_DAMAGED, "stream", "%s",
                      file->damage);
    } else {
        dk_verify_add(verify, DK_VERIFY_OK, "stream", "its sections end as they should");
    }
    if (file->mapped_cut) {
        dk_verify_add(verify, DK_VERIFY_LACKS, "stream",
                      "the file ends before pages that its bitmaps say are there");
    }
}

static void check_devices(const DkQevmFile *file, DkVerify *verify)
{
    guint cpus = file->source.subject->system.cpus->len;
    if (file->no_devices) {
        dk_verify_add(verify, DK_VERIFY_LACKS, "devices", "%s%s", cpus ? "not all are known: " : "",
                      file->no_devices);
    } else {
        dk_verify_add(verify, DK_VERIFY_OK, "devices",
                      "%u devices agree with their description; CPUs: %u", file->devices, cpus);
    }
    if (file->libvirt && file->libvirt->vcpus > cpus && cpus > 0) {
        dk_verify_add(verify, DK_VERIFY_NOTE, "devices", "libvirt's XML allows %u CPUs",
                      file->libvirt->vcpus);
    }
}

/* Pages of a block that have a place and are there; *all gets how many have a place. */
static guint64 pages_there(const DkQevmFile *file, guint block, guint64 *all)
{
    guint64 there = 0;
    *all = 0;
    for (guint i = 0; i < file->places->len; i++) {
        const DkQevmPlace *place = &g_array_index(file->places, DkQevmPlace, i);
        guint64 first = place->pa / file->page_size;
        guint64 count = place->len / file->page_size;
        if (place->block == block && count > 0) {
            *all += count;
            there += dk_qevm_index_count(file->index, first, first + count - 1);
        }
    }
    return there;
}

static void check_blocks(const DkQevmFile *file, DkVerify *verify)
{
    guint whole = 0;
    guint others = 0;
    for (guint i = 0; i < file->blocks->len; i++) {
        const DkQevmFileBlock *block = &g_array_index(file->blocks, DkQevmFileBlock, i);
        guint64 all = 0;
        guint64 there = pages_there(file, i, &all);
        if (there < all) {
            dk_verify_add(verify, DK_VERIFY_LACKS, "blocks",
                          "block %s: %" COUNT " of %" COUNT " pages are not in the file", block->id,
                          all - there, all);
        } else if (all > 0) {
            whole++;
        } else {
            others++;
        }
    }
    if (whole > 0) {
        dk_verify_add(verify, DK_VERIFY_OK, "blocks",
                      "placed with all their pages: %u; without a place in physical memory: %u",
                      whole, others);
    }
    if (file->repeated > 0) {
        dk_verify_add(verify, DK_VERIFY_NOTE, "blocks",
                      "%" COUNT
                      " pages came more than once (the machine ran on): the last ones count",
                      file->repeated);
    }
}

gboolean dk_qevm_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    const DkQevmFile *file = (const DkQevmFile *)source;
    check_stream(file, verify);
    check_devices(file, verify);
    check_blocks(file, verify);
    return TRUE;
}
