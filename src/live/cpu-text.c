/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/cpu-text.h"

#include <string.h>

#define REGISTERS 27

/* By the order of struct user_regs_struct of Linux; NULL: from elsewhere. */
static const char *const names[REGISTERS] = {"R15", "R14", "R13", "R12", "RBP", "RBX", "R11",
                                             "R10", "R9",  "R8",  "RAX", "RCX", "RDX", "RSI",
                                             "RDI", NULL,  "RIP", NULL,  "RFL", "RSP"};
static const struct {
    guint at; /* in user_regs_struct */
    DkX86SegmentId id;
} selectors[] = {{17, DK_SEG_CS}, {20, DK_SEG_SS}, {23, DK_SEG_DS},
                 {24, DK_SEG_ES}, {25, DK_SEG_FS}, {26, DK_SEG_GS}};

/* Behind "NAME=" or "NAME =", where it begins a line or follows a space; NULL: not there. */
static const char *value_of(const char *text, const char *name)
{
    gsize len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += len) {
        const char *end = at + len;
        while (*end == ' ')
            end++;
        if (*end == '=' && (at == text || at[-1] == '\n' || at[-1] == ' '))
            return end + 1;
    }
    return NULL;
}

static gboolean take_hex(const char **at, guint64 *number)
{
    char *end;
    while (**at == ' ')
        (*at)++;
    if (!g_ascii_isxdigit(**at))
        return FALSE;
    *number = g_ascii_strtoull(*at, &end, 16);
    *at = end;
    return TRUE;
}

static gboolean number_of(const char *text, const char *name, guint64 *number)
{
    const char *at = value_of(text, name);
    return at && take_hex(&at, number);
}

static gboolean take_segments(const char *text, DkCpu *cpu)
{
    static const char *const segments[DK_SEG_COUNT] = {
        [DK_SEG_ES] = "ES",   [DK_SEG_CS] = "CS",  [DK_SEG_SS] = "SS",   [DK_SEG_DS] = "DS",
        [DK_SEG_FS] = "FS",   [DK_SEG_GS] = "GS",  [DK_SEG_LDT] = "LDT", [DK_SEG_TR] = "TR",
        [DK_SEG_GDT] = "GDT", [DK_SEG_IDT] = "IDT"};
    for (guint id = 0; id < DK_SEG_COUNT; id++) {
        const char *at = value_of(text, segments[id]);
        guint64 selector = 0;
        guint64 limit;
        guint64 flags = 0;
        gboolean is_table = id == DK_SEG_GDT || id == DK_SEG_IDT;
        DkX86Segment *segment = &cpu->seg[id];
        if (!at || (!is_table && !take_hex(&at, &selector)) || !take_hex(&at, &segment->base) ||
            !take_hex(&at, &limit) || (!is_table && !take_hex(&at, &flags)))
            return FALSE;
        segment->selector = (guint32)selector;
        segment->limit = (guint32)limit;
        segment->flags = (guint32)flags & 0xffff00;
    }
    return TRUE;
}

static gboolean take_debug(const char *text, DkCpu *cpu)
{
    static const char *const debug[8] = {"DR0", "DR1", "DR2", "DR3", NULL, NULL, "DR6", "DR7"};
    for (guint i = 0; i < G_N_ELEMENTS(debug); i++) {
        if (debug[i] && !number_of(text, debug[i], &cpu->dr[i]))
            return FALSE;
    }
    return TRUE;
}

static void take_parts(const char *text, DkCpu *cpu)
{
    if (take_segments(text, cpu))
        cpu->parts |= DK_CPU_SEGMENTS;
    if (number_of(text, "CR0", &cpu->cr0) && number_of(text, "CR2", &cpu->cr2) &&
        number_of(text, "CR3", &cpu->cr3) && number_of(text, "CR4", &cpu->cr4))
        cpu->parts |= DK_CPU_CONTROL;
    if (take_debug(text, cpu))
        cpu->parts |= DK_CPU_DEBUG;
    if (number_of(text, "EFER", &cpu->efer))
        cpu->parts |= DK_CPU_EFER;
}

static gboolean take_general(const char *text, guint64 words[REGISTERS])
{
    for (guint i = 0; i < REGISTERS; i++) {
        if (names[i] && !number_of(text, names[i], &words[i]))
            return FALSE;
    }
    return TRUE;
}

static void add_cpu(DkSubject *subject, const char *text, guint64 words[REGISTERS])
{
    DkCpu *cpu = dk_machine_add_cpu(&subject->system, subject->system.cpus->len);
    take_parts(text, cpu);
    for (guint i = 0; i < G_N_ELEMENTS(selectors); i++)
        words[selectors[i].at] = cpu->seg[selectors[i].id].selector;
    words[21] = cpu->seg[DK_SEG_FS].base;
    words[22] = cpu->seg[DK_SEG_GS].base;
    for (guint i = 0; i < REGISTERS; i++)
        words[i] = GUINT64_TO_LE(words[i]);
    cpu->regs[DK_REGSET_GENERAL] = g_bytes_new(words, REGISTERS * sizeof *words);
}

gboolean dk_cpu_text_parse(const char *text, DkSubject *subject)
{
    g_auto(GStrv) cpus = g_strsplit(text, "CPU#", -1);
    guint count = g_strv_length(cpus);
    guint64 words[REGISTERS];
    if (count < 2 || count > DK_CPU_TEXT_MAX)
        return FALSE;
    for (guint i = 1; i < count; i++) {
        if (!take_general(cpus[i], words))
            return FALSE;
    }
    for (guint i = 1; i < count; i++) {
        memset(words, 0, sizeof words);
        words[15] = G_MAXUINT64; /* orig_rax: in no system call */
        if (take_general(cpus[i], words))
            add_cpu(subject, cpus[i], words);
    }
    subject->machine = DK_MACHINE_X86_64;
    return TRUE;
}
