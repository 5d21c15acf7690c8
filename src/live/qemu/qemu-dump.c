/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dump-guest-memory: QEMU's own dump, which holds the guest until it is done, into our pipe; and
 * the notes of such a dump, for the registers of a guest that stands still already.
 */
#include <elf.h>
#include <string.h>

#include "base/error.h"
#include "format/machine-notes.h"
#include "live/cpu-text.h"
#include "live/qemu/elf-stream.h"
#include "live/qemu/guardian-undo.h"
#include "live/qemu/qemu-instant.h"

#define PAGE 4096u

typedef struct {
    DkQemuInstant *instant;
    DkElfStream *stream;
} Taker;

static gboolean take_notes(const void *bytes, gsize len, guint64 off, guint16 machine,
                           gboolean wide, gpointer data, GError **error)
{
    Taker *taker = data;
    DkSubject *subject = taker->instant->subject;
    if (machine == EM_X86_64)
        subject->machine = DK_MACHINE_X86_64;
    else if (machine == EM_386)
        subject->machine = DK_MACHINE_X86;
    else if (machine == EM_AARCH64)
        subject->machine = DK_MACHINE_ARM64;
    dk_machine_notes_read(subject, bytes, len, off, taker->instant->plan->target);
    return TRUE;
}

static gboolean is_zero(const guint8 *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Zero pages take no room in the spool. */
static gboolean take_memory(guint64 pa, const guint8 *bytes, gsize len, gpointer data,
                            GError **error)
{
    DkSpool *spool = ((Taker *)data)->instant->spool;
    for (gsize done = 0; done < len;) {
        gboolean zero = is_zero(bytes + done);
        gsize end = done + PAGE;
        while (end < len && is_zero(bytes + end) == zero)
            end += PAGE;
        if (zero ? !dk_spool_put_zeros(spool, pa + done, end - done, error)
                 : !dk_spool_put(spool, pa + done, bytes + done, end - done, error))
            return FALSE;
        done = end;
    }
    return TRUE;
}

static gboolean drop_memory(guint64 pa, const guint8 *bytes, gsize len, gpointer data,
                            GError **error)
{
    return TRUE;
}

static const DkElfStreamCallbacks all = {take_notes, take_memory};
static const DkElfStreamCallbacks notes_only = {take_notes, drop_memory};

static gboolean feed(gpointer data, const guint8 *bytes, gsize len, GError **error)
{
    return dk_elf_stream_feed(((Taker *)data)->stream, bytes, len, error);
}

static gboolean check_status(DkQemuInstant *instant, GError **error)
{
    if (!dk_qemu_wait_idle(instant->qmp, error))
        return FALSE;
    g_autoptr(JsonNode) node = dk_qmp_call(instant->qmp, "query-dump", NULL, error);
    if (!node)
        return FALSE;
    const char *status = dk_json_string(dk_json_node_object(node), "status");
    if (g_strcmp0(status, "completed") == 0)
        return TRUE;
    const char *why = dk_json_string(dk_json_node_object(node), "error-desc");
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: dump-guest-memory ended as \"%s\"%s%s",
                instant->plan->target, status ? status : "none", why ? ": " : "", why ? why : "");
    return FALSE;
}

/* begin and length: of what is dumped; length 0: all of it. */
static gboolean run(DkQemuInstant *instant, const DkElfStreamCallbacks *callbacks, guint64 begin,
                    guint64 length, GError **error)
{
    gboolean began;
    Taker taker = {instant, NULL};
    g_autoptr(DkElfStream) stream = dk_elf_stream_new(callbacks, &taker);
    DkQemuTaker pipe_taker = {feed, &taker, FALSE};
    JsonObject *arguments = json_object_new();
    taker.stream = stream;
    json_object_set_boolean_member(arguments, "paging", FALSE);
    json_object_set_boolean_member(arguments, "detach", TRUE);
    if (length) {
        json_object_set_int_member(arguments, "begin", (gint64)begin);
        json_object_set_int_member(arguments, "length", (gint64)length);
    }
    return dk_qemu_carry(instant, "dump-guest-memory", arguments, "protocol", &pipe_taker, &began,
                         error) &&
           check_status(instant, error) && dk_elf_stream_end(stream, error);
}

gboolean dk_qemu_dump(DkQemuInstant *instant, GError **error)
{
    /* QEMU lets the guest go by itself when its dump ends or fails; this is for the case that it
     * does not. */
    if (instant->plan->running && !dk_qemu_promise(instant, "[{\"execute\":\"cont\"}]", error))
        return FALSE;
    gboolean is_done = run(instant, &all, 0, 0, error);
    is_done = dk_qemu_put_back(instant, error) && is_done;
    return is_done && dk_qemu_take_events(instant, 0, error);
}

/* Where a dump of a part cannot be had; what the text lacks are VMCOREINFO and FPU registers. */
static gboolean read_text(DkQemuInstant *instant)
{
    g_autofree char *text = dk_qmp_human(instant->qmp, "info registers -a", NULL);
    return text && dk_cpu_text_parse(text, instant->subject);
}

gboolean dk_qemu_read_cpus(DkQemuInstant *instant, GError **error)
{
    const DkQemuRange *range = g_ptr_array_index(instant->plan->ranges, 0);
    g_autoptr(GError) own = NULL;
    if (run(instant, &notes_only, range->first, PAGE, &own))
        return TRUE;
    if (!g_error_matches(own, DK_ERROR, DK_ERROR_PEER) || !read_text(instant)) {
        g_propagate_error(error, g_steal_pointer(&own));
        return FALSE;
    }
    return TRUE;
}
