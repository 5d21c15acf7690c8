/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory is split into sections of 2^SECTION_SIZE_BITS bytes.  mem_section is an array of pointers
 * to pages full of struct mem_section (SPARSEMEM_EXTREME), whose section_mem_map says where the
 * section's struct pages are, minus the size of those of all frames before it; its lowest bits
 * are flags, since both are whole pages.
 */
#include "target/linux/page-filter.h"

#include <string.h>

#include "base/error.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE ((guint64)1 << PAGE_SHIFT)
/* Of section_mem_map. */
#define SECTION_HAS_MEM_MAP ((guint64)1 << 1)
#define SECTION_MAP_MASK (~(PAGE_SIZE - 1))
/* The lowest bit of page.mapping: anonymous memory. */
#define MAPPING_ANON ((guint64)1)
/* The lowest bit of page.compound_head: a tail, the rest is the head's address. */
#define COMPOUND_TAIL ((guint64)1)
/* Struct pages that are read at once. */
#define BLOCK 1024u
/* Limits of what is believed. */
#define STRUCT_MIN 32u
#define STRUCT_MAX 256u
#define ORDER_MAX 20u        /* of a compound page: 4 GiB */
#define SECTION_BITS_MIN 22u /* no block of struct pages lies in two */
#define SECTION_BITS_MAX 40u
#define ROOTS_MAX ((guint64)1 << 24)
#define NO_SECTION G_MAXUINT64

/* A flag of page.flags, or a value of page._mapcount, that the kernel may not have. */
typedef struct {
    gboolean known;
    guint64 value;
} Number;

struct DkLinuxPages {
    DkSpace *space;
    /* struct page */
    guint size;
    guint flags, mapping, mapcount, private, compound_head;
    gboolean has_compound;
    gboolean order_in_flags; /* Linux 6.6: the low byte of the second page's flags */
    guint order_off;         /* else: from the head's beginning */
    gboolean has_dtor;
    guint dtor_off;
    guint64 lru, private_bit, head_mask;
    Number swapcache, swapbacked, slab, hwpoison, buddy, offline, hugetlb_dtor, hugetlb_type,
        hugetlb_bit;
    guint max_order; /* of a free block */
    /* sections */
    guint64 roots_va;
    guint64 nroots;
    guint64 per_root;
    guint64 section_size; /* of struct mem_section */
    guint64 map_off;
    guint section_shift; /* frame number to section */
    guint64 end_pfn;     /* no frame from here on */
    guint64 section;     /* the one that map is of */
    guint64 map;         /* struct page of frame 0, if all lay behind each other; 0: none */
    /* struct pages that were read */
    guint8 *block;
    guint64 block_pfn;
    guint block_count;
    /* where a call with ascending frames goes on: pfn is the beginning of a span */
    guint64 at_pfn;
};

void dk_linux_pages_free(DkLinuxPages *pages)
{
    if (!pages)
        return;
    dk_space_unref(pages->space);
    g_free(pages->block);
    g_free(pages);
}

/* --- what VMCOREINFO has to say --- */

static gboolean lacks(const char *kind, const char *name, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "pages cannot be told apart: VMCOREINFO has no %s(%s)", kind, name);
    return FALSE;
}

static gboolean odd(GError **error, const char *what, guint64 value)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "pages cannot be told apart: VMCOREINFO does not add up: %s is %" G_GUINT64_FORMAT,
                what, value);
    return FALSE;
}

static Number number(const DkVmcoreinfo *info, const char *name)
{
    Number found = {0};
    found.known = dk_vmcoreinfo_number(info, name, &found.value);
    return found;
}

/* A bit number of page.flags, as a mask. */
static Number bit(const DkVmcoreinfo *info, const char *name)
{
    Number found = number(info, name);
    found.known = found.known && found.value < 64;
    found.value = found.known ? (guint64)1 << found.value : 0;
    return found;
}

static gboolean member(const DkVmcoreinfo *info, const DkLinuxPages *pages, const char *name,
                       guint bytes, guint *off, GError **error)
{
    guint64 value;
    if (!dk_vmcoreinfo_offset(info, name, &value))
        return lacks("OFFSET", name, error);
    if (value > pages->size - bytes)
        return odd(error, name, value);
    *off = (guint)value;
    return TRUE;
}

