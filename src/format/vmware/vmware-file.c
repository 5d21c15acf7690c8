/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/vmware/vmware-file.h"

#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/vmware/vmware-layout.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define COMPLAINTS_MAX 20u

/* A tag and its value. */
typedef struct {
    const char *group;
    char name[256];
    guint nindices;
    guint32 index[3];
    gboolean block;
    guint64 off;   /* of the value, or of the block's content */
    guint64 size;  /* bytes of it */
    guint64 value; /* of a value of up to 8 bytes */
    guint8 bytes[64];
} Tag;

static const guint32 magics[] = {0xbed2bed2, 0xbed3bed3, 0xbad1bad1, 0xbad2bad2};
#define MAGIC_32BIT 0xbed2bed0u

static gboolean read_magic(DkInput *input, guint32 *magic)
{
    guint8 raw[DK_VMWARE_HEADER_SIZE];
    DkCursor cursor;
    gssize got = dk_input_read(input, 0, raw, sizeof raw, NULL);
    dk_cursor_init(&cursor, raw, (gsize)MAX(got, 0), 0, "header");
    return dk_cursor_u32(&cursor, "magic", magic, NULL);
}

gboolean dk_vmware_is_mine(DkInput *input)
{
    guint32 magic = 0;
    if (!read_magic(input, &magic))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(magics); i++) {
        if (magics[i] == magic)
            return TRUE;
    }
    return magic == MAGIC_32BIT;
}

static void group_clear(gpointer data)
{
    g_free(((DkVmwareGroup *)data)->name);
}

static DkVmwareFile *file_new(void)
{
    DkVmwareFile *file = g_new0(DkVmwareFile, 1);
    file->groups = g_array_new(FALSE, FALSE, sizeof(DkVmwareGroup));
    g_array_set_clear_func(file->groups, group_clear);
    file->regions = g_array_new(FALSE, TRUE, sizeof(DkVmwareRegion));
    file->cpus = g_array_new(FALSE, TRUE, sizeof(DkVmwareCpu));
    file->damage = g_ptr_array_new_with_free_func(g_free);
    return file;
}

void dk_vmware_file_free(DkVmwareFile *file)
{
    if (!file)
        return;
    g_array_unref(file->groups);
    g_array_unref(file->regions);
    g_array_unref(file->cpus);
    g_ptr_array_unref(file->damage);
    g_free(file);
}

static void complain(DkVmwareFile *file, const char *text)
{
    if (file->damage->len < COMPLAINTS_MAX)
        g_ptr_array_add(file->damage, g_strdup(text));
}

/* --- tags --- */

static gboolean read_block(DkCursor *cursor, Tag *tag, guint64 file_size, gboolean compressed,
                           GError **error)
{
    guint64 in_memory;
    guint16 padding;
    if (!dk_cursor_u64(cursor, "bytes of the block", &tag->size, error) ||
        !dk_cursor_u64(cursor, "bytes of the block in memory", &in_memory, error) ||
        !dk_cursor_u16(cursor, "padding of the block", &padding, error))
        return FALSE;
    tag->block = TRUE;
    tag->off = dk_cursor_off(cursor) + padding;
    if (compressed && g_str_equal(tag->name, "Memory")) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "the memory at offset " HEX " is compressed; such files are not readable yet",
                    tag->off);
        return FALSE;
    }
    /* The memory may be cut off; its pieces say so. */
    if (tag->off > file_size ||
        (tag->size > file_size - tag->off && !g_str_equal(tag->name, "Memory"))) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s.%s: its " HEX " bytes at offset " HEX " reach beyond the file", tag->group,
                    tag->name, tag->size, tag->off);
        return FALSE;
    }
    return TRUE;
}

/*
 * Reads the tag at *off and moves behind it; *end: it is the one that ends the group.
 */
