/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a GDB stub may send: the input is all that comes over the socket, up to its end.  One that
 * begins with '<' is a document of a target description, with a reply to "g" behind a NUL.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/gdbstub/gdb-registers.h"
#include "proto/gdbrsp/gdbrsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What fits into a socket's buffer, so that nobody has to read at the other end. */
#define INPUT_MAX 65536

static void describe(const char *text, const char *reply)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkGdbDescription) description = dk_gdb_description_new();
    if (!dk_gdb_description_add(description, text, &error)) {
        g_assert(error->domain == DK_ERROR);
        return;
    }
    g_autoptr(DkSubject) subject = dk_subject_new();
    DkCpu *cpu = dk_machine_add_cpu(&subject->system, 0);
    g_assert(dk_gdb_description_take(description, reply, cpu) ==
             (cpu->regs[DK_REGSET_GENERAL] != NULL));
}

static void ask(DkGdbrsp *rsp)
{
    g_autoptr(GError) error = NULL;
    guint8 bytes[512];
    gssize got = dk_gdbrsp_read(rsp, 0x1000, bytes, sizeof bytes, &error);
    g_assert(got <= (gssize)sizeof bytes && (got >= 0) == (error == NULL));
    g_autoptr(GPtrArray) threads = dk_gdbrsp_threads(rsp, NULL);
    g_assert(!threads || threads->len);
    g_autofree char *said = dk_gdbrsp_monitor(rsp, "info mtree -f", NULL);
    g_autofree char *text = dk_gdbrsp_features(rsp, "target.xml", NULL);
    g_autofree char *stop = dk_gdbrsp_ask(rsp, "?", NULL, NULL);
    g_assert(!said || strlen(said) <= DK_GDBRSP_TEXT_MAX);
    g_assert(!text || strlen(text) <= 2 * DK_GDBRSP_TEXT_MAX);
    g_assert(!stop || strlen(stop) <= DK_GDBRSP_PACKET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    if (size && data[0] == '<') {
        g_autofree char *text = g_strndup((const char *)data, size);
        gsize len = strlen(text);
        g_autofree char *reply = g_strndup((const char *)data + MIN(len + 1, size),
                                           size - MIN(len + 1, size));
        describe(text, reply);
        return 0;
    }
    if (size > INPUT_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    dk_autofd int other = pair[1];
    g_assert(dk_fd_write_all(other, data, size) == (gssize)size);
    shutdown(other, SHUT_WR);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkGdbrsp) rsp = dk_gdbrsp_new(pair[0], "fuzz", 100);
    if (dk_gdbrsp_start(rsp, &error))
        ask(rsp);
    else
        g_assert(error->domain == DK_ERROR);
    return 0;
}