/* Where the order of a compound page is, and what marks huge pages; this has changed often. */
static gboolean take_compound(DkLinuxPages *pages, const DkVmcoreinfo *info, GError **error)
{
    guint64 order, dtor;
    if (!member(info, pages, "page.compound_head", 8, &pages->compound_head, NULL))
        return TRUE;
    pages->has_compound = TRUE;
    pages->order_in_flags = FALSE;
    if (dk_vmcoreinfo_offset(info, "page.compound_order", &order))
        order += pages->size;
    else if (!dk_vmcoreinfo_offset(info, "folio._folio_order", &order))
        pages->order_in_flags = TRUE;
    if (dk_vmcoreinfo_offset(info, "page.compound_dtor", &dtor)) {
        dtor += pages->size;
        pages->has_dtor = TRUE;
    } else {
        pages->has_dtor = dk_vmcoreinfo_offset(info, "folio._folio_dtor", &dtor);
    }
    if (!pages->order_in_flags && order >= 2 * pages->size)
        return odd(error, "the offset of compound_order", order);
    if (pages->has_dtor && dtor >= 2 * pages->size)
        return odd(error, "the offset of compound_dtor", dtor);
    pages->order_off = pages->order_in_flags ? pages->size + pages->flags : (guint)order;
    pages->dtor_off = pages->has_dtor ? (guint)dtor : 0;
    pages->hugetlb_dtor = number(info, "HUGETLB_PAGE_DTOR");
    pages->hugetlb_type = number(info, "PAGE_HUGETLB_MAPCOUNT_VALUE");
    pages->hugetlb_bit = bit(info, "PG_hugetlb");
    return TRUE;
}

static gboolean take_page(DkLinuxPages *pages, const DkVmcoreinfo *info, GError **error)
{
    guint64 size;
    if (!dk_vmcoreinfo_size(info, "page", &size))
        return lacks("SIZE", "page", error);
    if (size < STRUCT_MIN || size > STRUCT_MAX || size % 8)
        return odd(error, "SIZE(page)", size);
    pages->size = (guint)size;
    Number lru = bit(info, "PG_lru");
    Number private = bit(info, "PG_private");
    Number head = number(info, "PG_head_mask");
    if (!lru.known || !private.known)
        return lacks("NUMBER", lru.known ? "PG_private" : "PG_lru", error);
    pages->lru = lru.value;
    pages->private_bit = private.value;
    pages->head_mask = head.known ? head.value : 0;
    pages->swapcache = bit(info, "PG_swapcache");
    pages->swapbacked = bit(info, "PG_swapbacked");
    pages->slab = bit(info, "PG_slab");
    pages->hwpoison = bit(info, "PG_hwpoison");
    pages->buddy = number(info, "PAGE_BUDDY_MAPCOUNT_VALUE");
    pages->offline = number(info, "PAGE_OFFLINE_MAPCOUNT_VALUE");
    if (!pages->buddy.known)
        return lacks("NUMBER", "PAGE_BUDDY_MAPCOUNT_VALUE", error);
    guint64 orders;
    if (!dk_vmcoreinfo_length(info, "zone.free_area", &orders))
        return lacks("LENGTH", "zone.free_area", error);
    if (orders < 1 || orders > ORDER_MAX)
        return odd(error, "LENGTH(zone.free_area)", orders);
    pages->max_order = (guint)orders - 1;
    return member(info, pages, "page.flags", 8, &pages->flags, error) &&
           member(info, pages, "page.mapping", 8, &pages->mapping, error) &&
           member(info, pages, "page._mapcount", 4, &pages->mapcount, error) &&
           member(info, pages, "page.private", 8, &pages->private, error) &&
           take_compound(pages, info, error);
}