static gboolean read_tag(DkInput *input, guint64 *off, Tag *tag, gboolean *end, GError **error)
{
    guint8 raw[DK_VMWARE_TAG_MAX];
    DkCursor cursor;
    guint16 head;
    gssize got = dk_input_read(input, *off, raw, sizeof raw, error);
    if (got < 0)
        return FALSE;
    dk_cursor_init(&cursor, raw, (gsize)got, *off, "tag");
    if (!dk_cursor_u16(&cursor, "head", &head, error))
        return FALSE;
    guint length = head >> 8;
    guint size = head & 0x3f;
    *end = !length;
    if (*end)
        return TRUE;
    const guint8 *name = dk_cursor_bytes(&cursor, "name", length, error);
    if (!name)
        return FALSE;
    memcpy(tag->name, name, length);
    tag->name[length] = '\0';
    if (!g_str_is_ascii(tag->name) || strlen(tag->name) != length) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "the tag at offset " HEX " has no name",
                    *off);
        return FALSE;
    }
    tag->nindices = head >> 6 & 3;
    for (guint i = 0; i < tag->nindices; i++) {
        if (!dk_cursor_u32(&cursor, "index", &tag->index[i], error))
            return FALSE;
    }
    tag->block = FALSE;
    if (size >= DK_VMWARE_COMPRESSED) {
        if (!read_block(&cursor, tag, dk_input_size(input), size == DK_VMWARE_COMPRESSED, error))
            return FALSE;
        guint64 left = dk_input_size(input) - tag->off;
        *off = tag->off + MIN(tag->size, left);
        return TRUE;
    }
    tag->off = dk_cursor_off(&cursor);
    tag->size = size;
    tag->value = 0;
    const guint8 *bytes = dk_cursor_bytes(&cursor, "value", size, error);
    if (!bytes)
        return FALSE;
    memcpy(tag->bytes, bytes, size);
    for (guint i = MIN(size, 8); i-- > 0;)
        tag->value = tag->value << 8 | bytes[i];
    *off = dk_cursor_off(&cursor);
    return TRUE;
}

/* --- what tags mean --- */

static void take_memory_tag(DkVmwareFile *file, const Tag *tag)
{
    static const char *const names[] = {"regionPageNum", "regionPPN", "regionSize"};
    if (tag->block && g_str_equal(tag->name, "Memory")) {
        file->has_memory = TRUE;
        file->memory_off = tag->off;
        file->memory_size = tag->size;
        return;
    }
    if (g_str_equal(tag->name, "regionsCount"))
        file->region_count = (guint32)MIN(tag->value, G_MAXUINT32);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!g_str_equal(tag->name, names[i]) || tag->nindices != 1 || tag->block)
            continue;
        if (tag->index[0] >= DK_VMWARE_REGIONS_MAX) {
            complain(file, "memory: more than 1024 regions");
            return;
        }
        if (file->regions->len <= tag->index[0])
            g_array_set_size(file->regions, tag->index[0] + 1);
        DkVmwareRegion *region = &g_array_index(file->regions, DkVmwareRegion, tag->index[0]);
        guint64 *fields[] = {&region->page, &region->ppn, &region->size};
        *fields[i] = tag->value;
        region->known |= (guint8)(1 << i);
    }
}

static DkVmwareCpu *cpu_of(DkVmwareFile *file, const Tag *tag)
{
    if (!tag->nindices || tag->index[0] >= DK_VMWARE_CPUS_MAX)
        return NULL;
    if (file->cpus->len <= tag->index[0])
        g_array_set_size(file->cpus, tag->index[0] + 1);
    return &g_array_index(file->cpus, DkVmwareCpu, tag->index[0]);
}

/* count numbers of 64 bits, the content of a block. */
static gboolean read_numbers(DkInput *input, const Tag *tag, guint64 *numbers, guint count)
{
    DkCursor cursor;
    g_autoptr(GBytes) bytes = dk_input_read_bytes(input, tag->name, tag->off, tag->size,
                                                  count * sizeof *numbers, NULL);
    if (!bytes || g_bytes_get_size(bytes) != count * sizeof *numbers)
        return FALSE;
    dk_cursor_init(&cursor, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), tag->off,
                   tag->name);
    for (guint i = 0; i < count; i++) {
        if (!dk_cursor_u64(&cursor, "register", &numbers[i], NULL))
            return FALSE;
    }
    return TRUE;
}

static void take_control(DkVmwareCpu *cpu, DkInput *input, const Tag *tag)
{
    guint64 all[G_N_ELEMENTS(cpu->cr)];
    if (tag->block) {
        if (tag->nindices == 1 && read_numbers(input, tag, all, G_N_ELEMENTS(all))) {
            memcpy(cpu->cr, all, sizeof all);
            cpu->has_cr = (1u << G_N_ELEMENTS(all)) - 1;
        }
    } else if (tag->nindices == 2 && tag->size == 8 && tag->index[1] < G_N_ELEMENTS(cpu->cr)) {
        cpu->cr[tag->index[1]] = tag->value;
        cpu->has_cr |= 1u << tag->index[1];
    }
}

