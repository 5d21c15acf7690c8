/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "arch/arch.h"

typedef struct {
    const char *code; /* hex */
    const char *text; /* mnemonic, a blank, operands */
    guint64 target_va;
    guint64 memory_va;
} Case;

static gsize from_hex(const char *text, guint8 *out)
{
    gsize len = 0;
    for (; text[0] && text[1]; text += 2)
        out[len++] = (guint8)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    return len;
}

static void check(DkMachineId machine, guint64 va, const Case *cases, gsize count)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkDisasm) disasm = dk_disasm_new(dk_arch_for(machine), &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < count; i++) {
        guint8 code[16];
        gsize len = from_hex(cases[i].code, code);
        DkInsn insn;
        g_assert_true(dk_disasm_one(disasm, code, len, va, &insn));
        g_assert_cmpuint(insn.size, ==, len);
        g_autofree char *text = g_strdup_printf("%s%s%s", insn.mnemonic, *insn.operands ? " " : "",
                                                insn.operands);
        g_assert_cmpstr(text, ==, cases[i].text);
        g_assert_cmphex(insn.target_va, ==, cases[i].target_va);
        g_assert_cmphex(insn.memory_va, ==, cases[i].memory_va);
        /* One byte less is no instruction, or a shorter one. */
        DkInsn cut = {.size = 77};
        if (dk_disasm_one(disasm, code, len - 1, va, &cut))
            g_assert_cmpuint(cut.size, <, len);
        else
            g_assert_cmpuint(cut.size, ==, 77);
    }
}

static void test_x86_64(void)
{
    static const Case cases[] = {
        {"488b4810", "mov rcx,qword ptr [rax+10h]"},
        {"48c7c02a000000", "mov rax,2Ah"},
        {"48c7c009000000", "mov rax,9"},
        {"b80a000000", "mov eax,0Ah"},
        {"48b8efcdab8967452301", "mov rax,123456789ABCDEFh"},
        {"4883c4f8", "add rsp,0FFFFFFFFFFFFFFF8h"},
        {"83e0f0", "and eax,0FFFFFFF0h"},
        {"48c7442420feffffff", "mov qword ptr [rsp+20h],0FFFFFFFFFFFFFFFEh"},
        {"6aff", "push 0FFFFFFFFFFFFFFFFh"},
        {"c645fff8", "mov byte ptr [rbp-1],0F8h"},
        {"488b8424b8000000", "mov rax,qword ptr [rsp+0B8h]"},
        {"488b04c5a0000000", "mov rax,qword ptr [rax*8+0A0h]"},
        {"8d0480", "lea eax,[rax+rax*4]"},
        {"488d0d34120000", "lea rcx,[00007ff61234123b]", 0, 0x7ff61234123b},
        {"ff1500100000", "call qword ptr [00007ff612341006]", 0, 0x7ff612341006},
        {"c605100000000a", "mov byte ptr [00007ff612340017],0Ah", 0, 0x7ff612340017},
        {"e800100000", "call 00007ff612341005", 0x7ff612341005},
        {"eb10", "jmp 00007ff612340012", 0x7ff612340012},
        {"0f84aa000000", "je 00007ff6123400b0", 0x7ff6123400b0},
        {"e2fe", "loop 00007ff612340000", 0x7ff612340000},
        {"41ffd4", "call r12"},
        {"ff5028", "call qword ptr [rax+28h]"},
        {"f3a4", "rep movs byte ptr [rdi],byte ptr [rsi]"},
        {"f348ab", "rep stos qword ptr [rdi]"},
        {"f2ae", "repne scas byte ptr [rdi]"},
        {"a4", "movs byte ptr [rdi],byte ptr [rsi]"},
        {"f20f1000", "movsd xmm0,qword ptr [rax]"},
        {"65488b042528000000", "mov rax,qword ptr gs:[28h]"},
        {"64488b042500000000", "mov rax,qword ptr fs:[0]"},
        {"f00fb10a", "lock cmpxchg dword ptr [rdx],ecx"},
        {"cc", "int 3"},
        {"cd80", "int 80h"},
        {"c20800", "ret 8"},
        {"c3", "ret"},
        {"0f05", "syscall"},
        {"4d8b0424", "mov r8,qword ptr [r12]"},
        {"f30f1efa", "endbr64"},
    };
    check(DK_MACHINE_X86_64, 0x7ff612340000, cases, G_N_ELEMENTS(cases));
}

