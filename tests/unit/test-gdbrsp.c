/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client of GDB stubs against scripted replies, and target descriptions. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/gdbstub/gdb-registers.h"
#include "proto/gdbrsp/gdbrsp.h"

/* A packet around body, with a right checksum (or a wrong one). */
static void add(GString *script, const char *body, gboolean good)
{
    guint8 sum = good ? 0 : 1;
    for (const char *at = body; *at; at++)
        sum = (guint8)(sum + (guint8)*at);
    g_string_append_printf(script, "+$%s#%02x", body, sum);
}

/* A client to which all of script has been said; what it says waits at *other. */
static DkGdbrsp *client(const GString *script, int *other)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    *other = pair[1];
    g_assert_cmpint(dk_fd_write_all(*other, script->str, script->len), ==, (gssize)script->len);
    shutdown(*other, SHUT_WR);
    return dk_gdbrsp_new(pair[0], "gdb:test", 500);
}

static void assert_said(int other, const char *expected)
{
    char said[4096] = "";
    g_assert_cmpint(recv(other, said, sizeof said - 1, MSG_DONTWAIT), >, 0);
    g_assert_nonnull(strstr(said, expected));
}

static void test_talk(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) script = g_string_new(NULL);
    guint8 bytes[64];
    add(script, "T05thread:01;", TRUE); /* unasked */
    add(script, "PacketSize=40;qXfer:features:read+", TRUE);
    add(script, "000102", FALSE); /* sent again when refused */
    add(script, "000102ff", TRUE);
    add(script, "E14", TRUE);
    add(script, "0* 7* ", TRUE); /* "0000" "7777" */
    g_autoptr(DkGdbrsp) rsp = client(script, &other);
    g_assert_true(dk_gdbrsp_start(rsp, &error));
    g_assert_cmpint(dk_gdbrsp_read(rsp, 0x1234, bytes, 4, &error), ==, 4);
    g_assert_cmpmem(bytes, 4, "\0\1\2\377", 4);
    assert_said(other, "$m1234,4#");
    g_assert_cmpint(dk_gdbrsp_read(rsp, 0, bytes, sizeof bytes, &error), ==, 0);
    /* No more than the stub's packets hold. */
    assert_said(other, "$m0,1e#");
    g_assert_cmpint(dk_gdbrsp_read(rsp, 0, bytes, 4, &error), ==, 4);
    g_assert_cmpmem(bytes, 4, "\0\0ww", 4);
    g_assert_cmpint(dk_gdbrsp_read(rsp, 0, bytes, 4, &error), ==, -1);
    g_assert_error(error, DK_ERROR, DK_ERROR_TARGET_GONE);
}

