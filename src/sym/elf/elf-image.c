/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/elf/elf-image.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "sym/symfile.h"

void dk_elf_image_free(DkElfImage *image)
{
    if (!image)
        return;
    g_free(image->segments);
    g_free(image);
}

/* An address or size: 4 or 8 bytes. */
static gboolean word(DkCursor *cursor, gboolean is_64, const char *field, guint64 *value,
                     GError **error)
{
    if (is_64)
        return dk_cursor_u64(cursor, field, value, error);
    guint32 small;
    if (!dk_cursor_u32(cursor, field, &small, error))
        return FALSE;
    *value = small;
    return TRUE;
}

static gboolean parse_ident(DkCursor *cursor, DkElfImage *image, GError **error)
{
    const guint8 *ident = dk_cursor_bytes(cursor, "e_ident", EI_NIDENT, error);
    if (!ident)
        return FALSE;
    if (memcmp(ident, ELFMAG, SELFMAG) != 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "%s: no ELF magic", cursor->what);
        return FALSE;
    }
    if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "%s at offset 0x4: ELF class %u, not 1 or 2",
                    cursor->what, ident[EI_CLASS]);
        return FALSE;
    }
    if (ident[EI_DATA] != ELFDATA2LSB) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "%s at offset 0x5: not little-endian (%u)", cursor->what, ident[EI_DATA]);
        return FALSE;
    }
    image->is_64 = ident[EI_CLASS] == ELFCLASS64;
    return TRUE;
}

typedef struct {
    guint64 phoff;
    guint16 phentsize;
    guint16 phnum;
} ProgramHeaders;

static gboolean parse_header(DkCursor *cursor, DkElfImage *image, ProgramHeaders *ph,
                             GError **error)
{
    guint32 skip32;
    guint16 skip16;
    guint16 shentsize;
    guint16 shnum;
    if (!parse_ident(cursor, image, error) ||
        !dk_cursor_u16(cursor, "e_type", &image->type, error) ||
        !dk_cursor_u16(cursor, "e_machine", &image->machine, error) ||
        !dk_cursor_u32(cursor, "e_version", &skip32, error) ||
        !word(cursor, image->is_64, "e_entry", &image->entry, error) ||
        !word(cursor, image->is_64, "e_phoff", &ph->phoff, error) ||
        !word(cursor, image->is_64, "e_shoff", &image->shoff, error) ||
        !dk_cursor_u32(cursor, "e_flags", &skip32, error) ||
        !dk_cursor_u16(cursor, "e_ehsize", &skip16, error) ||
        !dk_cursor_u16(cursor, "e_phentsize", &ph->phentsize, error) ||
        !dk_cursor_u16(cursor, "e_phnum", &ph->phnum, error) ||
        !dk_cursor_u16(cursor, "e_shentsize", &shentsize, error) ||
        !dk_cursor_u16(cursor, "e_shnum", &shnum, error))
        return FALSE;
    image->shentsize = shentsize;
    image->shnum = shnum;
    if (ph->phnum > DK_ELF_SEGMENTS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%s: %u program headers, at most %u are read",
                    cursor->what, ph->phnum, DK_ELF_SEGMENTS_MAX);
        return FALSE;
    }
    guint least = image->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (ph->phnum && ph->phentsize != least) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "%s: e_phentsize is %u, not %u",
                    cursor->what, ph->phentsize, least);
        return FALSE;
    }
    return TRUE;
}

static gboolean parse_segment(DkCursor *cursor, gboolean is_64, DkElfSegment *segment,
                              GError **error)
{
    guint64 paddr;
    return dk_cursor_u32(cursor, "p_type", &segment->type, error) &&
           (!is_64 || dk_cursor_u32(cursor, "p_flags", &segment->flags, error)) &&
           word(cursor, is_64, "p_offset", &segment->offset, error) &&
           word(cursor, is_64, "p_vaddr", &segment->vaddr, error) &&
           word(cursor, is_64, "p_paddr", &paddr, error) &&
           word(cursor, is_64, "p_filesz", &segment->filesz, error) &&
           word(cursor, is_64, "p_memsz", &segment->memsz, error) &&
           (is_64 || dk_cursor_u32(cursor, "p_flags", &segment->flags, error)) &&
           word(cursor, is_64, "p_align", &segment->align, error);
}