static gboolean take_sections(DkLinuxPages *pages, const DkVmcoreinfo *info, GError **error)
{
    guint64 bits, all_bits;
    if (!dk_vmcoreinfo_symbol(info, "mem_section", &pages->roots_va))
        return lacks("SYMBOL", "mem_section", error);
    if (!dk_vmcoreinfo_length(info, "mem_section", &pages->nroots))
        return lacks("LENGTH", "mem_section", error);
    if (!dk_vmcoreinfo_size(info, "mem_section", &pages->section_size))
        return lacks("SIZE", "mem_section", error);
    if (!dk_vmcoreinfo_offset(info, "mem_section.section_mem_map", &pages->map_off))
        return lacks("OFFSET", "mem_section.section_mem_map", error);
    if (!dk_vmcoreinfo_number(info, "SECTION_SIZE_BITS", &bits))
        return lacks("NUMBER", "SECTION_SIZE_BITS", error);
    if (bits < SECTION_BITS_MIN || bits > SECTION_BITS_MAX)
        return odd(error, "SECTION_SIZE_BITS", bits);
    if (pages->nroots < 1 || pages->nroots > ROOTS_MAX)
        return odd(error, "LENGTH(mem_section)", pages->nroots);
    if (pages->section_size < 8 || pages->section_size > PAGE_SIZE)
        return odd(error, "SIZE(mem_section)", pages->section_size);
    if (pages->map_off > pages->section_size - 8)
        return odd(error, "OFFSET(mem_section.section_mem_map)", pages->map_off);
    pages->section_shift = (guint)bits - PAGE_SHIFT;
    pages->per_root = PAGE_SIZE / pages->section_size;
    pages->end_pfn = (pages->nroots * pages->per_root) << pages->section_shift;
    /* Without SPARSEMEM_EXTREME there is one section a root, and all lie in the array itself. */
    if (dk_vmcoreinfo_number(info, "MAX_PHYSMEM_BITS", &all_bits) && all_bits > bits &&
        all_bits <= 56 &&
        pages->nroots !=
            (((guint64)1 << (all_bits - bits)) + pages->per_root - 1) / pages->per_root)
        return odd(error, "LENGTH(mem_section), for SPARSEMEM_EXTREME,", pages->nroots);
    return TRUE;
}

/* --- struct pages --- */

static gboolean read_u64(DkLinuxPages *pages, guint64 va, guint64 *value)
{
    guint64 little;
    if (dk_space_read(pages->space, va, &little, sizeof little) != sizeof little)
        return FALSE;
    *value = GUINT64_FROM_LE(little);
    return TRUE;
}

/* Sets pages->map for the section of pfn; FALSE with the first frame behind the hole. */
static gboolean enter_section(DkLinuxPages *pages, guint64 pfn, guint64 *next_pfn)
{
    guint64 section = pfn >> pages->section_shift;
    guint64 root = section / pages->per_root;
    guint64 root_va = 0, map = 0;
    *next_pfn = (section + 1) << pages->section_shift;
    if (section == pages->section)
        return pages->map != 0;
    pages->section = section;
    pages->map = 0;
    if (!read_u64(pages, pages->roots_va + root * 8, &root_va) || !root_va) {
        *next_pfn = ((root + 1) * pages->per_root) << pages->section_shift;
        pages->section = NO_SECTION;
        return FALSE;
    }
    guint64 index = section % pages->per_root;
    if (read_u64(pages, root_va + index * pages->section_size + pages->map_off, &map) &&
        map & SECTION_HAS_MEM_MAP)
        pages->map = map & SECTION_MAP_MASK;
    return pages->map != 0;
}

/* The struct page of pfn, whose section has been entered; NULL when it is not in the dump. */
static const guint8 *struct_of(DkLinuxPages *pages, guint64 pfn)
{
    if (pfn < pages->block_pfn || pfn - pages->block_pfn >= pages->block_count) {
        guint64 first = pfn & ~(guint64)(BLOCK - 1);
        gsize got = dk_space_read(pages->space, pages->map + first * pages->size, pages->block,
                                  (gsize)BLOCK * pages->size);
        pages->block_pfn = first;
        pages->block_count = (guint)(got / pages->size);
        if (pfn - first >= pages->block_count) {
            /* A hole in front of it. */
            got = dk_space_read(pages->space, pages->map + pfn * pages->size, pages->block,
                                (gsize)(BLOCK - (pfn - first)) * pages->size);
            pages->block_pfn = pfn;
            pages->block_count = (guint)(got / pages->size);
        }
        if (!pages->block_count)
            return NULL;
    }
    return pages->block + (pfn - pages->block_pfn) * pages->size;
}

static guint64 load_u64(const guint8 *page, guint off)
{
    guint64 little;
    memcpy(&little, page + off, sizeof little);
    return GUINT64_FROM_LE(little);
}

static guint32 load_u32(const guint8 *page, guint off)
{
    guint32 little;
    memcpy(&little, page + off, sizeof little);
    return GUINT32_FROM_LE(little);
}

static gboolean has_bit(Number flag, guint64 flags)
{
    return flag.known && flags & flag.value;
}

