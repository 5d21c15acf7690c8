/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/qevm-place.h"

#include <string.h>

#define GIB4 G_GUINT64_CONSTANT(0x100000000)
/*
 * On AMD hosts a machine of version 7.1 or later whose memory would reach this address has all that
 * is above 4 GiB moved to 1 TiB; the stream does not say whether that was so.
 */
#define AMD_HOLE G_GUINT64_CONSTANT(0xfd00000000)

/* Nodes of a machine whose memory is in one block for each. */
#define NODES_MAX 128

/* The version at the end of a machine type, as major * 1000 + minor; newest when there is none. */
static guint type_version(const char *text)
{
    guint64 major = 0;
    guint64 minor = 0;
    const char *end = text;
    if (!g_ascii_isdigit(*text)) {
        return G_MAXUINT; /* a distribution's: "rhel9.2.0", "jammy"; all of them later than 2.0 */
    }
    major = g_ascii_strtoull(text, (char **)&end, 10);
    if (*end == '.') {
        minor = g_ascii_strtoull(end + 1, NULL, 10);
    }
    return (guint)(MIN(major, 1000) * 1000 + MIN(minor, 999));
}

/* How much of ram bytes lies below 4 GiB; FALSE for a machine that is not known. */
static gboolean split(const char *machine, guint64 ram, guint64 below_4g, guint64 *low)
{
    guint64 limit;
    guint64 aligned; /* where the split is once the memory reaches the limit */
    if (g_str_has_prefix(machine, "pc-i440fx-")) {
        limit = 0xe0000000;
        aligned = type_version(machine + strlen("pc-i440fx-")) >= 2000 ? 0xc0000000 : 0xe0000000;
    } else if (g_str_has_prefix(machine, "pc-q35-")) {
        limit = 0xb0000000;
        aligned = type_version(machine + strlen("pc-q35-")) >= 2000 ? 0x80000000 : 0xb0000000;
    } else if (g_str_equal(machine, "microvm")) {
        limit = 0xc0000000;
        aligned = 0xc0000000;
    } else if (g_str_equal(machine, "isapc") || g_str_has_prefix(machine, "pc-0.") ||
               g_str_has_prefix(machine, "pc-1.")) {
        limit = 0xe0000000;
        aligned = 0xe0000000;
    } else {
        return FALSE;
    }
    if (below_4g > 0) {
        limit = MIN(below_4g, GIB4);
        aligned = limit;
    }
    *low = ram >= limit ? aligned : ram;
    return TRUE;
}

/* The name of a block without the path that backends of newer machines have. */
static const char *base_name(const char *id)
{
    return g_str_has_prefix(id, "/objects/") ? id + strlen("/objects/") : id;
}

/* The number of the node whose memory the block is; -1 when it is none of that kind. */
static gint node_of(const char *id)
{
    const char *name = base_name(id);
    if (!g_str_has_prefix(name, "ram-node") || !g_ascii_isdigit(name[8])) {
        return -1;
    }
    guint64 node = g_ascii_strtoull(name + 8, NULL, 10);
    return node < NODES_MAX ? (gint)node : -1;
}

/* Blocks that are added to a machine, at an address that the stream does not tell. */
static gboolean is_added(const char *id)
{
    const char *name = base_name(id);
    return g_str_has_prefix(name, "memdimm") || g_str_has_prefix(name, "memnvdimm") ||
           g_str_has_prefix(name, "memvirtio") || g_str_has_prefix(name, "dimm") ||
           g_str_has_prefix(name, "nvdimm");
}

/*
 * Whether a block may be the memory backend of a machine: those have a name that the user chose,
 * blocks of devices and firmware have a path, a file's or a chip's name.
 */
static gboolean is_backend(const char *id)
{
    const char *name = base_name(id);
    return !is_added(id) && !strpbrk(name, "/.:") && !g_str_equal(name, "isa-bios");
}

/*
 * The blocks that make up the machine's memory, in their order: "pc.ram"; or the nodes; or the only
 * block that can be a memory backend.  Returns how many; 0 when that is not clear.
 */
static guint find_memory(const DkQevmPlaceBlock *blocks, guint nblocks, guint *memory)
{
    gint by_node[NODES_MAX];
    guint nodes = 0;
    guint backends = 0;
    memset(by_node, -1, sizeof by_node);
    for (guint i = 0; i < nblocks; i++) {
        const char *name = base_name(blocks[i].id);
        gint node = node_of(blocks[i].id);
        if (g_str_equal(name, "pc.ram") || g_str_equal(name, "microvm.ram")) {
            memory[0] = i;
            return 1;
        }
        if (node >= 0) {
            by_node[node] = (gint)i;
            nodes++;
        } else if (is_backend(blocks[i].id)) {
            memory[0] = i;
            backends++;
        }
    }
    if (nodes == 0 || backends > 0) {
        return nodes == 0 && backends == 1 ? 1 : 0;
    }
    guint found = 0;
    for (guint i = 0; i < NODES_MAX; i++) {
        if (by_node[i] >= 0) {
            memory[found++] = (guint)by_node[i];
        }
    }
    return found == nodes ? found : 0;
}

static void add_place(GArray *places, guint block, guint64 offset, guint64 len, guint64 pa)
{
    DkQevmPlace place = {.block = block, .offset = offset, .len = len, .pa = pa};
    if (len > 0) {
        g_array_append_val(places, place);
    }
}

