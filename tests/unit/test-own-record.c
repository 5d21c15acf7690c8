/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "format/own-record.h"
#include "io/input.h"

static DkSubject *sample(void)
{
    DkSubject *subject = dk_subject_new();
    subject->machine = DK_MACHINE_X86_64;
    subject->os = DK_OS_LINUX;
    subject->os_version = g_strdup("6.1.0");
    subject->cpus = 2;
    subject->process.pid = 4711;
    subject->process.uid = 0;
    subject->process.command = g_strdup("prog --password=secret");
    subject->process.exe = g_strdup("/bin/pr\xffog");
    subject->origin.method = g_strdup("snapshot");
    subject->origin.level = g_strdup("full");
    subject->origin.time_us = G_GINT64_CONSTANT(1700000000123456);
    DkThread *first = dk_subject_add_thread(subject, 4711);
    first->name = g_strdup("main \"one\"\n");
    first->state = 'S';
    first->ns_tid = 1;
    first->stack_first = 0x7ffc00000000;
    first->stack_last = 0x7ffc00001fff;
    DkThread *second = dk_subject_add_thread(subject, 4712);
    second->missing = g_strdup("in uninterruptible sleep");
    dk_subject_add_gap(subject, "mapping", 0xffffffffff600000, 0xffffffffff600fff, 0, "vsyscall");
    dk_subject_add_gap(subject, "thread", 1, 0, 4712, "in uninterruptible sleep");
    return subject;
}

static void test_info_round_trip(void)
{
    g_autoptr(DkSubject) written = sample();
    g_autoptr(GBytes) info = dk_own_info_write(written);
    gsize len;
    const char *text = g_bytes_get_data(info, &len);
    g_autoptr(DkSubject) subject = dk_subject_new();
    DkThread *known = dk_subject_add_thread(subject, 4711);
    known->regs[DK_REGSET_GENERAL] = g_bytes_new(NULL, 0);
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_own_info_read(subject, text, len, &error));
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(subject->origin.writer, "dumpkit "));
    g_assert_cmpstr(subject->origin.method, ==, "snapshot");
    g_assert_cmpint(subject->origin.time_us, ==, G_GINT64_CONSTANT(1700000000123456));
    g_assert_cmpint(subject->process.pid, ==, 4711);
    g_assert_cmpint(subject->process.uid, ==, 0);
    g_assert_cmpint(subject->process.ns_pid, ==, -1);
    g_assert_cmpstr(subject->process.command, ==, "prog --password=secret");
    g_assert_cmpstr(known->name, ==, "main \"one\"\n");
    g_assert_cmpint(known->state, ==, 'S');
    g_assert_cmpuint(known->ns_tid, ==, 1);
    g_assert_cmphex(known->stack_last, ==, 0x7ffc00001fff);
    g_assert_null(known->missing);
    g_assert_cmpuint(subject->process.threads->len, ==, 2);
    g_assert_cmpstr(dk_subject_thread(subject, 4712)->missing, ==, "in uninterruptible sleep");
    g_assert_cmpuint(subject->gaps->len, ==, 2);
    const DkGap *gap = g_ptr_array_index(subject->gaps, 0);
    g_assert_cmphex(gap->first, ==, 0xffffffffff600000);
    g_assert_cmphex(gap->last, ==, 0xffffffffff600fff);
    gap = g_ptr_array_index(subject->gaps, 1);
    g_assert_cmphex(gap->first, >, gap->last);
    g_assert_cmpuint(gap->tid, ==, 4712);
}

static void test_triage_has_no_command(void)
{
    g_autoptr(DkSubject) subject = sample();
    g_free(subject->origin.level);
    subject->origin.level = g_strdup("triage");
    g_assert_false(dk_own_keeps_command(subject));
    g_autoptr(GBytes) info = dk_own_info_write(subject);
    gsize len;
    const char *text = g_bytes_get_data(info, &len);
    g_assert_null(g_strstr_len(text, (gssize)len, "secret"));
}

