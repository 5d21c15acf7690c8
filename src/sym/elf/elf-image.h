/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The headers of an ELF module as they stand in the memory of a process, read with bounds: hostile
 * memory gives a GError or leaves things out.  Layouts: System V gABI, chapters 4 and 5 (object
 * files, program loading), and the GNU note NT_GNU_BUILD_ID (3).
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"

/* Above these, headers in memory count as damaged. */
#define DK_ELF_SEGMENTS_MAX 1024
#define DK_ELF_NOTES_MAX (64 * 1024)   /* bytes of a note segment */
#define DK_ELF_DYNAMIC_MAX (64 * 1024) /* bytes of a dynamic segment */
#define DK_ELF_BUILD_ID_MAX 64         /* bytes */
#define DK_ELF_SONAME_MAX 4096         /* bytes */

typedef struct {
    guint32 type; /* PT_... */
    guint32 flags;
    guint64 offset; /* bytes in the file */
    guint64 vaddr;  /* as the file says it */
    guint64 filesz;
    guint64 memsz;
    guint64 align;
} DkElfSegment;

typedef struct {
    gboolean is_64;
    guint16 type;    /* ET_... */
    guint16 machine; /* EM_... */
    guint64 entry;
    guint64 shoff; /* section headers: offset in the file, number, size of each */
    guint32 shnum;
    guint32 shentsize;
    DkElfSegment *segments;
    guint nsegments;
    guint64 low_vaddr;  /* of the lowest PT_LOAD, rounded down to a page */
    guint64 high_vaddr; /* behind the highest PT_LOAD */
} DkElfImage;

/*
 * Reads the header and the program headers at the start of len bytes at data; what names them in
 * messages.  DK_ERROR_NOT_MINE without the magic, DAMAGED, LIMIT, or UNSUPPORTED for big-endian
 * ones.  page_size is that of the process.
 */
DkElfImage *dk_elf_image_parse(const void *data, gsize len, guint page_size, const char *what,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same of a module in memory; DK_ERROR_ABSENT when its headers are not there. */
DkElfImage *dk_elf_image_read(DkSpace *space, guint64 first, guint page_size,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_elf_image_free(DkElfImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkElfImage, dk_elf_image_free)

/*
 * The vaddr that a pointer in the dynamic segment means: the loader of glibc turns it into an
 * address, others leave it as it was.
 */
guint64 dk_elf_image_pointer(const DkElfImage *image, guint64 bias, guint64 value);

/* TRUE when both have the same entry point and the same segments. */
gboolean dk_elf_image_equal(const DkElfImage *a, const DkElfImage *b);

/*
 * The build-id in the notes of the image, which is loaded bias bytes above what its file says; NULL
 * when it has none or the notes are not in memory.
 */
GBytes *dk_elf_image_build_id(const DkElfImage *image, DkSpace *space, guint64 bias);

/* DT_SONAME, or NULL.  Free with g_free(). */
char *dk_elf_image_soname(const DkElfImage *image, DkSpace *space, guint64 bias);
