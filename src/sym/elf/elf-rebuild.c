/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/elf/elf-rebuild.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define PAGE 4096

/* Entries behind the last bucket of a GNU hash table; real ones share a bucket by twos and threes.
 */
#define HASH_CHAIN_MAX 4096
#define HASH_BUCKETS_MAX (1 << 22)

/* Copies first_va..first_va+len to off as far as it is there; FALSE with errno. */
static gboolean copy_range(int fd, DkSpace *space, guint64 va, guint64 off, guint64 len,
                           guint64 *copied)
{
    gsize room = 256 * 1024;
    g_autofree guint8 *data = g_malloc(room);
    guint64 done = 0;
    while (done < len) {
        gsize want = (gsize)MIN(len - done, room);
        gsize got = dk_space_read(space, va + done, data, want);
        if (got && dk_fd_pwrite_all(fd, data, got, off + done) < 0)
            return FALSE;
        *copied += got;
        done += got;
        if (got == want)
            continue;
        /* What comes next is not there: on to the next run, or page, that may be. */
        DkRun run;
        guint64 next = (va + done) / PAGE * PAGE + PAGE;
        if (!dk_space_next_run(space, next, &run))
            break;
        guint64 to = MAX(run.first, next);
        if (to < va || to - va >= len)
            break;
        done = to - va;
    }
    return TRUE;
}

/* Whether tag's value is an address that a dynamic loader relocates (gABI, figure 5-10, and GNU).
 */
static gboolean is_address(guint64 tag)
{
    switch (tag) {
    case DT_PLTGOT:
    case DT_HASH:
    case DT_STRTAB:
    case DT_SYMTAB:
    case DT_RELA:
    case DT_REL:
    case DT_JMPREL:
    case DT_VERSYM:
    case DT_VERDEF:
    case DT_VERNEED:
    case DT_GNU_HASH:
        return TRUE;
    default:
        return FALSE;
    }
}

static void put_word(guint8 *at, gboolean is_64, guint64 value)
{
    if (is_64) {
        value = GUINT64_TO_LE(value);
        memcpy(at, &value, 8);
    } else {
        guint32 small = GUINT32_TO_LE((guint32)value);
        memcpy(at, &small, 4);
    }
}

static guint64 get_word(const guint8 *at, gboolean is_64)
{
    guint64 value = 0;
    memcpy(&value, at, is_64 ? 8 : 4);
    return GUINT64_FROM_LE(value);
}

/* Undoes the loader's work on the dynamic segment. */
static gboolean fix_dynamic(int fd, const DkElfImage *image, guint64 bias)
{
    guint size = image->is_64 ? 8 : 4;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type != PT_DYNAMIC || segment->filesz > DK_ELF_DYNAMIC_MAX || !bias)
            continue;
        gsize len = (gsize)segment->filesz;
        g_autofree guint8 *data = g_malloc0(MAX(len, 1));
        gssize got = dk_fd_pread_all(fd, data, len, segment->offset);
        for (gsize at = 0; got > 0 && at + 2 * size <= (gsize)got; at += 2 * size) {
            guint64 tag = get_word(data + at, image->is_64);
            guint64 value = get_word(data + at + size, image->is_64);
            if (is_address(tag))
                put_word(data + at + size, image->is_64, dk_elf_image_pointer(image, bias, value));
        }
        if (got > 0 && dk_fd_pwrite_all(fd, data, (gsize)got, segment->offset) < 0)
            return FALSE;
    }
    return TRUE;
}

/* A 32-bit word of the file at vaddr; FALSE when no segment has it. */
static gboolean word_at(int fd, const DkElfImage *image, guint64 vaddr, guint32 *value)
{
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type != PT_LOAD || vaddr < segment->vaddr || segment->filesz < 4 ||
            vaddr - segment->vaddr > segment->filesz - 4)
            continue;
        guint32 word;
        if (dk_fd_pread_all(fd, &word, sizeof word, segment->offset + (vaddr - segment->vaddr)) !=
            sizeof word)
            return FALSE;
        *value = GUINT32_FROM_LE(word);
        return TRUE;
    }
    return FALSE;
}

/*
 * Whether the last chain of a GNU hash table has an end.  elfutils walks it to count the symbols, a
 * word at a time and ever slower, and what the dump lacks reads as zeros, which end no chain.
 */
static gboolean gnu_hash_ends(int fd, const DkElfImage *image, guint64 vaddr)
{
    guint32 nbuckets, first, bloom, last = 0, word;
    if (!word_at(fd, image, vaddr, &nbuckets) || !word_at(fd, image, vaddr + 4, &first) ||
        !word_at(fd, image, vaddr + 8, &bloom) || nbuckets > HASH_BUCKETS_MAX)
        return FALSE;
    guint64 buckets_va = vaddr + 16 + (guint64)bloom * (image->is_64 ? 8 : 4);
    for (guint32 i = 0; i < nbuckets; i++) {
        if (!word_at(fd, image, buckets_va + (guint64)i * 4, &word))
            return FALSE;
        last = MAX(last, word);
    }
    if (last < first)
        return FALSE;
    guint64 chain_va = buckets_va + (guint64)nbuckets * 4 + (guint64)(last - first) * 4;
    for (guint i = 0; i < HASH_CHAIN_MAX; i++) {
        if (!word_at(fd, image, chain_va + (guint64)i * 4, &word))
            return FALSE;
        if (word & 1)
            return TRUE;
    }
    return FALSE;
}