static gboolean parse_segments(DkCursor *cursor, DkElfImage *image, const ProgramHeaders *ph,
                               guint page_size, GError **error)
{
    if (!dk_cursor_seek(cursor, "program headers", ph->phoff, error))
        return FALSE;
    image->segments = g_new0(DkElfSegment, MAX(ph->phnum, 1));
    image->low_vaddr = G_MAXUINT64;
    for (guint i = 0; i < ph->phnum; i++) {
        DkElfSegment *segment = &image->segments[i];
        if (!parse_segment(cursor, image->is_64, segment, error))
            return FALSE;
        image->nsegments++;
        if (segment->type != PT_LOAD)
            continue;
        image->low_vaddr = MIN(image->low_vaddr, segment->vaddr & -(guint64)page_size);
        image->high_vaddr = MAX(image->high_vaddr, segment->vaddr + segment->memsz);
    }
    if (image->low_vaddr == G_MAXUINT64)
        image->low_vaddr = 0;
    return TRUE;
}

DkElfImage *dk_elf_image_parse(const void *data, gsize len, guint page_size, const char *what,
                               GError **error)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, what);
    g_autoptr(DkElfImage) image = g_new0(DkElfImage, 1);
    ProgramHeaders ph = {0};
    if (!parse_header(&cursor, image, &ph, error) ||
        !parse_segments(&cursor, image, &ph, page_size, error))
        return NULL;
    return g_steal_pointer(&image);
}

DkElfImage *dk_elf_image_read(DkSpace *space, guint64 first, guint page_size, GError **error)
{
    /* Program headers follow the header; a page holds them unless someone went out of his way. */
    gsize room = sizeof(Elf64_Ehdr) + DK_ELF_SEGMENTS_MAX * sizeof(Elf64_Phdr);
    g_autofree guint8 *data = g_malloc(room);
    gsize got = dk_space_read(space, first, data, room);
    if (got < sizeof(Elf32_Ehdr)) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT,
                    "its ELF header at 0x%" G_GINT64_MODIFIER "x is not in the dump", first);
        return NULL;
    }
    g_autofree char *what = g_strdup_printf("ELF header at 0x%" G_GINT64_MODIFIER "x", first);
    return dk_elf_image_parse(data, got, page_size, what, error);
}

guint64 dk_elf_image_pointer(const DkElfImage *image, guint64 bias, guint64 value)
{
    guint64 size = image->high_vaddr - image->low_vaddr;
    return value - (image->low_vaddr + bias) < size ? value - bias : value;
}

gboolean dk_elf_image_equal(const DkElfImage *a, const DkElfImage *b)
{
    if (a->is_64 != b->is_64 || a->type != b->type || a->machine != b->machine ||
        a->entry != b->entry || a->nsegments != b->nsegments)
        return FALSE;
    for (guint i = 0; i < a->nsegments; i++) {
        const DkElfSegment *x = &a->segments[i];
        const DkElfSegment *y = &b->segments[i];
        if (x->type != y->type || x->flags != y->flags || x->offset != y->offset ||
            x->vaddr != y->vaddr || x->filesz != y->filesz || x->memsz != y->memsz)
            return FALSE;
    }
    return TRUE;
}

/* The content of a segment in memory, as much of it as is there; NULL for none. */
static guint8 *segment_data(const DkElfSegment *segment, DkSpace *space, guint64 bias,
                            guint64 limit, gsize *len)
{
    if (!segment->memsz || segment->memsz > limit)
        return NULL;
    g_autofree guint8 *data = g_malloc((gsize)segment->memsz);
    *len = dk_space_read(space, segment->vaddr + bias, data, (gsize)segment->memsz);
    return *len ? g_steal_pointer(&data) : NULL;
}

