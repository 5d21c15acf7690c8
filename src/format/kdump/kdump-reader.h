/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the kdump reader among themselves.  kdump-file.c reads the headers of one file and
 * kdump-index.c its bitmaps and descriptors; kdump-space.c serves the memory of all files of a
 * dump, kdump-read.c makes the subject, kdump-verify.c checks.
 */
#pragma once

#include "codec/block.h"
#include "format/kdump/kdump-flat.h"
#include "format/kdump/kdump-layout.h"
#include "io/input.h"
#include "mem/format.h"

/* What is taken from a file before it is called hostile. */
#define DK_KDUMP_BLOCK_MIN 1024u
#define DK_KDUMP_BLOCK_MAX (256u << 10)
#define DK_KDUMP_PAGES_MAX ((guint64)1 << 35)
#define DK_KDUMP_NOTES_MAX ((guint64)64 << 20)
#define DK_KDUMP_PARTS_MAX 1024u
#define DK_KDUMP_RAM_MAX 65536u /* runs of RAM that are told one by one */
#define DK_KDUMP_GAPS_MAX 1000u

/* Pages of a chunk of a bitmap; their bits are 8 KiB. */
#define DK_KDUMP_CHUNK_PAGES ((guint64)1 << 16)
#define DK_KDUMP_CHUNK_BYTES ((gsize)(DK_KDUMP_CHUNK_PAGES / 8))
#define DK_KDUMP_CHUNK_WORDS (DK_KDUMP_CHUNK_BYTES / 8)

/* One file of a dump. */
typedef struct {
    DkInput *input; /* an ordinary kdump file, also where the real one is flattened */
    DkKdumpFlatFacts flat;
    gboolean old; /* "DISKDUMP" */
    gboolean big_endian;
    gboolean wide;   /* made by a 64-bit machine */
    gboolean packed; /* 64-bit fields are aligned to 4 */
    gint32 version;
    char utsname[DK_KDUMP_UTS_FIELDS][DK_KDUMP_UTS_SIZE + 1];
    gint64 time_us;
    guint32 status;
    guint32 block_size;
    guint32 sub_blocks;
    guint32 bitmap_blocks;
    guint32 cpus;
    guint64 pages; /* that the bitmaps speak of: max_mapnr */
    DkKdumpSub64 sub;
    gboolean has_level; /* sub.dump_level is there */
    guint64 start_pfn;  /* of what this file holds; both inside.  All, if not split; none: */
    guint64 last_pfn;   /* start_pfn > last_pfn */

    guint64 bitmap_off[2]; /* both the same if there is one only */
    guint64 bitmap_size;   /* bytes of one */
    guint64 desc_off;
    guint64 data_off;     /* behind the descriptors */
    guint64 chunks;       /* of a bitmap */
    guint64 *ranks;       /* for each chunk, pages dumped before it */
    guint64 dumped;       /* pages that bitmap 2 has */
    guint64 existing;     /* pages that bitmap 1 has */
    guint64 before;       /* pages dumped before start_pfn, in other files */
    guint64 descriptors;  /* of this file */
    guint64 bitmap_cut;   /* first page whose bits the file lacks; pages: none */
    guint64 bits_end;     /* the file has no bits of this page and later ones; at most pages */
    guint64 outside;      /* bits beyond pages that are set */
    guint64 not_existing; /* bits of bitmap 2 that bitmap 1 lacks */
    gboolean has_zero;    /* zero_off is a page of zeros, stored as it is */
    guint64 zero_off;
} DkKdumpFile;

typedef struct {
    guint64 off;
    guint32 size;
    guint32 flags;
} DkKdumpPage;

/* A chunk of a bitmap in memory. */
typedef struct {
    const DkKdumpFile *file; /* NULL: nothing */
    guint64 index;
    guint64 words[DK_KDUMP_CHUNK_WORDS];
    guint32 ranks[DK_KDUMP_CHUNK_WORDS / 8]; /* pages before each 8 words, in the chunk */
} DkKdumpChunk;

#define DK_KDUMP_CHUNK_SLOTS 32u
#define DK_KDUMP_DESC_BLOCK 682u    /* descriptors that are read at once: 16 KiB */
#define DK_KDUMP_DESC_SLOTS 1024u   /* blocks of them that are kept */
#define DK_KDUMP_DESC_SLOTS_FEW 16u /* the same by those that read one page after the other */

typedef struct {
    const DkKdumpFile *file; /* NULL: nothing */
    guint64 block;
    guint got; /* descriptors that the file has of it */
    guint8 bytes[DK_KDUMP_DESC_BLOCK * sizeof(DkKdumpDescriptor)];
} DkKdumpDescBlock;