/*
 * Whether _mapcount says that the page is of a type.  Since Linux 6.12 the type is the highest byte
 * alone, and its number ends in 24 bits of zero.
 */
static gboolean is_type(Number type, guint32 mapcount)
{
    guint32 value = (guint32)type.value;
    if (!type.known)
        return FALSE;
    if (value >= 0xf0000000 && !(value & 0xffffff))
        return (mapcount & 0xff000000) == value;
    return mapcount == value;
}

/* --- kinds --- */

/* A compound page, or a single one. */
typedef struct {
    guint order;
    gboolean is_huge; /* of hugetlbfs */
} Compound;

static Compound compound_of(DkLinuxPages *pages, guint64 pfn, guint64 flags, guint32 mapcount)
{
    Compound none = {0};
    guint8 second[2 * STRUCT_MAX];
    if (!pages->has_compound || !(flags & pages->head_mask))
        return none;
    /* The second page's struct may stand in the next block. */
    gsize size = 2 * (gsize)pages->size;
    if (dk_space_read(pages->space, pages->map + pfn * pages->size, second, size) != size)
        return none;
    Compound compound = {.order = second[pages->order_off]};
    if (compound.order > ORDER_MAX || pfn & (((guint64)1 << compound.order) - 1))
        return none;
    guint64 second_flags = load_u64(second + pages->size, pages->flags);
    if (pages->has_dtor && pages->hugetlb_dtor.known)
        compound.is_huge = second[pages->dtor_off] == (guint8)pages->hugetlb_dtor.value;
    else if (pages->hugetlb_type.known)
        compound.is_huge = is_type(pages->hugetlb_type, mapcount);
    else
        compound.is_huge = has_bit(pages->hugetlb_bit, second_flags);
    return compound;
}

static guint32 kind_of(const DkLinuxPages *pages, guint64 flags, guint64 mapping, guint32 mapcount,
                       const Compound *compound)
{
    gboolean is_slab = has_bit(pages->slab, flags);
    gboolean is_anonymous = !is_slab && mapping & MAPPING_ANON;
    gboolean is_swapped = has_bit(pages->swapcache, flags) &&
                          (!pages->swapbacked.known || has_bit(pages->swapbacked, flags));
    gboolean is_cache = flags & pages->lru || is_swapped;
    if (is_cache && !is_anonymous)
        return flags & pages->private_bit ? DK_LINUX_CACHE_PRIVATE : DK_LINUX_CACHE;
    if (is_anonymous || compound->is_huge)
        return DK_LINUX_USER;
    if (has_bit(pages->hwpoison, flags) || (!is_slab && is_type(pages->offline, mapcount)))
        return DK_LINUX_OFFLINE;
    return 0;
}

/* The head of the compound page whose tail pfn is; pfn itself when that makes no sense. */
static guint64 head_of(DkLinuxPages *pages, guint64 pfn, guint64 head_va)
{
    guint64 va = pages->map + pfn * pages->size;
    guint64 distance = va - (head_va & ~COMPOUND_TAIL);
    if (!(head_va & COMPOUND_TAIL) || distance % pages->size ||
        distance / pages->size > MIN(pfn, (guint64)1 << ORDER_MAX))
        return pfn;
    return pfn - distance / pages->size;
}

/*
 * The kind of pfn and how many frames from it on are part of the same free block or compound page;
 * 0 for other pages.
 */
static guint32 classify(DkLinuxPages *pages, guint64 pfn, guint64 *count)
{
    const guint8 *page = struct_of(pages, pfn);
    *count = 1;
    if (!page)
        return 0;
    guint64 flags = load_u64(page, pages->flags);
    guint64 mapping = load_u64(page, pages->mapping);
    guint32 mapcount = load_u32(page, pages->mapcount);
    if (!has_bit(pages->slab, flags) && is_type(pages->buddy, mapcount)) {
        guint64 order = load_u64(page, pages->private);
        if (order > pages->max_order || pfn & (((guint64)1 << order) - 1))
            return 0;
        *count = (guint64)1 << order;
        return DK_LINUX_FREE;
    }
    Compound compound = compound_of(pages, pfn, flags, mapcount);
    *count = (guint64)1 << compound.order;
    return kind_of(pages, flags, mapping, mapcount, &compound);
}