/* A descriptor table's register: u16 limit, u64 base. */
static void take_table(const Tag *tag, guint16 *limit, guint64 *base)
{
    DkCursor cursor;
    guint16 found_limit;
    guint64 found_base;
    dk_cursor_init(&cursor, tag->bytes, (gsize)tag->size, tag->off, tag->name);
    if (tag->size == 10 && dk_cursor_u16(&cursor, "limit", &found_limit, NULL) &&
        dk_cursor_u64(&cursor, "base", &found_base, NULL)) {
        *limit = found_limit;
        *base = found_base;
    }
}

static void take_cpu_tag(DkVmwareFile *file, DkInput *input, const Tag *tag)
{
    if (g_str_equal(tag->name, "numVCPUs") || g_str_equal(tag->name, "cpu:numVCPUs")) {
        file->cpu_count = (guint32)MIN(tag->value, DK_VMWARE_CPUS_MAX);
        return;
    }
    DkVmwareCpu *cpu = cpu_of(file, tag);
    if (!cpu)
        return;
    if (g_str_equal(tag->name, "gpregs") && tag->block) {
        cpu->has_gp = read_numbers(input, tag, cpu->gp, G_N_ELEMENTS(cpu->gp));
    } else if (g_str_equal(tag->name, "rip") && !tag->block && tag->size == 8) {
        cpu->rip = tag->value;
        cpu->has_rip = TRUE;
    } else if (g_str_equal(tag->name, "eflags") && !tag->block) {
        cpu->eflags = tag->value;
        cpu->has_eflags = TRUE;
    } else if (g_str_equal(tag->name, "CR64")) {
        take_control(cpu, input, tag);
    } else if (g_str_equal(tag->name, "IDTR") && !tag->block) {
        take_table(tag, &cpu->idt_limit, &cpu->idt);
    } else if (g_str_equal(tag->name, "GDTR") && !tag->block) {
        take_table(tag, &cpu->gdt_limit, &cpu->gdt);
    } else if (g_str_equal(tag->name, "S.base64") && tag->nindices == 2 && tag->size == 8) {
        if (tag->index[1] == DK_SEG_FS)
            cpu->fs_base = tag->value;
        if (tag->index[1] == DK_SEG_GS)
            cpu->gs_base = tag->value;
    }
}

/* FALSE only for what makes the whole file unreadable. */
static gboolean read_tags(DkVmwareFile *file, DkInput *input, const DkVmwareGroup *group,
                          guint *tags, GError **error)
{
    guint64 off = group->off;
    gboolean memory = g_str_equal(group->name, "memory");
    gboolean cpu = g_str_equal(group->name, "cpu");
    Tag tag = {.group = group->name};
    while (memory || cpu) {
        g_autoptr(GError) local = NULL;
        gboolean end = FALSE;
        /* Memory that is cut off ends the file; its pieces say so. */
        if (memory && off == dk_input_size(input) && file->has_memory &&
            file->memory_size > off - file->memory_off)
            return TRUE;
        if (++*tags > DK_VMWARE_TAGS_MAX) {
            complain(file, "more than 1048576 tags");
            return TRUE;
        }
        if (!read_tag(input, &off, &tag, &end, &local)) {
            if (!g_error_matches(local, DK_ERROR, DK_ERROR_DAMAGED)) {
                g_propagate_error(error, g_steal_pointer(&local));
                return FALSE;
            }
            complain(file, local->message);
            return TRUE;
        }
        if (end)
            return TRUE;
        if (memory)
            take_memory_tag(file, &tag);
        if (cpu)
            take_cpu_tag(file, input, &tag);
    }
    return TRUE;
}

/* --- groups --- */

static gboolean read_group(DkVmwareFile *file, DkCursor *cursor, guint64 size, GError **error)
{
    DkVmwareGroup group = {0};
    const guint8 *name = dk_cursor_bytes(cursor, "name", DK_VMWARE_NAME_SIZE, error);
    if (!name || !dk_cursor_u64(cursor, "offset", &group.off, error) ||
        !dk_cursor_u64(cursor, "size", &group.size, error))
        return FALSE;
    g_autofree char *raw = g_strndup((const char *)name, DK_VMWARE_NAME_SIZE);
    group.name = g_utf8_make_valid(raw, -1);
    g_array_append_val(file->groups, group);
    if (group.off >= size) {
        g_autofree char *text = g_strdup_printf(
            "group %s stands at offset " HEX ", behind the end of the file", group.name, group.off);
        complain(file, text);
    }
    return TRUE;
}