static void test_result(void)
{
    g_autoptr(DkSubject) gaps = dk_subject_new();
    for (guint i = 0; i < 3000; i++)
        dk_subject_add_gap(gaps, "pages", i * 0x2000, i * 0x2000 + 0xfff, 0, "EIO");
    DkDumpSummary summary = {
        .pause_ns = 1500000, .duration_ns = 42, .complete = FALSE, .gaps = gaps->gaps};
    g_autoptr(GBytes) result = dk_own_result_write(&summary, DK_OWN_RESULT_SIZE);
    gsize len;
    const char *text = g_bytes_get_data(result, &len);
    g_assert_cmpuint(len, ==, DK_OWN_RESULT_SIZE);
    g_assert_cmpint(text[len - 1], ==, '\n');
    g_autoptr(DkSubject) subject = dk_subject_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_own_result_read(subject, text, len, &error));
    g_assert_no_error(error);
    g_assert_cmpint(subject->origin.complete, ==, 0);
    g_assert_cmpint(subject->origin.pause_ns, ==, 1500000);
    g_assert_cmpint(subject->origin.duration_ns, ==, 42);
    /* Some fit; a last one tells how many do not. */
    g_assert_cmpuint(subject->gaps->len, >, 100);
    g_assert_cmpuint(subject->gaps->len, <, 1000);
    const DkGap *last = g_ptr_array_index(subject->gaps, subject->gaps->len - 1);
    g_autofree char *want = g_strdup_printf("%u more", 3000 - (subject->gaps->len - 1));
    g_assert_true(g_str_has_prefix(last->why, want));
}

static void test_hostile(void)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", DK_ERROR_DAMAGED},
        {"  \n", DK_ERROR_DAMAGED},
        {"[1]", DK_ERROR_DAMAGED},
        {"{\"version\":1", DK_ERROR_DAMAGED},
        {"{\"version\":1}{", DK_ERROR_DAMAGED},
        {"{\"version\":\"\xff\"}", DK_ERROR_DAMAGED},
        {"{\"version\":2}", DK_ERROR_UNSUPPORTED},
        {"{\"version\":{}}", DK_ERROR_UNSUPPORTED},
        {"{}", DK_ERROR_UNSUPPORTED},
        {"{\"a\":[[[[[[[[[1]]]]]]]]]}", DK_ERROR_LIMIT},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DkSubject) subject = dk_subject_new();
        g_autoptr(GError) error = NULL;
        g_assert_false(dk_own_info_read(subject, cases[i].text, strlen(cases[i].text), &error));
        g_assert_error(error, DK_ERROR, cases[i].code);
        g_assert_null(subject->origin.writer);
    }
    const char *odd =
        "{\"version\":1,\"tool\":7,\"threads\":[1,{\"tid\":-1},{\"tid\":5,\"state\":\"\"},"
        "{\"tid\":5}],\"gaps\":[null,{\"first\":\"0xzz\",\"last\":\"0x1\"}],"
        "\"process\":[],\"gaps_dropped\":null}";
    g_autoptr(DkSubject) subject = dk_subject_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_own_info_read(subject, odd, strlen(odd), &error));
    g_assert_cmpuint(subject->process.threads->len, ==, 1);
    g_assert_cmpuint(subject->gaps->len, ==, 1);
    const DkGap *gap = g_ptr_array_index(subject->gaps, 0);
    g_assert_cmphex(gap->first, >, gap->last);
}

/* --- checksums --- */

typedef struct {
    DkVerify base;
    guint damaged;
    char *last;
} Findings;

static void finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    Findings *findings = (Findings *)verify;
    findings->damaged += verdict == DK_VERIFY_DAMAGED;
    g_free(findings->last);
    findings->last = g_strdup(text);
}

static void verify_bytes(GBytes *content, GBytes *table, Findings *findings)
{
    g_autoptr(DkInput) input = dk_input_new_bytes("content", content);
    g_autoptr(GError) error = NULL;
    *findings = (Findings){.base.finding = finding};
    g_assert_true(dk_own_sums_verify(input, table, 0, &findings->base, &error));
    g_assert_no_error(error);
}

