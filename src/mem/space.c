/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/space.h"

#include <string.h>

#include "base/error.h"

void dk_space_init(DkSpace *space, const DkSpaceOps *ops)
{
    g_assert(ops && ops->read && ops->next_run && ops->destroy);
    space->ops = ops;
    space->refs = 1;
}

DkSpace *dk_space_ref(DkSpace *space)
{
    g_atomic_int_inc(&space->refs);
    return space;
}

void dk_space_unref(DkSpace *space)
{
    if (space && g_atomic_int_dec_and_test(&space->refs))
        space->ops->destroy(space);
}

/* Cuts len so that addr + len - 1 stays inside 64 bits. */
static gsize clamp(guint64 addr, gsize len)
{
    guint64 room = G_MAXUINT64 - addr;
    return len && len - 1 > room ? (gsize)room + 1 : len;
}

gsize dk_space_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    len = clamp(addr, len);
    if (!len)
        return 0;
    gsize done = space->ops->read(space, addr, buf, len);
    g_assert(done <= len);
    return done;
}

gboolean dk_space_read_all(DkSpace *space, guint64 addr, void *buf, gsize len, GError **error)
{
    gsize done = dk_space_read(space, addr, buf, len);
    if (done == len)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_ABSENT,
                "memory at 0x%" G_GINT64_MODIFIER "x is not in the dump", addr + done);
    return FALSE;
}

char *dk_space_read_string(DkSpace *space, guint64 addr, gsize max)
{
    g_autoptr(GString) text = g_string_new(NULL);
    while (text->len < max) {
        /* Up to the end of a page, so that a string near the end of memory is read whole. */
        char piece[256];
        gsize want = MIN(sizeof piece, max - text->len);
        want = MIN(want, 4096 - (gsize)((addr + text->len) & 4095));
        gsize got = dk_space_read(space, addr + text->len, piece, want);
        if (!got)
            break;
        const char *nul = memchr(piece, 0, got);
        g_string_append_len(text, piece, nul ? nul - piece : (gssize)got);
        if (nul)
            return g_string_free(g_steal_pointer(&text), FALSE);
        if (got < want)
            break;
    }
    if (!text->len)
        return NULL;
    return g_string_free(g_steal_pointer(&text), FALSE);
}

gboolean dk_space_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    DkRun found;
    if (!space->ops->next_run(space, from, &found))
        return FALSE;
    g_assert(found.first <= found.last && found.last >= from);
    *run = found;
    return TRUE;
}

gboolean dk_space_can_write(const DkSpace *space)
{
    return space->ops->write != NULL;
}

gsize dk_space_write(DkSpace *space, guint64 addr, const void *buf, gsize len)
{
    len = clamp(addr, len);
    if (!len || !space->ops->write)
        return 0;
    gsize done = space->ops->write(space, addr, buf, len);
    g_assert(done <= len);
    return done;
}
