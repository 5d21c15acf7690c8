/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/elf/elf-file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "sym/elf/elf-open.h"
#include "sym/elf/elf-rebuild.h"

/* Headers of a file on disk: as many bytes as dk_elf_image_read() takes of memory. */
#define HEADERS_MAX (64 + DK_ELF_SEGMENTS_MAX * 56)

static void file_close(DkSymFile *base)
{
    DkElfFile *file = (DkElfFile *)base;
    g_clear_pointer(&file->names, dk_elf_names_free);
    g_clear_pointer(&file->lines, dk_elf_lines_free);
    g_clear_pointer(&file->types, dk_elf_types_free);
    g_clear_pointer(&file->cfi, dk_elf_cfi_free);
    if (file->dwfl)
        dwfl_end(file->dwfl);
    g_clear_pointer(&file->build_id, g_bytes_unref);
    g_free(file->debug_path);
    g_free(file->main_path);
    g_free(file->sysroot);
    g_free(file->debug_found);
    g_free(file);
}

const DkSymFileOps dk_elf_file_ops = {
    .name = "elf",
    .symbols = dk_elf_symbols,
    .line = dk_elf_line,
    .inlines = dk_elf_inlines,
    .type = dk_elf_type,
    .type_of = dk_elf_type_of,
    .foreach_type = dk_elf_foreach_type,
    .cfi = dk_elf_cfi,
    .image = dk_elf_bytes,
    .close = file_close,
};

/* What is known while a module is opened. */
typedef struct {
    const DkSubject *subject;
    const DkModule *module;
    DkSpace *space;
    DkElfFile *file;
    DkElfImage *memory; /* its headers in memory, or NULL */
    guint64 bias;       /* of memory */
    GString *tried;     /* what was refused and why */
    int rebuilt;        /* the file made from memory, or -1 */
    gboolean rebuilt_all;
} Opening;

static void refuse(Opening *opening, const char *what, const char *why)
{
    g_string_append_printf(opening->tried, "%s%s: %s", opening->tried->len ? "; " : "", what, why);
}

static guint16 elf_machine(DkMachineId machine)
{
    switch (machine) {
    case DK_MACHINE_X86:
        return EM_386;
    case DK_MACHINE_X86_64:
        return EM_X86_64;
    case DK_MACHINE_ARM64:
        return EM_AARCH64;
    case DK_MACHINE_UNKNOWN:
        break;
    }
    return EM_NONE;
}

static gboolean is_vdso(const char *path)
{
    return path && (strcmp(path, "[vdso]") == 0 || g_str_has_prefix(path, "linux-vdso") ||
                    g_str_has_prefix(path, "linux-gate"));
}

/* The vaddr of the module's first byte, by the mapping that stands there. */
static guint64 first_vaddr(const Opening *opening, const DkElfImage *image)
{
    guint64 page = opening->subject->page_size;
    const DkMapping *mapping = dk_subject_mapping_at(opening->subject, opening->module->first);
    if (!mapping || !mapping->path || mapping->first != opening->module->first)
        return image->low_vaddr;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        guint64 start = segment->offset & -page;
        if (segment->type == PT_LOAD && mapping->file_offset >= start &&
            mapping->file_offset - start < segment->filesz + (segment->offset - start))
            return (segment->vaddr & -page) + (mapping->file_offset - start);
    }
    return image->low_vaddr;
}

