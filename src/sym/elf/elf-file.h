/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkElfFile: a DkSymFile on elfutils.  One Dwfl with one module stands at base 0, so that its
 * addresses are those of the file ("vaddr"); an RVA is a vaddr less low_vaddr.
 */
#pragma once

#include <elfutils/libdwfl.h>
#include <glib.h>

#include "arch/arch.h"
#include "sym/elf/elf-image.h"
#include "sym/symfile.h"

typedef struct DkElfTypes DkElfTypes;
typedef struct DkElfCfi DkElfCfi;
typedef struct DkElfLines DkElfLines;
typedef struct DkElfNames DkElfNames;

typedef struct {
    DkSymFile base;
    Dwfl_Callbacks callbacks;
    char *debug_path; /* of callbacks */
    Dwfl *dwfl;
    Dwfl_Module *module;
    const DkArch *arch; /* NULL for a machine that is not known */
    guint64 low_vaddr;
    guint64 size;       /* bytes of the module; RVAs are below */
    gboolean from_disk; /* the module's own file, not made again from memory */

    /* For the search of separate debug files. */
    char *main_path; /* as the process knew it, without sysroot; NULL when nameless */
    char *sysroot;   /* "" for none */
    gboolean debuginfod;
    GBytes *build_id;  /* NULL: has none */
    char *debug_found; /* path of the separate debug file; NULL while there is none */

    /* Made at first use. */
    DkElfNames *names;
    DkElfLines *lines;
    DkElfTypes *types;
    DkElfCfi *cfi;
} DkElfFile;

/* The table of the kind, and its slots, each with a create and a free for what it caches. */
extern const DkSymFileOps dk_elf_file_ops;

const DkSymbol *dk_elf_symbols(DkSymFile *base, gsize *count);
void dk_elf_names_free(DkElfNames *names);

/*
 * Calls each for the sections of the procedure linkage table of an x86-64 file, with the section's
 * name, and for each stub in them that has a name, "puts@plt".  name is lent for the call; size is
 * in bytes.
 */
typedef void (*DkElfPltEach)(const char *name, guint64 vaddr, guint64 size, gpointer context);
void dk_elf_plt_foreach(Elf *elf, DkElfPltEach each, gpointer context);

gboolean dk_elf_line(DkSymFile *base, guint64 rva, DkLine *line);
void dk_elf_inlines(DkSymFile *base, guint64 rva, GPtrArray *names, GArray *calls);
void dk_elf_lines_free(DkElfLines *lines);

const DkType *dk_elf_type(DkSymFile *base, const char *name);
const DkType *dk_elf_type_of(DkSymFile *base, const char *variable);
void dk_elf_foreach_type(DkSymFile *base, gboolean (*each)(const DkType *type, gpointer data),
                         gpointer data);
void dk_elf_types_free(DkElfTypes *types);

const DkCfiRow *dk_elf_cfi(DkSymFile *base, guint64 rva);
void dk_elf_cfi_free(DkElfCfi *cfi);

gsize dk_elf_bytes(DkSymFile *base, guint64 rva, void *buf, gsize len);

/* The find_debuginfo callback: looks for debug files and, for those, for dwz files. */
int dk_elf_find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                          const char *file_name, const char *debuglink_file,
                          GElf_Word debuglink_crc, char **debuginfo_file_name);

/*
 * Looks for a file by build-id, suffix ".debug" or "", under the debug directories.  The descriptor
 * of one whose build-id is right, with *path set, or -1.
 */
int dk_elf_find_by_build_id(const DkElfFile *file, GBytes *build_id, const char *suffix,
                            char **path);

/* Opens a regular file for reading; -1 with errno. */
int dk_elf_open_regular(const char *path);

/* The build-id of the open ELF file, or NULL. */
GBytes *dk_elf_fd_build_id(int fd);