/* Takes away hash tables that cannot be walked; the symbols are then not known. */
static gboolean fix_hash(int fd, const DkElfImage *image)
{
    guint size = image->is_64 ? 8 : 4;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type != PT_DYNAMIC || segment->filesz > DK_ELF_DYNAMIC_MAX)
            continue;
        gsize len = (gsize)segment->filesz;
        g_autofree guint8 *data = g_malloc0(MAX(len, 1));
        gssize got = dk_fd_pread_all(fd, data, len, segment->offset);
        for (gsize at = 0; got > 0 && at + 2 * size <= (gsize)got; at += 2 * size) {
            guint64 tag = get_word(data + at, image->is_64);
            guint64 value = get_word(data + at + size, image->is_64);
            if (tag == DT_GNU_HASH && !gnu_hash_ends(fd, image, value))
                put_word(data + at, image->is_64, DT_DEBUG);
        }
        if (got > 0 && dk_fd_pwrite_all(fd, data, (gsize)got, segment->offset) < 0)
            return FALSE;
    }
    return TRUE;
}

/* What memory has of a segment: whole pages of the file, where nothing may have been written. */
static guint64 segment_len(const DkElfSegment *segment)
{
    if (segment->flags & PF_W || segment->memsz > segment->filesz)
        return segment->filesz;
    guint64 end = segment->vaddr + segment->filesz;
    return segment->filesz + (PAGE - end % PAGE) % PAGE;
}

/* Section headers stay when memory has them whole, as that of a vdso has. */
static gboolean fix_sections(int fd, const DkElfImage *image)
{
    guint64 size = (guint64)image->shnum * image->shentsize;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type == PT_LOAD && image->shnum && image->shoff >= segment->offset &&
            image->shoff - segment->offset <= segment_len(segment) &&
            size <= segment_len(segment) - (image->shoff - segment->offset))
            return TRUE;
    }
    guint8 none[8] = {0};
    guint64 shoff_at = image->is_64 ? offsetof(Elf64_Ehdr, e_shoff) : offsetof(Elf32_Ehdr, e_shoff);
    guint64 shnum_at = image->is_64 ? offsetof(Elf64_Ehdr, e_shnum) : offsetof(Elf32_Ehdr, e_shnum);
    return dk_fd_pwrite_all(fd, none, image->is_64 ? 8 : 4, shoff_at) >= 0 &&
           dk_fd_pwrite_all(fd, none, 4, shnum_at) >= 0; /* e_shnum and e_shstrndx */
}

/* The size of the file that the segments describe. */
static gboolean measure(const DkElfImage *image, guint64 *size, guint64 *content, GError **error)
{
    *size = *content = 0;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type != PT_LOAD)
            continue;
        if (segment->offset > DK_ELF_REBUILD_MAX || segment->filesz > DK_ELF_REBUILD_MAX ||
            segment->filesz > DK_ELF_COPY_MAX - *content) {
            g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                        "program header %u: 0x%" G_GINT64_MODIFIER "x bytes at offset 0x"
                        "%" G_GINT64_MODIFIER "x are too many to rebuild",
                        i, segment->filesz, segment->offset);
            return FALSE;
        }
        *size = MAX(*size, segment->offset + segment_len(segment));
        *content += segment_len(segment);
    }
    return TRUE;
}

int dk_elf_rebuild(const DkElfImage *image, DkSpace *space, guint64 bias, guint64 *bytes,
                   gboolean *all, GError **error)
{
    guint64 size;
    guint64 content;
    if (!measure(image, &size, &content, error))
        return -1;
    dk_autofd int fd = memfd_create("dumpkit-module", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        dk_error_set_errno(error, errno, "memory for a module");
        return -1;
    }
    guint64 copied = 0;
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type == PT_LOAD &&
            !copy_range(fd, space, segment->vaddr + bias, segment->offset, segment_len(segment),
                        &copied)) {
            dk_error_set_errno(error, errno, "memory for a module");
            return -1;
        }
    }
    if (!copied) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "none of its memory is in the dump");
        return -1;
    }
    if (!fix_dynamic(fd, image, bias) || !fix_hash(fd, image) || !fix_sections(fd, image)) {
        dk_error_set_errno(error, errno, "memory for a module");
        return -1;
    }
    *bytes = copied;
    *all = copied == content;
    return dk_fd_steal(&fd);
}