/* Gives the file, which it takes over, to elfutils. */
static gboolean report(Opening *opening, int fd, const char *path, guint64 low_vaddr)
{
    DkElfFile *file = opening->file;
    if (file->dwfl)
        dwfl_end(file->dwfl);
    file->callbacks = (Dwfl_Callbacks){
        .find_debuginfo = dk_elf_find_debuginfo,
        .section_address = dwfl_offline_section_address,
        .debuginfo_path = &file->debug_path,
    };
    file->dwfl = dwfl_begin(&file->callbacks);
    if (file->dwfl) {
        dwfl_report_begin(file->dwfl);
        file->module = dwfl_report_elf(file->dwfl, path, path, fd, 0, true);
    }
    if (!file->dwfl || !file->module) {
        refuse(opening, path, dwfl_errmsg(-1));
        close(fd);
        return FALSE;
    }
    dwfl_report_end(file->dwfl, NULL, NULL);
    void **userdata;
    dwfl_module_info(file->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
    *userdata = file;
    g_free(file->base.path);
    file->base.path = g_strdup(path);
    file->low_vaddr = low_vaddr;
    return TRUE;
}

/* Bytes of code and constants that are compared where there is no build-id: at least, at most. */
#define COMPARE_MIN 64
#define COMPARE_MAX (1024 * 1024)

/*
 * Compares what memory has of a segment that nobody writes with the file; adds the bytes that were
 * compared to *compared.  FALSE when they differ.
 */
static gboolean same_segment(const Opening *opening, int fd, const DkElfSegment *segment,
                             guint64 bias, gsize *compared)
{
    guint8 memory[4096];
    guint8 disk[4096];
    for (guint64 at = 0; at < segment->filesz && *compared < COMPARE_MAX; at += sizeof memory) {
        gsize want = (gsize)MIN(sizeof memory, segment->filesz - at);
        if (dk_space_read(opening->space, segment->vaddr + bias + at, memory, want) != want)
            continue;
        if (dk_fd_pread_all(fd, disk, want, segment->offset + at) != (gssize)want ||
            memcmp(memory, disk, want) != 0)
            return FALSE;
        *compared += want;
    }
    return TRUE;
}

/* Whether the dump holds code or constants of the module, and they are those of the file. */
static gboolean same_content(const Opening *opening, int fd, const DkElfImage *image)
{
    guint64 bias = opening->module->first - first_vaddr(opening, image);
    gsize compared = 0;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type == PT_LOAD && !(segment->flags & PF_W) &&
            !same_segment(opening, fd, segment, bias, &compared))
            return FALSE;
    }
    return compared >= COMPARE_MIN;
}

/* Why the file is not the one that was loaded, or NULL when it is. */
static const char *mismatch(const Opening *opening, int fd, const DkElfImage *image)
{
    if (image->machine != elf_machine(opening->subject->machine))
        return "is of another machine";
    g_autoptr(GBytes) id = dk_elf_fd_build_id(fd);
    if (opening->file->build_id) {
        if (!id)
            return "has no build-id";
        return g_bytes_equal(id, opening->file->build_id) ? NULL : "has another build-id";
    }
    if (id)
        return "has a build-id, and that of the module is not known";
    /* Both without: the headers in memory must be the same, or what else is there. */
    if (opening->memory)
        return dk_elf_image_equal(image, opening->memory) ? NULL : "has other headers";
    return same_content(opening, fd, image)
               ? NULL
               : "has no build-id, and the dump nothing that shows it to be the one";
}

static gboolean try_fd(Opening *opening, int fd, const char *path)
{
    dk_autofd int own = fd;
    g_autofree guint8 *data = g_malloc(HEADERS_MAX);
    gssize got = dk_fd_pread_all(own, data, HEADERS_MAX, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkElfImage) image = dk_elf_image_parse(data, got > 0 ? (gsize)got : 0,
                                                     opening->subject->page_size, "file", &error);
    const char *why = image ? mismatch(opening, own, image) : error->message;
    if (why) {
        refuse(opening, path, why);
        return FALSE;
    }
    return report(opening, dk_fd_steal(&own), path, first_vaddr(opening, image));
}

static gboolean try_disk(Opening *opening)
{
    const DkElfFile *file = opening->file;
    if (!file->main_path || file->main_path[0] != '/')
        return FALSE;
    g_autofree char *full = g_strconcat(file->sysroot, file->main_path, NULL);
    int fd = dk_elf_open_regular(full);
    if (fd < 0) {
        refuse(opening, full, g_strerror(errno));
        return FALSE;
    }
    return try_fd(opening, fd, full);
}

/* The file itself, or with suffix ".debug" what strip left of it, in the debug directories. */
static gboolean try_store(Opening *opening, const char *suffix)
{
    g_autofree char *path = NULL;
    int fd = opening->file->build_id
                 ? dk_elf_find_by_build_id(opening->file, opening->file->build_id, suffix, &path)
                 : -1;
    return fd >= 0 && try_fd(opening, fd, path);
}

static gboolean try_debuginfod(Opening *opening)
{
    DkElfFile *file = opening->file;
    if (!file->debuginfod || !file->build_id)
        return FALSE;
    static const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_build_id_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = dwfl_offline_section_address,
    };
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (!dwfl)
        return FALSE;
    gsize len;
    const guint8 *bits = g_bytes_get_data(file->build_id, &len);
    Dwfl_Module *module = dwfl_report_module(dwfl, "module", 0, file->size);
    char *path = NULL;
    Elf *elf = NULL;
    int fd = -1;
    if (module && dwfl_module_report_build_id(module, bits, len, 0) == 0) {
        void *userdata = NULL;
        fd = dwfl_build_id_find_elf(module, &userdata, "module", 0, &path, &elf);
    }
    gboolean done = fd >= 0 && try_fd(opening, fd, path ? path : "debuginfod");
    elf_end(elf);
    free(path);
    dwfl_end(dwfl);
    return done;
}