/* Caches for one thread's reads of bitmaps and descriptors.  All zero: an empty one. */
typedef struct {
    gboolean jumps;                                /* keeps many descriptors: up to 16 MiB */
    DkKdumpChunk *chunks[2][DK_KDUMP_CHUNK_SLOTS]; /* by bitmap */
    DkKdumpDescBlock *blocks[DK_KDUMP_DESC_SLOTS];
} DkKdumpCache;

void dk_kdump_cache_clear(DkKdumpCache *cache);

/*
 * Reads the headers.  DK_ERROR_NOT_MINE when input is no kdump file, DAMAGED or UNSUPPORTED with
 * the offset when it is one that cannot be read.  max_records as of dk_kdump_flat_open().
 */
DkKdumpFile *dk_kdump_file_open(DkInput *input, guint max_records,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_kdump_file_free(DkKdumpFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkKdumpFile, dk_kdump_file_free)

/*
 * Counts the bitmaps and looks for the page of zeros; each (may be NULL) is told the runs of pages
 * that exist, ascending.
 */
typedef void (*DkKdumpEachRun)(guint64 first_pfn, guint64 last_pfn, gpointer data);
gboolean dk_kdump_index(DkKdumpFile *file, DkKdumpEachRun each, gpointer data,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether bitmap 1 (which 0) or bitmap 2 (which 1) of the file has pfn, which is below pages. */
gboolean dk_kdump_bit(const DkKdumpFile *file, DkKdumpCache *cache, guint which, guint64 pfn);

/*
 * Whether bitmap 2 may lack pages because the file was cut: in a flattened one it may come last.
 * With other filters than that of zeros a page that it lacks is taken as left out all the same.
 */
static inline gboolean dk_kdump_bitmap_is_doubtful(const DkKdumpFile *file)
{
    return file->flat.cut && file->has_level && file->sub.dump_level <= DK_KDUMP_LEVEL_ZERO;
}

/* The first page at or above pfn that either bitmap has; FALSE when there is none. */
gboolean dk_kdump_next_page(const DkKdumpFile *file, DkKdumpCache *cache, guint64 pfn,
                            guint64 *found);

/* The place of the descriptor of pfn, which bitmap 2 has, counted from this file's first. */
guint64 dk_kdump_rank(const DkKdumpFile *file, DkKdumpCache *cache, guint64 pfn);

/* The descriptor of that place; FALSE when the file ends before it. */
gboolean dk_kdump_descriptor(const DkKdumpFile *file, DkKdumpCache *cache, guint64 index,
                             DkKdumpPage *page);

/* Whether the bytes that a descriptor names are all in the file and can be a page. */
typedef enum {
    DK_KDUMP_PAGE_GOOD,
    DK_KDUMP_PAGE_MISSING, /* not written, or cut off */
    DK_KDUMP_PAGE_BAD,     /* the descriptor cannot be */
} DkKdumpPageState;
DkKdumpPageState dk_kdump_page_state(const DkKdumpFile *file, const DkKdumpPage *page);

/* Whether the page is the one of zeros that many share. */
static inline gboolean dk_kdump_page_is_zero(const DkKdumpFile *file, const DkKdumpPage *page)
{
    return file->has_zero && page->off == file->zero_off && page->size == file->block_size &&
           !(page->flags & DK_KDUMP_METHODS);
}

/* What unpacks pages; for one thread. */
typedef struct {
    gpointer unpackers[DK_BLOCK_COUNT];
} DkKdumpUnpackers;

void dk_kdump_unpackers_clear(DkKdumpUnpackers *unpackers);

/*
 * The method that flags name, DK_BLOCK_COUNT for a page that is stored as it is; FALSE when they
 * name several.
 */
gboolean dk_kdump_method(guint32 flags, DkBlockId *method);

/* Turns the stored bytes of page into block_size bytes at out. */
gboolean dk_kdump_unpack(const DkKdumpFile *file, DkKdumpUnpackers *unpackers,
                         const DkKdumpPage *page, const guint8 *stored, guint8 *out);

/* The memory of a dump. */
typedef struct {
    DkSpace space;
    GPtrArray *files; /* of DkKdumpFile, by start_pfn */
    GMutex lock;
    GPtrArray *idle; /* of work areas that no thread uses; guarded by lock */
    guint works;     /* that were made; guarded by lock */
    gboolean has_run;
    DkRun run; /* what next_run answered last; guarded by lock */
} DkKdumpSpace;

/* Takes files over. */
DkKdumpSpace *dk_kdump_space_new(GPtrArray *files);

/* The open dump. */
typedef struct {
    DkSource source;
    DkKdumpSpace *memory; /* source.space */
    guint64 result_off;   /* of our own note about the end of the capture; 0: there is none */
} DkKdump;

gboolean dk_kdump_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);

/* What dump_level leaves out, such as "zero, free"; "" for nothing.  Free with g_free(). */
char *dk_kdump_level_text(guint level);

/* The writer, of kdump-write.c. */
DkSink *dk_kdump_sink_new(DkOutput *output, const DkSinkOptions *options);
