/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/piece-space.h"
#include "format/vmware/vmware-file.h"
#include "format/vmware/vmware-layout.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

typedef struct {
    DkSource source;
    DkVmwareFile *file;
    guint overlapping;
    char *memory_name; /* the file that has the memory, or should */
    gboolean has_memory;
} VmwareSource;

/* name with another ending, without the dot; NULL when it does not end in old. */
static char *sibling(const char *name, const char *old, const char *fresh)
{
    gsize len = strlen(name);
    gsize tail = strlen(old);
    if (len <= tail || !g_str_has_suffix(name, old) || name[len - tail - 1] != '.')
        return NULL;
    return g_strdup_printf("%.*s%s", (int)(len - tail), name, fresh);
}

/* The .vmem of a .vmss or .vmsn; NULL for another name. */
static char *memory_sibling(const char *name)
{
    char *path = sibling(name, "vmss", "vmem");
    return path ? path : sibling(name, "vmsn", "vmem");
}

static void vmware_close(DkSource *source)
{
    VmwareSource *self = (VmwareSource *)source;
    dk_vmware_file_free(self->file);
    g_free(self->memory_name);
    g_free(self);
}

static void foreach_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                         gpointer data)
{
    const GArray *groups = ((VmwareSource *)source)->file->groups;
    for (guint i = 0; i < groups->len; i++) {
        const DkVmwareGroup *group = &g_array_index(groups, DkVmwareGroup, i);
        g_autofree char *name = g_strdup_printf("group %s", group->name);
        const DkNote note = {name, group->off, group->size, NULL};
        each(&note, data);
    }
}

static const DkSourceOps source_ops = {
    .name = "vmware",
    .caps = DK_SOURCE_PHYS | DK_SOURCE_REGS,
    .foreach_note = foreach_note,
    .close = vmware_close,
};

/* The regions that the file tells, checked; without any, all of the memory in one. */
static gboolean check_regions(const DkVmwareFile *file, GError **error)
{
    if (file->region_count != file->regions->len) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "memory: the file says %u regions and has %u", file->region_count,
                    file->regions->len);
        return FALSE;
    }
    for (guint i = 0; i < file->regions->len; i++) {
        const DkVmwareRegion *region = &g_array_index(file->regions, DkVmwareRegion, i);
        if (region->known == 7 && region->size && region->size <= DK_VMWARE_PAGES_MAX &&
            region->ppn <= DK_VMWARE_PAGES_MAX - region->size &&
            region->page <= DK_VMWARE_PAGES_MAX - region->size)
            continue;
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "memory: region %u makes no sense: " HEX " pages at physical page " HEX
                    ", page " HEX " of the memory file",
                    i, region->size, region->ppn, region->page);
        return FALSE;
    }
    return TRUE;
}

/* One range of memory; size bytes from base on are what input has. */
static void add_range(VmwareSource *self, const DkPiece *range, guint64 base, guint64 size,
                      GArray *pieces, GArray *ranges)
{
    guint64 len = range->last - range->first + 1;
    guint64 present = range->off < size ? MIN(len, size - range->off) : 0;
    g_array_append_val(ranges, *range);
    if (present < len && !self->has_memory)
        dk_subject_add_gap(self->source.subject, "data", range->first, range->last, 0,
                           "the memory is in %s, which is not there", self->memory_name);
    else if (present < len)
        dk_subject_add_gap(self->source.subject, "data", range->first + present, range->last, 0,
                           "%s has " HEX " bytes of memory, this stands at " HEX, self->memory_name,
                           size, range->off + present);
    if (!present)
        return;
    DkPiece piece = {range->first, range->first + (present - 1), base + range->off, DK_RUN_DATA};
    g_array_append_val(pieces, piece);
}

static void place_memory(VmwareSource *self, DkInput *memory, guint64 base, guint64 size)
{
    GArray *pieces = dk_pieces_new();
    g_autoptr(GArray) ranges = dk_pieces_new();
    const DkVmwareFile *file = self->file;
    for (guint i = 0; i < file->regions->len; i++) {
        const DkVmwareRegion *region = &g_array_index(file->regions, DkVmwareRegion, i);
        DkPiece range = {region->ppn << DK_VMWARE_PAGE_SHIFT,
                         ((region->ppn + region->size) << DK_VMWARE_PAGE_SHIFT) - 1,
                         region->page << DK_VMWARE_PAGE_SHIFT, DK_RUN_DATA};
        add_range(self, &range, base, size, pieces, ranges);
    }
    if (!file->regions->len && size) {
        DkPiece range = {0, size - 1, 0, DK_RUN_DATA};
        add_range(self, &range, base, size, pieces, ranges);
    }
    self->overlapping = dk_pieces_untangle(pieces, NULL);
    dk_pieces_untangle(ranges, NULL);
    dk_pieces_add_ram(ranges, &self->source.subject->system);
    self->source.space = dk_piece_space_new(memory, pieces, TRUE);
}