static gboolean try_memory(Opening *opening, gboolean whole)
{
    const char *name = opening->module->path ? opening->module->path : "module";
    g_autofree char *what = g_strdup_printf("%s (memory)", name);
    guint64 bytes;
    g_autoptr(GError) error = NULL;
    if (opening->rebuilt < 0)
        opening->rebuilt = dk_elf_rebuild(opening->memory, opening->space, opening->bias, &bytes,
                                          &opening->rebuilt_all, &error);
    if (opening->rebuilt < 0) {
        if (!whole)
            refuse(opening, what, error->message);
        return FALSE;
    }
    if (whole && !opening->rebuilt_all)
        return FALSE;
    return report(opening, dk_fd_steal(&opening->rebuilt), what, opening->memory->low_vaddr);
}

static gboolean has_symtab(DkElfFile *file)
{
    GElf_Addr bias;
    Elf *elf = dwfl_module_getelf(file->module, &bias);
    Elf_Scn *section = NULL;
    while (elf && (section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            return TRUE;
    }
    return file->debug_found != NULL;
}

/* What lm shows; looks for the separate debug file. */
static char *describe(DkElfFile *file, gboolean from_memory)
{
    Dwarf_Addr bias;
    Dwarf *dwarf = dwfl_module_getdwarf(file->module, &bias);
    Dwarf_CU *unit = NULL;
    if (dwarf && dwarf_get_units(dwarf, NULL, &unit, NULL, NULL, NULL, NULL) == 0)
        return g_strdup("dwarf");
    if (has_symtab(file))
        return g_strdup("symtab");
    return g_strdup(from_memory ? "dynsym from memory" : "dynsym");
}

/* Tries the places in the order of what they can give. */
static gboolean find(Opening *opening, gboolean *from_memory)
{
    *from_memory = FALSE;
    gboolean vdso = is_vdso(opening->module->path);
    if (!vdso && (try_disk(opening) || try_store(opening, "")))
        return TRUE;
    if (opening->memory && try_memory(opening, !vdso))
        return *from_memory = TRUE;
    if (!vdso && try_debuginfod(opening))
        return TRUE;
    if (opening->memory && try_memory(opening, FALSE))
        return *from_memory = TRUE;
    return !vdso && try_store(opening, ".debug");
}

static DkElfFile *file_new(const DkSubject *subject, const DkModule *module,
                           const DkSymOptions *options)
{
    DkElfFile *file = g_new0(DkElfFile, 1);
    dk_symfile_init(&file->base, &dk_elf_file_ops, NULL);
    file->arch = dk_arch_for(subject->machine);
    file->size = module->last - module->first + 1;
    file->sysroot = g_strdup(options && options->sysroot ? options->sysroot : "");
    file->debug_path = g_strdup(options ? options->debug_path : NULL);
    file->debuginfod = options && options->debuginfod;
    file->main_path = g_strdup(module->path);
    if (file->main_path && g_str_has_suffix(file->main_path, " (deleted)"))
        file->main_path[strlen(file->main_path) - strlen(" (deleted)")] = '\0';
    return file;
}

DkSymFile *dk_elf_open(const DkSubject *subject, const DkModule *module, DkSpace *space,
                       const DkSymOptions *options, GError **error)
{
    elf_version(EV_CURRENT);
    g_autoptr(DkElfImage) memory = NULL;
    g_autoptr(GString) tried = g_string_new(NULL);
    DkElfFile *file = file_new(subject, module, options);
    Opening opening = {.subject = subject,
                       .module = module,
                       .space = space,
                       .file = file,
                       .tried = tried,
                       .rebuilt = -1};
    g_autoptr(GError) why = NULL;
    memory = dk_elf_image_read(space, module->first, subject->page_size, &why);
    if (memory) {
        opening.memory = memory;
        opening.bias = module->first - memory->low_vaddr;
    }
    if (module->build_id)
        file->build_id = g_bytes_ref(module->build_id);
    else if (memory)
        file->build_id = dk_elf_image_build_id(memory, space, opening.bias);

    gboolean from_memory;
    gboolean found = find(&opening, &from_memory);
    dk_fd_close(&opening.rebuilt);
    if (!found) {
        if (why)
            refuse(&opening, "memory", why->message);
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no symbols of %s: %s",
                    module->path ? module->path : "a module without a name", tried->str);
        dk_symfile_close(&file->base);
        return NULL;
    }
    file->from_disk = !from_memory;
    file->base.kind = describe(file, from_memory);
    return &file->base;
}
