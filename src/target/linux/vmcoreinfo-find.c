/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "target/linux/kernel.h"
#include "target/linux/vmcoreinfo.h"
#include "target/memory-scan.h"

#define BEGINNING "OSRELEASE="
/* Texts that are looked at closely before the best so far is taken. */
#define CANDIDATES_MAX 256

/* The head of the note that the kernel keeps beside the text: sizes, type, "VMCOREINFO" padded. */
#define NOTE_HEAD 24

typedef struct {
    DkSpace *phys;
    GBytes *best;
    guint rank; /* of best; see rank_of() */
    guint seen;
} Search;

/* A kernel's lines are plain ASCII; anything else ends the text. */
static gsize text_length(const char *data, gsize size)
{
    gsize len = 0;
    gsize whole = 0;
    for (; len < size && (data[len] == '\n' || (data[len] >= ' ' && data[len] <= '~')); len++) {
        if (data[len] == '\n')
            whole = len + 1;
    }
    return whole;
}

/* Every line is KEY=VALUE or KEY(NAME)=VALUE with a key in capitals, digits, "_", "-". */
static gboolean lines_are_right(const char *data, gsize len)
{
    for (gsize pos = 0; pos < len;) {
        const char *line = data + pos;
        const char *end = memchr(line, '\n', len - pos);
        const char *at = line;
        while (at < end &&
               (g_ascii_isupper(*at) || g_ascii_isdigit(*at) || *at == '_' || *at == '-'))
            at++;
        /* CONFIG_X86_PAE=y, and crash times, have no name in brackets. */
        if (at == line || at == end || (*at != '=' && *at != '('))
            return FALSE;
        if (!memchr(line, '=', (gsize)(end - line)))
            return FALSE;
        pos += (gsize)(end - line) + 1;
    }
    return TRUE;
}

/* Where the kernel would put it: 2 the start of a page, 1 behind a note's head there, 0 neither. */
static guint place_of(DkSpace *phys, guint64 pa)
{
    char name[12];
    if ((pa & 4095) == 0)
        return 2;
    if ((pa & 4095) == NOTE_HEAD &&
        dk_space_read(phys, pa - sizeof name, name, sizeof name) == sizeof name &&
        memcmp(name, "VMCOREINFO", 11) == 0)
        return 1;
    return 0;
}

/* 0: not one.  With 8, the kernel that it speaks of is in place, and nothing can be better. */
static guint rank_of(Search *search, guint64 pa, const DkVmcoreinfo *info)
{
    guint64 va;
    guint rank = 1 + place_of(search->phys, pa);
    if (!dk_vmcoreinfo_symbol(info, "_stext", &va) &&
        !dk_vmcoreinfo_symbol(info, "mem_section", &va) &&
        !dk_vmcoreinfo_symbol(info, "node_online_map", &va))
        return 0;
    g_autoptr(DkLinuxKernel) kernel = dk_linux_kernel_new(search->phys, info, NULL, NULL);
    return kernel && dk_linux_kernel_is_in_place(kernel) ? rank + 8 : rank;
}

static gboolean hit(guint64 pa, gpointer data)
{
    Search *search = data;
    g_autofree char *text = g_malloc(DK_VMCOREINFO_MAX);
    gsize got = dk_space_read(search->phys, pa, text, DK_VMCOREINFO_MAX);
    gsize len = text_length(text, got);
    if (!len || !lines_are_right(text, len))
        return TRUE;
    g_autoptr(GBytes) bytes = g_bytes_new(text, len);
    g_autoptr(DkVmcoreinfo) info = dk_vmcoreinfo_parse(bytes, NULL);
    if (!info)
        return TRUE;
    guint rank = rank_of(search, pa, info);
    if (rank > search->rank) {
        search->rank = rank;
        g_clear_pointer(&search->best, g_bytes_unref);
        search->best = g_steal_pointer(&bytes);
    }
    /* A copy, of a file or of a guest's guest, is not at the place of the kernel's own. */
    return search->rank < 10 && ++search->seen < CANDIDATES_MAX;
}

GBytes *dk_vmcoreinfo_find(DkSpace *phys, guint64 max_bytes, DkProgress *progress, GError **error)
{
    Search search = {.phys = phys};
    DkScan scan = {
        .needle = BEGINNING, .len = strlen(BEGINNING), .last = G_MAXUINT64, .max_bytes = max_bytes};
    gboolean whole = TRUE;
    if (!dk_scan_memory(phys, &scan, hit, &search, &whole, progress, error)) {
        g_clear_pointer(&search.best, g_bytes_unref);
        return NULL;
    }
    if (!search.best)
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no VMCOREINFO is in %s",
                    whole ? "memory" : "the part of memory that was looked at");
    return search.best;
}