/* state is a .vmss or .vmsn; memory is the file beside it, or NULL. */
static DkSource *open_both(DkInput *state, DkInput *memory, const char *name, GError **error)
{
    VmwareSource *self = g_new0(VmwareSource, 1);
    dk_source_init(&self->source, &source_ops, name);
    g_autoptr(DkSource) source = &self->source;
    source->subject = dk_subject_new();
    source->subject->kind = DK_SUBJECT_MACHINE;
    source->subject->origin.writer = g_strdup("VMware");
    self->file = dk_vmware_file_read(state, error);
    if (!self->file || !check_regions(self->file, error))
        return NULL;
    const DkVmwareFile *file = self->file;
    self->has_memory = file->has_memory || memory;
    if (file->has_memory) {
        guint64 there = dk_input_size(state) - file->memory_off;
        self->memory_name = g_strdup(dk_input_name(state));
        place_memory(self, state, file->memory_off, MIN(file->memory_size, there));
    } else if (memory) {
        self->memory_name = g_strdup(dk_input_name(memory));
        place_memory(self, memory, 0, dk_input_size(memory));
    } else {
        self->memory_name = memory_sibling(name);
        if (!self->memory_name)
            self->memory_name = g_strdup("a .vmem");
        if (!file->regions->len)
            dk_subject_add_gap(source->subject, "data", 1, 0, 0,
                               "the memory is in %s, which is not there", self->memory_name);
        place_memory(self, state, 0, 0);
    }
    for (guint i = 0; i < file->damage->len; i++)
        dk_subject_add_gap(source->subject, "data", 1, 0, 0, "%s",
                           (const char *)g_ptr_array_index(file->damage, i));
    dk_vmware_cpus_take(file, source->subject);
    return g_steal_pointer(&source);
}

/* Opens name; NULL without an error when it is not there. */
static DkInput *open_there(const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;
    DkInput *input = dk_input_open(name, &local);
    if (!input && !g_error_matches(local, DK_ERROR, DK_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&local));
    return input;
}

/* A .vmem: its .vmss or .vmsn says where the memory lies. */
static DkSource *open_memory(DkInput *memory, GError **error)
{
    static const char *const endings[] = {"vmss", "vmsn"};
    const char *name = dk_input_name(memory);
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autoptr(GError) local = NULL;
        g_autofree char *path = sibling(name, "vmem", endings[i]);
        g_autoptr(DkInput) state = path ? open_there(path, &local) : NULL;
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        if (!state || !dk_vmware_is_mine(state))
            continue;
        DkSource *source = open_both(state, memory, name, error);
        if (!source)
            g_prefix_error(error, "%s: ", path);
        return source;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE,
                "has no magic of VMware, and is no .vmem with a .vmss or .vmsn beside it");
    return NULL;
}

static DkSource *vmware_open(DkInput *input, GError **error)
{
    const char *name = dk_input_name(input);
    g_autoptr(GError) local = NULL;
    if (!dk_vmware_is_mine(input))
        return open_memory(input, error);
    g_autofree char *path = memory_sibling(name);
    g_autoptr(DkInput) memory = path ? open_there(path, &local) : NULL;
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    return open_both(input, memory, name, error);
}

static DkSource *vmware_open_parts(DkInput *const *inputs, guint ninputs, GError **error)
{
    guint state = dk_vmware_is_mine(inputs[0]) ? 0 : 1;
    if (ninputs != 2 || !dk_vmware_is_mine(inputs[state]) || dk_vmware_is_mine(inputs[1 - state])) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE,
                    "these are not a .vmss or .vmsn and its .vmem");
        return NULL;
    }
    return open_both(inputs[state], inputs[1 - state], dk_input_name(inputs[0]), error);
}

static gboolean vmware_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    const VmwareSource *self = (const VmwareSource *)source;
    for (guint i = 0; i < self->file->damage->len; i++)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "tags", "%s",
                      (const char *)g_ptr_array_index(self->file->damage, i));
    if (self->overlapping)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "regions", "%u overlap others", self->overlapping);
    if (self->has_memory)
        dk_verify_add(verify, DK_VERIFY_NOTE, "memory file", "%s", self->memory_name);
    if (self->has_memory && !self->file->regions->len)
        dk_verify_add(verify, DK_VERIFY_NOTE, "regions",
                      "the file names none: all memory is taken to begin at 0 without a hole");
    return TRUE;
}

extern const DkFormat dk_format_vmware;

const DkFormat dk_format_vmware = {
    .name = "vmware",
    .summary = "VMware's suspended machines and snapshots: .vmss or .vmsn, with its .vmem",
    .open = vmware_open,
    .open_parts = vmware_open_parts,
    .verify = vmware_verify,
};
