/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Modules made again from memory whose hash table lies: the C library, damaged in a few words. */
#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "loaded-elf.h"
#include "self-process.h"
#include "sym/elf/elf-rebuild.h"

#define BASE_VA 0x7ffff7c00000

/* The C library as a file in memory, and where its hash table stands. */
typedef struct {
    char *dir;
    char *path;
    guint8 *data;
    gsize len;
    guint64 segment_end; /* of the segment with the table; offsets and RVAs are the same there */
    guint64 hash;
    guint64 buckets;
    guint32 nbuckets;
    guint64 last_chain; /* the chain with the highest symbols */
} Library;

static guint32 word(const Library *library, guint64 off)
{
    guint32 value;
    g_assert_cmpuint(off, <=, library->len - 4);
    memcpy(&value, library->data + off, 4);
    return value;
}

static void put(Library *library, guint64 off, guint32 value)
{
    g_assert_cmpuint(off, <=, library->len - 4);
    memcpy(library->data + off, &value, 4);
}

static guint64 dynamic_value(const guint8 *data, gsize len, guint64 tag)
{
    for (gsize at = 0; at + sizeof(Elf64_Dyn) <= len; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, data + at, sizeof entry);
        if ((guint64)entry.d_tag == tag)
            return entry.d_un.d_val;
    }
    return 0;
}

static void find_table(Library *library)
{
    const Elf64_Ehdr *header = (const void *)library->data;
    const Elf64_Phdr *segments = (const void *)(library->data + header->e_phoff);
    for (guint i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset == 0)
            library->segment_end = segments[i].p_filesz;
        if (segments[i].p_type == PT_DYNAMIC)
            library->hash = dynamic_value(library->data + segments[i].p_offset,
                                          segments[i].p_filesz, DT_GNU_HASH);
    }
    g_assert_cmphex(library->hash, >, 0);
    g_assert_cmphex(library->hash, <, library->segment_end);
    library->nbuckets = word(library, library->hash);
    guint32 first = word(library, library->hash + 4), last = 0;
    library->buckets = library->hash + 16 + (guint64)word(library, library->hash + 8) * 8;
    for (guint32 i = 0; i < library->nbuckets; i++)
        last = MAX(last, word(library, library->buckets + (guint64)i * 4));
    g_assert_cmpuint(last, >, first);
    library->last_chain = library->buckets + ((guint64)library->nbuckets + last - first) * 4;
}

static void library_init(Library *library)
{
    g_autoptr(DkSpace) space = self_space_new();
    g_autoptr(DkSubject) subject = self_subject_new(space);
    const DkModule *libc = self_module(subject, "libc.so.6");
    g_assert_nonnull(libc);
    *library = (Library){.dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL)};
    library->path = g_build_filename(library->dir, "libc.so.6", NULL);
    char *content;
    g_assert_true(g_file_get_contents(libc->path, &content, &library->len, NULL));
    library->data = (guint8 *)content;
    find_table(library);
}

static void library_clear(Library *library)
{
    g_unlink(library->path);
    g_rmdir(library->dir);
    g_free(library->data);
    g_free(library->path);
    g_free(library->dir);
}

/* Memory as the library's file would be mapped; the file itself is gone. */
static void load(const Library *library, LoadedElf *elf)
{
    g_assert_true(g_file_set_contents(library->path, (const char *)library->data,
                                      (gssize)library->len, NULL));
    loaded_elf_init(elf, library->path, BASE_VA);
    g_free(elf->module->path);
    elf->module->path = g_strdup("/nowhere/libc.so.6");
}

/* Whether the file that is made from memory has the hash table. */
static gboolean keeps_table(const LoadedElf *elf)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkElfImage) image = dk_elf_image_read(elf->space, BASE_VA, 4096, &error);
    g_assert_no_error(error);
    guint64 bytes;
    gboolean all;
    dk_autofd int fd = dk_elf_rebuild(image, elf->space, BASE_VA, &bytes, &all, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < image->nsegments; i++) {
        const DkElfSegment *segment = &image->segments[i];
        if (segment->type != PT_DYNAMIC)
            continue;
        g_autofree guint8 *data = g_malloc0(segment->filesz);
        g_assert_cmpint(dk_fd_pread_all(fd, data, segment->filesz, segment->offset), ==,
                        segment->filesz);
        g_assert_cmphex(dynamic_value(data, segment->filesz, DT_STRTAB), >, 0);
        return dynamic_value(data, segment->filesz, DT_GNU_HASH) != 0;
    }
    g_assert_not_reached();
}

