/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commands print, column for column. */
#include "base/error.h"
#include "console/console.h"
#include "test-cmd-dump.h"

static void collect(const char *text, gsize len, gpointer data)
{
    g_string_append_len(data, text, (gssize)len);
}

/* What line prints; errors print too.  Free with g_free(). */
static char *output(DkTarget *target, const char *line)
{
    g_autoptr(DkConsole) console = dk_console_new(target);
    GString *text = g_string_new(NULL);
    g_autoptr(DkOut) out = dk_out_new(DK_OUT_TEXT, FALSE, collect, text);
    g_autoptr(GError) error = NULL;
    if (!dk_console_run(console, line, out, &error))
        g_assert_nonnull(strstr(text->str, "error: "));
    return g_string_free(text, FALSE);
}

static void check(const char *line, const char *expected)
{
    g_autoptr(DkTarget) target = fake_target_new();
    g_autofree char *text = output(target, line);
    g_assert_cmpstr(text, ==, expected);
}

static void test_dump(void)
{
    check("db 7f00`00001000 L14",
          "00007f00`00001000  68 65 6c 6c 6f 20 77 6f-72 6c 64 00 00 00 00 00  hello world.....\n"
          "00007f00`00001010  00 00 00 00                                      ....\n");
    check("db 7f0000001fec L8",
          "00007f00`00001fec  00 00 00 00 ?? ?? ?? ??                          ....????\n");
    check("dw 7f0000001100 L3", "00007f00`00001100  0100 0302 0504\n");
    check("dd 7f0000001100 L5", "00007f00`00001100  03020100 07060504 0b0a0908 0f0e0d0c\n"
                                "00007f00`00001110  13121110\n");
    check("dq 7f0000001fe8 L3", "00007f00`00001fe8  00000000`00000000 ????????`????????\n"
                                "00007f00`00001ff8  ????????`????????\n");
    check("dc 7f0000001000 L3",
          "00007f00`00001000  6c6c6568 6f77206f 00646c72           hello world.\n");
    check("dp @rsp L1; d L1", "00007f00`00001040  00007f00`00001084\n"
                              "00007f00`00001048  11223344`55667788\n");
    check("db @rsp 7f0000001041; d",
          "00007f00`00001040  84 10                                            ..\n"
          "00007f00`00001042  00 00 00 7f 00 00 88 77-66 55 44 33 22 11 20 00  .......wfUD3\". .\n"
          "00007f00`00001052  00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00  ................\n"
          "00007f00`00001062  00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00  ................\n"
          "00007f00`00001072  00 00 00 00 00 00 00 00-00 00 00 00 00 00 55 48  ..............UH\n"
          "00007f00`00001082  89 e5 90 e8 00 00 00 00-c3 00 00 00 00 00 00 00  ................\n"
          "00007f00`00001092  00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00  ................\n"
          "00007f00`000010a2  00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00  ................\n"
          "00007f00`000010b2  00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00  ................\n");
    check("da 7f0000001000; du 7f0000001020; da 0", "00007f00`00001000  \"hello world\"\n"
                                                    "00007f00`00001020  \"wide\"\n"
                                                    "00000000`00000000  \"???\"\n");
    check("dps @rsp L3", "00007f00`00001040  00007f00`00001084 app+0x84\n"
                         "00007f00`00001048  11223344`55667788\n"
                         "00007f00`00001050  00000000`00000020\n");
}

static void test_search(void)
{
    check("s -a 0 L?7fffffffffff \"world\"",
          "00007f00`00001006  77 6f 72 6c 64 00 00 00-00 00 00 00 00 00 00 00  world...........\n");
    check("s -u 0 L?7fffffffffff wide",
          "00007f00`00001020  0077 0069 0064 0065 0000 0000 0000 0000  w.i.d.e.........\n");
    check("s -[1]b 7f0000001100 L100 fe ff; s -[1]w 7f0000001000 L800 fffe",
          "00007f00`000011fe\n00007f00`000011fe\n");
    check("s -[1]d @rsp L10 55667788 11223344; s -[1]q @rsp L10 @rax",
          "00007f00`00001048\n00007f00`00001048\n");
    check("s -b @rsp L4 99", "");
    check("s 7f0000001100 7f0000001102 2",
          "00007f00`00001102  02 03 04 05 06 07 08 09-0a 0b 0c 0d 0e 0f 10 11  ................\n");
    /* The last byte of the range is inside, the next one is not. */
    check("s 7f0000001100 7f0000001101 2", "");
}

static void test_code(void)
{
    check("u . L5", "app+0x80:\n"
                    "00007f00`00001080 55              push    rbp\n"
                    "00007f00`00001081 4889e5          mov     rbp,rsp\n"
                    "00007f00`00001084 90              nop\n"
                    "00007f00`00001085 e800000000      call    app+0x8a (00007f00`0000108a)\n"
                    "00007f00`0000108a c3              ret\n");
    check("u L1; u L2", "app+0x80:\n"
                        "00007f00`00001080 55              push    rbp\n"
                        "app+0x81:\n"
                        "00007f00`00001081 4889e5          mov     rbp,rsp\n"
                        "00007f00`00001084 90              nop\n");
    check("ub 7f000000108b L2", "app+0x85:\n"
                                "00007f00`00001085 e800000000      call    app+0x8a "
                                "(00007f00`0000108a)\n"
                                "00007f00`0000108a c3              ret\n");
    check("u 50 L1", "00000000`00000050 ??              ???\n"
                     "error: memory at 0x50 is not in the dump\n");
}