static GBytes *build_id_in_notes(const guint8 *data, gsize len, gsize align)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "notes");
    for (;;) {
        guint32 namesz;
        guint32 descsz;
        guint32 type;
        if (!dk_cursor_u32(&cursor, "n_namesz", &namesz, NULL) ||
            !dk_cursor_u32(&cursor, "n_descsz", &descsz, NULL) ||
            !dk_cursor_u32(&cursor, "n_type", &type, NULL))
            return NULL;
        const guint8 *name = dk_cursor_bytes(&cursor, "name", namesz, NULL);
        if (!name)
            return NULL;
        dk_cursor_align(&cursor, align);
        const guint8 *desc = dk_cursor_bytes(&cursor, "desc", descsz, NULL);
        if (!desc)
            return NULL;
        dk_cursor_align(&cursor, align);
        if (type == NT_GNU_BUILD_ID && namesz == sizeof ELF_NOTE_GNU &&
            memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 && descsz &&
            descsz <= DK_ELF_BUILD_ID_MAX)
            return g_bytes_new(desc, descsz);
    }
}

GBytes *dk_elf_image_build_id(const DkElfImage *image, DkSpace *space, guint64 bias)
{
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type != PT_NOTE)
            continue;
        gsize len = 0;
        g_autofree guint8 *data = segment_data(segment, space, bias, DK_ELF_NOTES_MAX, &len);
        GBytes *id = data ? build_id_in_notes(data, len, segment->align == 8 ? 8 : 4) : NULL;
        if (id)
            return id;
    }
    return NULL;
}

char *dk_elf_image_soname(const DkElfImage *image, DkSpace *space, guint64 bias)
{
    const DkElfSegment *dynamic = NULL;
    for (guint i = 0; i < image->nsegments && !dynamic; i++) {
        if (image->segments[i].type == PT_DYNAMIC)
            dynamic = &image->segments[i];
    }
    gsize len = 0;
    g_autofree guint8 *data = dynamic ? segment_data(dynamic, space, bias, DK_ELF_DYNAMIC_MAX, &len)
                                      : NULL;
    if (!data)
        return NULL;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "dynamic segment");
    guint64 strtab = 0;
    guint64 soname = 0;
    guint64 tag = DT_NULL;
    guint64 value;
    while (word(&cursor, image->is_64, "d_tag", &tag, NULL) &&
           word(&cursor, image->is_64, "d_val", &value, NULL) && tag != DT_NULL) {
        if (tag == DT_STRTAB)
            strtab = value;
        else if (tag == DT_SONAME)
            soname = value;
    }
    if (!soname || !strtab || soname > G_MAXUINT32)
        return NULL;
    guint64 at = dk_elf_image_pointer(image, bias, strtab) + bias;
    char *name = dk_space_read_string(space, at + soname, DK_ELF_SONAME_MAX);
    if (name && (!*name || !g_utf8_validate(name, -1, NULL)))
        g_clear_pointer(&name, g_free);
    return name;
}

void dk_elf_identify_modules(DkSubject *subject, DkSpace *space)
{
    for (guint i = 0; i < subject->process.modules->len; i++) {
        DkModule *module = g_ptr_array_index(subject->process.modules, i);
        if (module->build_id && module->path)
            continue;
        g_autoptr(DkElfImage) image = dk_elf_image_read(space, module->first, subject->page_size,
                                                        NULL);
        if (!image)
            continue;
        guint64 bias = module->first - image->low_vaddr;
        if (!module->build_id)
            module->build_id = dk_elf_image_build_id(image, space, bias);
        if (!module->path)
            module->path = dk_elf_image_soname(image, space, bias);
    }
}