static void test_x86(void)
{
    static const Case cases[] = {
        {"8b450c", "mov eax,dword ptr [ebp+0Ch]"},
        {"e8fbffffff", "call 08048000", 0x8048000},
        {"a110203040", "mov eax,dword ptr [40302010]", 0, 0x40302010},
        {"65a114000000", "mov eax,dword ptr gs:[14h]"},
        {"8d8300f0ffff", "lea eax,[ebx-1000h]"},
        {"83e4f8", "and esp,0FFFFFFF8h"},
        {"c7042400000000", "mov dword ptr [esp],0"},
    };
    check(DK_MACHINE_X86, 0x8048000, cases, G_N_ELEMENTS(cases));
}

static void test_arm64(void)
{
    static const Case cases[] = {
        {"fd7bbfa9", "stp fp,lr,[sp,#-0x10]!"},
        {"fd030091", "mov fp,sp"},
        {"01000094", "bl 0000aaaaaaaa0004", 0xaaaaaaaa0004},
        {"40000054", "b.eq 0000aaaaaaaa0008", 0xaaaaaaaa0008},
        {"200000b4", "cbz x0,0000aaaaaaaa0004", 0xaaaaaaaa0004},
        {"800000b6", "tbz x0,#0x20,0000aaaaaaaa0010", 0xaaaaaaaa0010},
        {"60000058", "ldr x0,0000aaaaaaaa000c", 0, 0xaaaaaaaa000c},
        {"00000090", "adrp x0,0000aaaaaaaa0000", 0, 0xaaaaaaaa0000},
        {"000040f9", "ldr x0,[x0]"},
        {"681180d2", "mov x8,#0x8b"},
        {"010000d4", "svc #0"},
        {"3f2303d5", "paciasp"},
        {"c0035fd6", "ret"},
    };
    check(DK_MACHINE_ARM64, 0xaaaaaaaa0000, cases, G_N_ELEMENTS(cases));
}

static void test_flow(void)
{
    static const struct {
        DkMachineId machine;
        const char *code;
        gboolean call, jump, ends;
    } cases[] = {
        {DK_MACHINE_X86_64, "c3", FALSE, FALSE, TRUE},
        {DK_MACHINE_X86_64, "ffe0", FALSE, TRUE, TRUE},
        {DK_MACHINE_X86_64, "7410", FALSE, TRUE, FALSE},
        {DK_MACHINE_X86_64, "ffd0", TRUE, FALSE, FALSE},
        {DK_MACHINE_X86_64, "0f0b", FALSE, FALSE, TRUE},
        {DK_MACHINE_ARM64, "c0035fd6", FALSE, FALSE, TRUE},
        {DK_MACHINE_ARM64, "00001fd6", FALSE, TRUE, TRUE},
        {DK_MACHINE_ARM64, "01000014", FALSE, TRUE, TRUE},
        {DK_MACHINE_ARM64, "40000054", FALSE, TRUE, FALSE},
        {DK_MACHINE_ARM64, "00003fd6", TRUE, FALSE, FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DkDisasm) disasm = dk_disasm_new(dk_arch_for(cases[i].machine), NULL);
        guint8 code[16];
        gsize len = from_hex(cases[i].code, code);
        DkInsn insn;
        g_assert_true(dk_disasm_one(disasm, code, len, 0x1000, &insn));
        g_assert_cmpint(insn.is_call, ==, cases[i].call);
        g_assert_cmpint(insn.is_jump, ==, cases[i].jump);
        g_assert_cmpint(insn.ends, ==, cases[i].ends);
    }
}

static void test_none(void)
{
    g_autoptr(DkDisasm) disasm = dk_disasm_new(dk_arch_for(DK_MACHINE_X86_64), NULL);
    DkInsn insn;
    g_assert_false(dk_disasm_one(disasm, (const guint8 *)"\x06", 1, 0, &insn));
    g_assert_false(dk_disasm_one(disasm, (const guint8 *)"", 0, 0, &insn));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disasm/x86-64", test_x86_64);
    g_test_add_func("/disasm/x86", test_x86);
    g_test_add_func("/disasm/arm64", test_arm64);
    g_test_add_func("/disasm/flow", test_flow);
    g_test_add_func("/disasm/none", test_none);
    return g_test_run();
}