static void test_registers(void)
{
    check("r", "rax=1122334455667788 rbx=0000000000000000 rcx=0000000000000000\n"
               "rdx=0000000000000000 rsi=0000000000000000 rdi=0000000000000000\n"
               "rip=00007f0000001080 rsp=00007f0000001040 rbp=0000000000000000\n"
               " r8=0000000000000000  r9=0000000000000000 r10=0000000000000000\n"
               "r11=0000000000000000 r12=0000000000000000 r13=0000000000000000\n"
               "r14=0000000000000000 r15=0000000000000000\n"
               "iopl=0         nv up ei pl zr na pe nc\n"
               "cs=0000  ss=0000  ds=0000  es=0000  fs=0000  gs=0000             efl=00000246\n"
               "app+0x80:\n"
               "00007f00`00001080 55              push    rbp\n");
    check("r rip, @eax", "rip=00007f0000001080\neax=0000000055667788\n");
}

static void test_lists(void)
{
    check("lm", "start             end                 module name\n"
                "00000000`00010000 00000000`00020000   libstdc__  (deferred)                  \n"
                "00000000`00020000 00000000`00030000   libstdc___20000 (deferred)              "
                "    \n"
                "00007f00`00001000 00007f00`00002000   app        (deferred)                  \n");
    check("? nothere; lm m AP*", "error: column 3: no symbol \"nothere\"\n"
                                 "start             end                 module name\n"
                                 "00007f00`00001000 00007f00`00002000   app        (no symbols)   "
                                 "        \n");
    check("!address @rsp", "Usage:                  app\n"
                           "Base Address:           00007f00`00001000\n"
                           "End Address:            00007f00`00002000\n"
                           "Region Size:            00000000`00001000 (4.0\u00a0KiB)\n"
                           "Protect:                r-xp\n"
                           "Type:                   private\n"
                           "In Dump:                part (4.0\u00a0KiB)\n"
                           "Module:                 app\n");
    check(".lastevent", "Last event: 1234.1240: SIGSEGV (11), SEGV_MAPERR at 00000000`00000010\n");
    g_autoptr(DkTarget) target = fake_target_new();
    g_autofree char *gap = output(target, "!address 7f0000001ff8");
    g_assert_nonnull(strstr(gap, "Missing:                nobody wants it\n"));
}

static void test_values(void)
{
    check(".formats 'abc'",
          "Evaluate expression:\n"
          "  Hex:     00000000`00616263\n"
          "  Decimal: 6382179\n"
          "  Octal:   0000000000000030261143\n"
          "  Binary:  00000000 00000000 00000000 00000000 00000000 01100001 01100010 01100011\n"
          "  Chars:   .....abc\n"
          "  Time:    Sun Mar 15 20:49:39 1970 (UTC)\n"
          "  Float:   low 8.94334e-39 high 0\n"
          "  Double:  3.15322e-317\n");
    check("? -1", "Evaluate expression: -1 = ffffffff`ffffffff\n");
}

/* kd's rows; the frames themselves are tested with the unwinder. */
static void test_stack(void)
{
    g_autoptr(DkTarget) target = fake_target_new();
    g_autofree char *plain = output(target, "k");
    g_assert_true(g_str_has_prefix(plain, "Child-SP          RetAddr               Call Site\n"
                                          "00007f00`00001040 "));
    g_assert_nonnull(strstr(plain, "     app+0x80\n"));
    g_autofree char *numbered = output(target, "kvn 1");
    g_assert_true(g_str_has_prefix(
        numbered,
        " # Child-SP          RetAddr               : Args to Child                               "
        "                            : Call Site\n"
        "00 00007f00`00001040 "));
}

static void test_narrow(void)
{
    DkSubject *subject = dk_subject_new();
    subject->machine = DK_MACHINE_X86;
    subject->os = DK_OS_LINUX;
    FakeSpace *fake = fake_space_new(0x1000, 0x100);
    memcpy(fake->data, "\x00\x10\x00\x00\xff\xff\xff\xff", 8);
    g_autoptr(DkTarget) target = dk_target_new(fake_source_new(subject, fake), NULL);
    g_autofree char *text = output(target,
                                   "dp 1000 L2; ? poi(1000); ? -1; dd ffffffff`00001000 L1; lm");
    g_assert_cmpstr(text, ==,
                    "00001000  00001000 ffffffff\n"
                    "Evaluate expression: 4096 = 00001000\n"
                    "Evaluate expression: -1 = ffffffff\n"
                    "00001000  00001000\n"
                    "start    end        module name\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cmd/dump", test_dump);
    g_test_add_func("/cmd/search", test_search);
    g_test_add_func("/cmd/code", test_code);
    g_test_add_func("/cmd/registers", test_registers);
    g_test_add_func("/cmd/lists", test_lists);
    g_test_add_func("/cmd/values", test_values);
    g_test_add_func("/cmd/stack", test_stack);
    g_test_add_func("/cmd/narrow", test_narrow);
    return g_test_run();
}