/* Where to begin so that from is seen as part of the block or compound page that it is in. */
static guint64 begin_at(DkLinuxPages *pages, guint64 from)
{
    guint64 next_pfn;
    guint64 begin = from & ~(((guint64)1 << pages->max_order) - 1);
    if (!pages->has_compound || !enter_section(pages, begin, &next_pfn))
        return begin;
    const guint8 *page = struct_of(pages, begin);
    if (!page)
        return begin;
    guint64 head = head_of(pages, begin, load_u64(page, pages->compound_head));
    /* A head in a section of other tables cannot be trusted to be near. */
    return head >> pages->section_shift == begin >> pages->section_shift ? head : begin;
}

gboolean dk_linux_pages_next(DkLinuxPages *pages, guint64 from_pfn, guint32 mask,
                             guint64 *first_pfn, guint64 *last_pfn, guint32 *kind)
{
    guint64 pfn = from_pfn == pages->at_pfn ? from_pfn : begin_at(pages, from_pfn);
    guint32 open = 0; /* kind of the run that has begun */
    guint64 first = 0;
    guint64 next_pfn;
    while (pfn < pages->end_pfn) {
        guint64 count = 0;
        guint32 found = 0;
        if (enter_section(pages, pfn, &next_pfn)) {
            found = classify(pages, pfn, &count);
            next_pfn = pfn + count;
        }
        found = next_pfn > from_pfn ? found & mask : 0;
        if (open && found != open)
            break;
        if (found && !open) {
            open = found;
            first = MAX(pfn, from_pfn);
        }
        pfn = next_pfn;
    }
    if (!open)
        return FALSE;
    pages->at_pfn = pfn;
    *first_pfn = first;
    *last_pfn = pfn - 1;
    if (kind)
        *kind = open;
    return TRUE;
}

/* The struct page of the kernel's own tables: no kind that may be left out, or nothing is right. */
static gboolean is_plausible(DkLinuxPages *pages, DkLinuxKernel *kernel, GError **error)
{
    const DkPageTables *tables = dk_linux_kernel_tables(kernel);
    guint64 root = tables->paging->split ? tables->root_high : tables->root;
    guint64 pfn = (root & tables->paging->root_mask) >> PAGE_SHIFT;
    guint64 next_pfn, count;
    if (!enter_section(pages, pfn, &next_pfn) || !struct_of(pages, pfn)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "pages cannot be told apart: the kernel's struct pages are not in memory");
        return FALSE;
    }
    if (classify(pages, pfn, &count)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "pages cannot be told apart: the kernel's own page tables seem to be free or "
                    "a process's, so its struct pages are not understood");
        return FALSE;
    }
    return TRUE;
}

/* Frames behind the highest one that the dump speaks of need no look. */
static void limit_frames(DkLinuxPages *pages, DkSpace *phys)
{
    guint64 last = 0, addr = 0;
    DkRun run;
    while (dk_space_next_run(phys, addr, &run)) {
        last = run.kind == DK_RUN_ABSENT ? last : run.last;
        if (run.last == G_MAXUINT64)
            break;
        addr = run.last + 1;
    }
    pages->end_pfn = MIN(pages->end_pfn, (last >> PAGE_SHIFT) + 1);
}

DkLinuxPages *dk_linux_pages_new(DkLinuxKernel *kernel, const DkVmcoreinfo *info, GError **error)
{
    g_autoptr(DkLinuxPages) pages = g_new0(DkLinuxPages, 1);
    pages->space = dk_space_ref(dk_linux_kernel_space(kernel));
    pages->section = NO_SECTION;
    if (dk_vmcoreinfo_page_size(info) != PAGE_SIZE ||
        dk_linux_kernel_machine(kernel) == DK_MACHINE_X86) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "pages cannot be told apart: only 64-bit kernels with pages of 4096 bytes are "
                    "understood");
        return NULL;
    }
    if (!dk_linux_kernel_is_in_place(kernel)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "pages cannot be told apart: the kernel's page tables are not where "
                    "VMCOREINFO says");
        return NULL;
    }
    if (!take_page(pages, info, error) || !take_sections(pages, info, error))
        return NULL;
    limit_frames(pages, dk_linux_kernel_phys(kernel));
    pages->block = g_malloc((gsize)BLOCK * pages->size);
    if (!is_plausible(pages, kernel, error))
        return NULL;
    return g_steal_pointer(&pages);
}