/* Lays the blocks one behind the other over the memory below and above the hole. */
static void place_memory(DkQevmPlaceBlock *blocks, const guint *memory, guint count, guint64 low,
                         guint64 total, GArray *places)
{
    gboolean high_known = total <= low || total - low <= AMD_HOLE - GIB4;
    guint64 start = 0; /* of the block in the machine's memory as a whole */
    for (guint i = 0; i < count; i++) {
        DkQevmPlaceBlock *block = &blocks[memory[i]];
        guint64 below = start < low ? MIN(low - start, block->size) : 0;
        add_place(places, memory[i], 0, below, start);
        block->kind = DK_QEVM_PLACE_RAM;
        if (below < block->size && !high_known) {
            block->kind = DK_QEVM_PLACE_UNKNOWN;
        } else {
            add_place(places, memory[i], below, block->size - below, GIB4 + (start + below - low));
        }
        start += block->size;
    }
}

/* Firmware ends at 4 GiB; the second flash ends where the first begins. */
static void place_firmware(DkQevmPlaceBlock *blocks, guint nblocks, guint64 low, GArray *places)
{
    static const char *const names[] = {"pc.bios", "system.flash0", "system.flash1"};
    guint64 top = GIB4;
    for (gsize n = 0; n < G_N_ELEMENTS(names); n++) {
        for (guint i = 0; i < nblocks; i++) {
            if (g_str_equal(blocks[i].id, names[n]) && blocks[i].size <= top - low &&
                blocks[i].size <= 64u << 20) {
                top -= blocks[i].size;
                add_place(places, i, 0, blocks[i].size, top);
                blocks[i].kind = DK_QEVM_PLACE_ROM;
                break;
            }
        }
    }
}

/* The last of the firmware lies over the end of the first MiB, for good in these machines. */
static void overlay_firmware(const DkQevmPlaceBlock *blocks, guint nblocks, GArray *places)
{
    const guint64 mib = 0x100000;
    guint bios = 0;
    while (bios < nblocks && !g_str_equal(blocks[bios].id, "pc.bios")) {
        bios++;
    }
    for (guint i = 0; bios < nblocks && i < places->len; i++) {
        DkQevmPlace place = g_array_index(places, DkQevmPlace, i);
        guint64 len = MIN(blocks[bios].size, 0x20000);
        if (place.pa == 0 && place.len > mib && place.block != bios) {
            g_array_index(places, DkQevmPlace, i).len = mib - len;
            add_place(places, bios, blocks[bios].size - len, len, mib - len);
            add_place(places, place.block, place.offset + mib, place.len - mib, mib);
            return;
        }
    }
}

static gint compare(gconstpointer a, gconstpointer b)
{
    guint64 pa_a = ((const DkQevmPlace *)a)->pa;
    guint64 pa_b = ((const DkQevmPlace *)b)->pa;
    return pa_a < pa_b ? -1 : pa_a > pa_b;
}

void dk_qevm_place(const char *machine, DkQevmPlaceBlock *blocks, guint nblocks, guint64 below_4g,
                   GArray *places)
{
    g_autofree guint *memory = g_new0(guint, NODES_MAX);
    guint count = find_memory(blocks, nblocks, memory);
    guint64 total = 0;
    guint64 low = 0;
    g_array_set_size(places, 0);
    for (guint i = 0; i < nblocks; i++) {
        gboolean is_memory = is_added(blocks[i].id) || is_backend(blocks[i].id) ||
                             g_str_has_suffix(blocks[i].id, ".ram");
        blocks[i].kind = is_memory ? DK_QEVM_PLACE_UNKNOWN : DK_QEVM_PLACE_OTHER;
    }
    for (guint i = 0; i < count; i++) {
        total += blocks[memory[i]].size;
        blocks[memory[i]].kind = DK_QEVM_PLACE_UNKNOWN;
    }
    if (!machine) {
        /* Before 2.4 only; below this size all types that have this block agree. */
        gboolean certain = count == 1 && total < 0xb0000000 &&
                           g_str_equal(blocks[memory[0]].id, "pc.ram");
        if (!certain) {
            return;
        }
        machine = "";
        low = total;
    } else if (!split(machine, total, below_4g, &low)) {
        return;
    }
    place_memory(blocks, memory, count, low, total, places);
    place_firmware(blocks, nblocks, count > 0 ? low : 0, places);
    if (g_str_equal(machine, "microvm")) {
        overlay_firmware(blocks, nblocks, places);
    }
    g_array_sort(places, compare);
}

gboolean dk_qevm_place_next(const GArray *places, guint *next, guint block, guint64 offset,
                            guint64 len, DkQevmPlace *part)
{
    while (*next < places->len) {
        const DkQevmPlace *place = &g_array_index(places, DkQevmPlace, (*next)++);
        guint64 first = MAX(place->offset, offset);
        guint64 end = MIN(place->offset + place->len, offset + len);
        if (place->block == block && first < end) {
            *part = (DkQevmPlace){.block = block,
                                  .offset = first,
                                  .len = end - first,
                                  .pa = place->pa + (first - place->offset)};
            return TRUE;
        }
    }
    return FALSE;
}