static void test_documents(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) script = g_string_new(NULL);
    add(script, "", TRUE);
    add(script, "m<a", TRUE);
    add(script, "l/>}\x03", TRUE); /* '#' */
    add(script, "m01,p1.2", TRUE);
    add(script, "m03", TRUE);
    add(script, "l", TRUE);
    add(script, "O68690d0a", TRUE);
    add(script, "OK", TRUE);
    add(script, "", TRUE);
    add(script, "E01", TRUE);
    g_autoptr(DkGdbrsp) rsp = client(script, &other);
    g_assert_true(dk_gdbrsp_start(rsp, &error));
    g_autofree char *text = dk_gdbrsp_features(rsp, "target.xml", &error);
    g_assert_cmpstr(text, ==, "<a/>#");
    g_autoptr(GPtrArray) threads = dk_gdbrsp_threads(rsp, &error);
    g_assert_cmpuint(threads->len, ==, 3);
    g_assert_cmpstr(g_ptr_array_index(threads, 1), ==, "p1.2");
    g_autofree char *said = dk_gdbrsp_monitor(rsp, "hi", &error);
    g_assert_cmpstr(said, ==, "hi\n");
    g_assert_null(dk_gdbrsp_monitor(rsp, "hi", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(dk_gdbrsp_do(rsp, "D", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_PEER);
    g_clear_error(&error);
    g_assert_null(dk_gdbrsp_features(rsp, "../x:0,1", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_PEER);
}

static void test_silence(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    other = pair[1];
    g_autoptr(DkGdbrsp) rsp = dk_gdbrsp_new(pair[0], "gdb:test", 50);
    g_assert_false(dk_gdbrsp_start(rsp, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_PEER);
    g_clear_error(&error);
    g_assert_null(dk_gdbrsp_connect("nowhere", "gdb:nowhere", 50, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
}

static void test_description(void)
{
    static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                        "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                        "r12", "r13", "r14", "r15", "rip"};
    static const char *const narrow[] = {"eflags", "cs", "ss", "ds", "es", "fs", "gs"};
    static const char *const late[] = {"gs_base", "cr0", "cr2", "cr3", "cr4"};
    g_autoptr(GError) error = NULL;
    g_autoptr(DkGdbDescription) description = dk_gdb_description_new();
    g_autoptr(GString) text = g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"x\">"
                                           "<target><architecture>i386:x86-64</architecture>"
                                           "<xi:include href=\"more.xml\"/><feature name=\"f\">");
    g_autoptr(GString) reply = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_string_append_printf(text, "<reg name=\"%s\" bitsize=\"64\" regnum=\"%u\"/>", names[i],
                               i);
        g_string_append_printf(reply, "%02x00000000000080", i + 1);
    }
    for (guint i = 0; i < G_N_ELEMENTS(narrow); i++) {
        g_string_append_printf(text, "<reg name=\"%s\" bitsize=\"32\"/>", narrow[i]);
        g_string_append_printf(reply, "%02x010000", i);
    }
    gsize general_len = reply->len;
    for (guint i = 0; i < G_N_ELEMENTS(late); i++) {
        g_string_append_printf(text, "<reg name=\"%s\" bitsize=\"64\"/>", late[i]);
        g_string_append(reply, i == 4 ? "xxxxxxxxxxxxxxxx" : "1122334455667788");
    }
    g_string_append(text, "</feature></target>");
    g_assert_true(dk_gdb_description_add(description, text->str, &error));
    g_assert_cmpstr(description->architecture, ==, "i386:x86-64");
    g_assert_cmpuint(description->includes->len, ==, 1);
    g_autoptr(DkSubject) subject = dk_subject_new();
    DkCpu *cpu = dk_machine_add_cpu(&subject->system, 0);
    g_assert_true(dk_gdb_description_take(description, reply->str, cpu));
    const guint8 *words = g_bytes_get_data(cpu->regs[DK_REGSET_GENERAL], NULL);
    guint64 word;
    memcpy(&word, words + 16 * 8, sizeof word); /* rip */
    g_assert_cmphex(GUINT64_FROM_LE(word), ==, 0x8000000000000011);
    memcpy(&word, words + 17 * 8, sizeof word); /* cs */
    g_assert_cmphex(GUINT64_FROM_LE(word), ==, 0x101);
    memcpy(&word, words + 22 * 8, sizeof word); /* gs_base */
    g_assert_cmphex(GUINT64_FROM_LE(word), ==, 0x8877665544332211);
    g_assert_cmphex(cpu->cr3, ==, 0x8877665544332211);
    /* cr4 is not available, so control registers are not known. */
    g_assert_cmphex(cpu->parts, ==, 0);
    DkCpu *other = dk_machine_add_cpu(&subject->system, 1);
    g_string_truncate(reply, general_len - 8);
    g_assert_false(dk_gdb_description_take(description, reply->str, other));
    g_assert_false(dk_gdb_description_add(description, "<target><reg/></target>", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_false(dk_gdb_description_add(description, "<target>", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_PEER);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gdbrsp/talk", test_talk);
    g_test_add_func("/gdbrsp/documents", test_documents);
    g_test_add_func("/gdbrsp/silence", test_silence);
    g_test_add_func("/gdbrsp/description", test_description);
    return g_test_run();
}