static void test_sums(void)
{
    const gsize len = 2 * DK_OWN_SUMS_CHUNK + 12345;
    const gsize zeros = DK_OWN_SUMS_CHUNK + 77; /* a hole that crosses the end of a chunk */
    g_autofree guint8 *data = g_malloc0(len);
    for (gsize i = zeros; i < len; i++)
        data[i] = (guint8)(i * 7 >> 3);
    g_autoptr(DkOwnSums) sums = dk_own_sums_new();
    dk_own_sums_update_zeros(sums, zeros);
    for (gsize at = zeros; at < len; at += 1000003)
        dk_own_sums_update(sums, data + at, MIN(1000003, len - at));
    g_autoptr(GBytes) table = dk_own_sums_finish(sums);
    g_assert_cmpuint(g_bytes_get_size(table), ==, dk_own_sums_size(len));
    g_assert_cmpuint(g_bytes_get_size(table), ==, 32 + 3 * 16);
    Findings findings;
    g_autoptr(GBytes) good = g_bytes_new_static(data, len);
    verify_bytes(good, table, &findings);
    g_assert_cmpuint(findings.damaged, ==, 0);
    g_assert_true(findings.base.content_verified);
    data[len - 1] ^= 1;
    g_autoptr(GBytes) bad = g_bytes_new_static(data, len);
    verify_bytes(bad, table, &findings);
    g_assert_cmpuint(findings.damaged, ==, 1);
    g_assert_true(g_str_has_prefix(findings.last, "bytes 0x2000000 to 0x2003038 "));
    g_free(findings.last);
    g_autoptr(GBytes) cut = g_bytes_new_static(data, len - 1);
    verify_bytes(cut, table, &findings);
    g_assert_cmpuint(findings.damaged, ==, 1);
    g_assert_false(findings.base.content_verified);
    g_free(findings.last);
}

static void test_sums_hostile(void)
{
    guint64 words[6] = {G_GUINT64_CONSTANT(0x100000001), DK_OWN_SUMS_CHUNK, 1000, 1, 0, 0};
    const struct {
        guint word;
        guint64 value;
        int code;
    } cases[] = {
        {0, G_GUINT64_CONSTANT(0x100000002), DK_ERROR_UNSUPPORTED},
        {0, G_GUINT64_CONSTANT(0x200000001), DK_ERROR_UNSUPPORTED},
        {1, 0, DK_ERROR_DAMAGED},
        {1, G_MAXUINT64, DK_ERROR_DAMAGED},
        {2, 1001, DK_ERROR_DAMAGED},
        {2, G_MAXUINT64, DK_ERROR_DAMAGED},
        {3, 0, DK_ERROR_DAMAGED},
        {3, G_MAXUINT64, DK_ERROR_DAMAGED},
    };
    for (guint i = 0; i <= G_N_ELEMENTS(cases); i++) {
        guint64 table[6];
        memcpy(table, words, sizeof table);
        if (i < G_N_ELEMENTS(cases))
            table[cases[i].word] = cases[i].value;
        g_autoptr(GBytes) bytes = g_bytes_new(table, sizeof table);
        g_autoptr(GError) error = NULL;
        guint64 covered = 0;
        gboolean good = dk_own_sums_check(bytes, 0, 1000, &covered, &error);
        g_assert_true(good == (i == G_N_ELEMENTS(cases)));
        if (good)
            g_assert_cmpuint(covered, ==, 1000);
        else
            g_assert_error(error, DK_ERROR, cases[i].code);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/own-record/info-round-trip", test_info_round_trip);
    g_test_add_func("/own-record/triage-has-no-command", test_triage_has_no_command);
    g_test_add_func("/own-record/result", test_result);
    g_test_add_func("/own-record/hostile", test_hostile);
    g_test_add_func("/own-record/sums", test_sums);
    g_test_add_func("/own-record/sums-hostile", test_sums_hostile);
    return g_test_run();
}