/*
 * The table is taken away, and opening comes back instead of walking on: with no symbols, or with
 * those between the symbol table and the string table, where both are there.
 */
static void check_refused(LoadedElf *elf, gboolean symbols)
{
    g_assert_false(keeps_table(elf));
    const DkSymOptions options = {.debug_path = "/nowhere"};
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSymFile) file = dk_symstore_open(elf->subject, elf->module, elf->space, &options,
                                                 &error);
    g_assert_no_error(error);
    g_assert_cmpstr(file->kind, ==, "dynsym from memory");
    g_assert_cmpint(dk_symfile_by_name(file, "getppid") != NULL, ==, symbols);
    loaded_elf_clear(elf);
}

static void test_whole(void)
{
    Library library;
    LoadedElf elf;
    library_init(&library);
    load(&library, &elf);
    g_assert_true(keeps_table(&elf));
    const DkSymOptions options = {.debug_path = "/nowhere"};
    g_autoptr(DkSymFile) file = dk_symstore_open(elf.subject, elf.module, elf.space, &options,
                                                 NULL);
    g_assert_nonnull(file);
    g_assert_nonnull(dk_symfile_by_name(file, "getppid"));
    loaded_elf_clear(&elf);
    library_clear(&library);
}

/* What the dump lacks reads as zeros, and a zero ends no chain. */
static void test_absent(void)
{
    Library library;
    LoadedElf elf;
    library_init(&library);
    load(&library, &elf);
    loaded_elf_forget(&elf, library.last_chain, library.segment_end - library.last_chain);
    check_refused(&elf, FALSE);
    /* The buckets too: no chain is known at all. */
    load(&library, &elf);
    loaded_elf_forget(&elf, library.buckets, library.segment_end - library.buckets);
    check_refused(&elf, FALSE);
    library_clear(&library);
}

static void test_endless(void)
{
    Library library;
    LoadedElf elf;
    library_init(&library);
    guint64 end = library.segment_end & ~(guint64)3;
    for (guint64 off = library.last_chain; off < end; off += 4)
        put(&library, off, 0x1234beee);
    load(&library, &elf);
    check_refused(&elf, FALSE);
    library_clear(&library);
}

/* Numbers that lead out of the segment, or that would take forever. */
static void test_hostile(void)
{
    static const struct {
        guint32 off; /* in the head of the table */
        guint32 value;
    } patches[] = {
        {0, G_MAXUINT32},                   /* buckets */
        {0, 0x80000},                       /* more than there is memory for */
        {0, 0},           {4, G_MAXUINT32}, /* the first symbol, behind all that are in buckets */
        {8, G_MAXUINT32},                   /* words of the filter, which the buckets follow */
    };
    for (guint i = 0; i < G_N_ELEMENTS(patches); i++) {
        Library library;
        LoadedElf elf;
        library_init(&library);
        put(&library, library.hash + patches[i].off, patches[i].value);
        load(&library, &elf);
        check_refused(&elf, TRUE);
        library_clear(&library);
    }
    /* One bucket whose chain begins far behind the segment. */
    Library library;
    LoadedElf elf;
    library_init(&library);
    put(&library, library.buckets, G_MAXUINT32);
    load(&library, &elf);
    check_refused(&elf, TRUE);
    library_clear(&library);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/elf-rebuild/whole", test_whole);
    g_test_add_func("/elf-rebuild/absent", test_absent);
    g_test_add_func("/elf-rebuild/endless", test_endless);
    g_test_add_func("/elf-rebuild/hostile", test_hostile);
    return g_test_run();
}