static gboolean read_groups(DkVmwareFile *file, DkInput *input, GError **error)
{
    guint8 raw[DK_VMWARE_HEADER_SIZE];
    DkCursor cursor;
    guint32 magic, version, count;
    gssize got = dk_input_read(input, 0, raw, sizeof raw, error);
    if (got < 0)
        return FALSE;
    dk_cursor_init(&cursor, raw, (gsize)got, 0, "header");
    if (!dk_cursor_u32(&cursor, "magic", &magic, error) ||
        !dk_cursor_u32(&cursor, "version", &version, error) ||
        !dk_cursor_u32(&cursor, "number of groups", &count, error))
        return FALSE;
    if (magic == MAGIC_32BIT) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "is a VMware file of the old 32-bit form (magic 0x%08x); not readable yet",
                    magic);
        return FALSE;
    }
    if (!count || count > DK_VMWARE_GROUPS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "the header at offset 8 says %u groups, expected 1 to %u", count,
                    DK_VMWARE_GROUPS_MAX);
        return FALSE;
    }
    g_autoptr(GBytes) table = dk_input_read_bytes(
        input, "table of groups", DK_VMWARE_HEADER_SIZE, (guint64)count * DK_VMWARE_GROUP_SIZE,
        DK_VMWARE_GROUPS_MAX * DK_VMWARE_GROUP_SIZE, error);
    if (!table)
        return FALSE;
    dk_cursor_init(&cursor, g_bytes_get_data(table, NULL), g_bytes_get_size(table),
                   DK_VMWARE_HEADER_SIZE, "table of groups");
    for (guint i = 0; i < count; i++) {
        if (!read_group(file, &cursor, dk_input_size(input), error))
            return FALSE;
    }
    return TRUE;
}

DkVmwareFile *dk_vmware_file_read(DkInput *input, GError **error)
{
    g_autoptr(DkVmwareFile) file = file_new();
    guint tags = 0;
    if (!dk_vmware_is_mine(input)) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "has no magic of VMware");
        return NULL;
    }
    if (!read_groups(file, input, error))
        return NULL;
    for (guint i = 0; i < file->groups->len; i++) {
        const DkVmwareGroup *group = &g_array_index(file->groups, DkVmwareGroup, i);
        if (group->off < dk_input_size(input) && !read_tags(file, input, group, &tags, error))
            return NULL;
    }
    return g_steal_pointer(&file);
}

/* --- CPUs --- */

/* In the order of the kernel's struct user_regs_struct; selectors are not in the file. */
static GBytes *general(const DkVmwareCpu *cpu)
{
    const guint64 *gp = cpu->gp;
    const guint64 order[27] = {
        gp[15],   gp[14], gp[13],      gp[12], gp[4], gp[3],        gp[11],       gp[10],
        gp[9],    gp[8],  gp[0],       gp[1],  gp[2], gp[6],        gp[7],        G_MAXUINT64,
        cpu->rip, 0,      cpu->eflags, gp[5],  0,     cpu->fs_base, cpu->gs_base,
    };
    guint64 raw[27];
    for (guint i = 0; i < G_N_ELEMENTS(raw); i++)
        raw[i] = GUINT64_TO_LE(order[i]);
    return g_bytes_new(raw, sizeof raw);
}

void dk_vmware_cpus_take(const DkVmwareFile *file, DkSubject *subject)
{
    const guint32 control = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4;
    guint count = MAX(file->cpu_count, file->cpus->len);
    const DkVmwareCpu none = {0};
    for (guint i = 0; i < count; i++) {
        const DkVmwareCpu *from = &none;
        if (i < file->cpus->len)
            from = &g_array_index(file->cpus, DkVmwareCpu, i);
        DkCpu *cpu = dk_machine_add_cpu(&subject->system, i);
        if (from->has_gp && from->has_rip && from->has_eflags) {
            cpu->regs[DK_REGSET_GENERAL] = general(from);
        } else {
            cpu->missing = g_strdup("the group \"cpu\" of the file lacks them");
            dk_subject_add_gap(subject, "cpu", 1, 0, 0, "CPU %u: %s", i, cpu->missing);
        }
        if ((from->has_cr & control) == control) {
            cpu->parts |= DK_CPU_CONTROL;
            cpu->cr0 = from->cr[0];
            cpu->cr2 = from->cr[2];
            cpu->cr3 = from->cr[3];
            cpu->cr4 = from->cr[4];
        }
        if (from->has_cr >> 8 & 1) {
            cpu->parts |= DK_CPU_CR8;
            cpu->cr8 = from->cr[8];
        }
        cpu->seg[DK_SEG_GDT] = (DkX86Segment){.limit = from->gdt_limit, .base = from->gdt};
        cpu->seg[DK_SEG_IDT] = (DkX86Segment){.limit = from->idt_limit, .base = from->idt};
    }
    subject->cpus = count;
    if (count)
        subject->machine = DK_MACHINE_X86_64;
}
