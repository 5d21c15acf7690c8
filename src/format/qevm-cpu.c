/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/qevm-cpu.h"

#include <stddef.h>
#include <string.h>

#include "proto/qevm/vmstate.h"

#define EFER_LMA (1u << 10)
#define CR0_PG (1u << 31)
/* Bytes of the FXSAVE area, and of user_regs_struct. */
#define FXSAVE_SIZE 512
#define GENERAL_64 216
#define GENERAL_32 68

/* QEMU's order of env.regs. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 };

/* What one device "cpu" says; its values by the names that the description gives them. */
typedef struct {
    DkCpu *cpu;
    guint64 regs[16];
    guint64 rip, rflags;
    guint64 fcw, fsw, ftw, fop, fip, fdp, mxcsr;
    guint64 st_low[8], st_high[8];
    guint64 xmm_low[16], xmm_high[16];
    guint nregs;
    guint seen; /* bit n: simple[n] was there */
    guint segments;
    guint st, xmm;
} Taken;

#define OF_CPU(member) TRUE, offsetof(DkCpu, member)
#define OF_TAKEN(member) FALSE, offsetof(Taken, member)

/* Values that are one integer. */
static const struct {
    const char *path;
    gboolean of_cpu;
    gsize off;
    guint32 part; /* of DkCpuParts that needs it, among others; 0: none */
} simple[] = {
    {"env.eip", OF_TAKEN(rip), 0},
    {"env.eflags", OF_TAKEN(rflags), 0},
    {"env.fpuc", OF_TAKEN(fcw), 0},
    {"env.fpus_vmstate", OF_TAKEN(fsw), 0},
    {"env.fptag_vmstate", OF_TAKEN(ftw), 0},
    {"env.mxcsr", OF_TAKEN(mxcsr), 0},
    {"env.cr[0]", OF_CPU(cr0), DK_CPU_CONTROL},
    {"env.cr[2]", OF_CPU(cr2), DK_CPU_CONTROL},
    {"env.cr[3]", OF_CPU(cr3), DK_CPU_CONTROL},
    {"env.cr[4]", OF_CPU(cr4), DK_CPU_CONTROL},
    {"env.efer", OF_CPU(efer), DK_CPU_EFER},
    {"env.star", OF_CPU(star), DK_CPU_SYSCALL},
    {"env.lstar", OF_CPU(lstar), DK_CPU_SYSCALL},
    {"env.cstar", OF_CPU(cstar), DK_CPU_SYSCALL},
    {"env.fmask", OF_CPU(fmask), DK_CPU_SYSCALL},
    {"env.kernelgsbase", OF_CPU(kernel_gs_base), DK_CPU_KERNEL_GS},
    {"env.sysenter_cs", OF_CPU(sysenter_cs), DK_CPU_SYSENTER},
    {"env.sysenter_esp", OF_CPU(sysenter_esp), DK_CPU_SYSENTER},
    {"env.sysenter_eip", OF_CPU(sysenter_eip), DK_CPU_SYSENTER},
    {"cpu/fpop_ip_dp:env.fpop", OF_TAKEN(fop), 0},
    {"cpu/fpop_ip_dp:env.fpip", OF_TAKEN(fip), 0},
    {"cpu/fpop_ip_dp:env.fpdp", OF_TAKEN(fdp), 0},
};
#define SIMPLE_GENERAL 0x03u /* of seen: rip and rflags */
#define SIMPLE_FP 0x3cu

/* Parts of a path "HEAD[N].TAIL": the tail, and *n; NULL when the path is not of that form. */
static const char *element(const char *path, const char *head, guint max, guint *n)
{
    if (!g_str_has_prefix(path, head)) {
        return NULL;
    }
    const char *next = path + strlen(head);
    if (next[0] != '[' || !g_ascii_isdigit(next[1])) {
        return NULL;
    }
    guint64 number = g_ascii_strtoull(next + 1, (char **)&next, 10);
    if (next[0] != ']' || next[1] != '.' || number >= max) {
        return NULL;
    }
    *n = (guint)number;
    return next + 2;
}

static gboolean take_segment(Taken *taken, const char *path, guint64 number)
{
    static const struct {
        const char *head;
        DkX86SegmentId id;
    } tables[] = {{"env.ldt.", DK_SEG_LDT},
                  {"env.tr.", DK_SEG_TR},
                  {"env.gdt.", DK_SEG_GDT},
                  {"env.idt.", DK_SEG_IDT}};
    guint id = 0;
    /* ES, CS, SS, DS, FS, GS: the order is that of DkX86SegmentId. */
    const char *field = element(path, "env.segs", 6, &id);
    for (gsize i = 0; !field && i < G_N_ELEMENTS(tables); i++) {
        if (g_str_has_prefix(path, tables[i].head)) {
            field = path + strlen(tables[i].head);
            id = tables[i].id;
        }
    }
    if (!field) {
        return FALSE;
    }
    DkX86Segment *segment = &taken->cpu->seg[id];
    if (g_str_equal(field, "selector")) {
        segment->selector = (guint32)number;
    } else if (g_str_equal(field, "base")) {
        segment->base = number;
        taken->segments |= 1u << id;
    } else if (g_str_equal(field, "limit")) {
        segment->limit = (guint32)number;
    } else if (g_str_equal(field, "flags")) {
        segment->flags = (guint32)number & 0xffff00;
    }
    return TRUE;
}

/* x87 registers are physical ones, each a mantissa and an exponent; SSE registers two halves. */
static void take_vector(Taken *taken, const char *path, guint64 number)
{
    guint n = 0;
    const char *field = element(path, "env.fpregs", 8, &n);
    if (field && g_str_has_suffix(field, "mant")) {
        taken->st_low[n] = number;
    } else if (field && g_str_has_suffix(field, "exp")) {
        taken->st_high[n] = number;
        taken->st |= 1u << n;
    }
    if (field) {
        return;
    }
    /* The upper half of YMM registers has the name env.xmm_regs[1]. */
    field = element(path, "env.xmm_regs[0]", 16, &n);
    if (!field) {
        field = element(path, "env.xmm_regs", 16, &n);
    }
    if (field && g_str_has_suffix(field, "[0]")) {
        taken->xmm_low[n] = number;
    } else if (field && g_str_has_suffix(field, "[1]")) {
        taken->xmm_high[n] = number;
        taken->xmm |= 1u << n;
    }
}

static void take_value(const DkVmstateValue *value, gpointer user)
{
    Taken *taken = user;
    guint64 number = 0;
    if (!dk_vmstate_integer(value, 0, &number)) {
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(simple); i++) {
        if (g_str_equal(value->path, simple[i].path)) {
            guint8 *base = simple[i].of_cpu ? (guint8 *)taken->cpu : (guint8 *)taken;
            memcpy(base + simple[i].off, &number, sizeof number);
            taken->seen |= 1u << i;
            return;
        }
    }
    if (g_str_equal(value->path, "env.regs")) {
        taken->nregs = (guint)MIN(value->count, 16);
        for (guint i = 0; i < taken->nregs; i++) {
            dk_vmstate_integer(value, i, &taken->regs[i]);
        }
    } else if (g_str_equal(value->path, "env.dr") && value->count == 8) {
        for (guint i = 0; i < 8; i++) {
            dk_vmstate_integer(value, i, &taken->cpu->dr[i]);
        }
        taken->cpu->parts |= DK_CPU_DEBUG;
    } else if (!take_segment(taken, value->path, number)) {
        take_vector(taken, value->path, number);
    }
}

static void put_le(guint8 *to, guint64 value, gsize size)
{
    value = GUINT64_TO_LE(value);
    memcpy(to, &value, size);
}

/* struct user_regs_struct of Linux, x86-64. */
static GBytes *general_64(const Taken *taken)
{
    const guint64 *regs = taken->regs;
    const DkX86Segment *seg = taken->cpu->seg;
    const guint64 words[27] = {
        regs[15],
        regs[14],
        regs[13],
        regs[12],
        regs[RBP],
        regs[RBX],
        regs[11],
        regs[10],
        regs[9],
        regs[R8],
        regs[RAX],
        regs[RCX],
        regs[RDX],
        regs[RSI],
        regs[RDI],
        G_MAXUINT64, /* orig_rax: in no system call */
        taken->rip,
        seg[DK_SEG_CS].selector,
        taken->rflags,
        regs[RSP],
        seg[DK_SEG_SS].selector,
        seg[DK_SEG_FS].base,
        seg[DK_SEG_GS].base,
        seg[DK_SEG_DS].selector,
        seg[DK_SEG_ES].selector,
        seg[DK_SEG_FS].selector,
        seg[DK_SEG_GS].selector,
    };
    guint8 block[GENERAL_64];
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        put_le(block + i * 8, words[i], 8);
    }
    return g_bytes_new(block, sizeof block);
}

/* The FXSAVE area as 64-bit code stores it (Intel SDM, volume 1, 10.5.1). */
static GBytes *fxsave(const Taken *taken)
{
    guint8 area[FXSAVE_SIZE] = {0};
    guint top = (guint)(taken->fsw >> 11) & 7;
    put_le(area, taken->fcw, 2);
    put_le(area + 2, taken->fsw, 2);
    put_le(area + 4, taken->ftw, 1); /* QEMU's is a bit for each register in use, too */
    put_le(area + 6, taken->fop, 2);
    put_le(area + 8, taken->fip, 8);
    put_le(area + 16, taken->fdp, 8);
    put_le(area + 24, taken->mxcsr, 4);
    put_le(area + 28, 0xffff, 4);
    for (guint i = 0; i < 8; i++) {
        put_le(area + 32 + 16 * i, taken->st_low[(top + i) & 7], 8);
        put_le(area + 40 + 16 * i, taken->st_high[(top + i) & 7], 2);
    }
    for (guint i = 0; i < 16; i++) {
        put_le(area + 160 + 16 * i, taken->xmm_low[i], 8);
        put_le(area + 168 + 16 * i, taken->xmm_high[i], 8);
    }
    return g_bytes_new(area, sizeof area);
}

/* A part is known when every value of it was there. */
static void set_parts(Taken *taken)
{
    DkCpu *cpu = taken->cpu;
    guint32 lacking = 0;
    for (guint i = 0; i < G_N_ELEMENTS(simple); i++) {
        if (taken->seen >> i & 1) {
            cpu->parts |= simple[i].part;
        } else {
            lacking |= simple[i].part;
        }
    }
    cpu->parts &= ~lacking;
    if (taken->segments == (1u << DK_SEG_COUNT) - 1) {
        cpu->parts |= DK_CPU_SEGMENTS;
    }
}

static void set_missing(DkSubject *subject, DkCpu *cpu, const char *why)
{
    cpu->missing = g_strdup(why);
    dk_subject_add_gap(subject, "cpu", 1, 0, 0, "CPU %u: %s", cpu->index, why);
}

static void take_cpu(DkSubject *subject, const DkQevmDevice *device)
{
    gsize used = 0;
    g_autoptr(GError) error = NULL;
    g_autofree Taken *taken = g_new0(Taken, 1);
    taken->cpu = dk_machine_add_cpu(&subject->system, device->instance);
    if (!dk_vmstate_walk(device->vmstate, device->index, device->data, device->len, take_value,
                         taken, &used, &error)) {
        set_missing(subject, taken->cpu, error->message);
        return;
    }
    set_parts(taken);
    if (taken->nregs < 8 || (taken->seen & SIMPLE_GENERAL) != SIMPLE_GENERAL ||
        !(taken->cpu->parts & DK_CPU_SEGMENTS)) {
        set_missing(subject, taken->cpu, "its state has no general registers that are known");
        return;
    }
    taken->cpu->regs[DK_REGSET_GENERAL] = general_64(taken);
    if ((taken->seen & SIMPLE_FP) == SIMPLE_FP && taken->st == 0xff &&
        (taken->xmm & 0xff) == 0xff) {
        taken->cpu->regs[DK_REGSET_FP] = fxsave(taken);
    }
}

static void take_tpr(const DkVmstateValue *value, gpointer user)
{
    DkCpu *cpu = user;
    guint64 tpr = 0;
    if (g_str_equal(value->path, "tpr") && dk_vmstate_integer(value, 0, &tpr)) {
        cpu->cr8 = tpr >> 4 & 0xf; /* CR8 is the upper half of the task priority */
        cpu->parts |= DK_CPU_CR8;
    }
}

void dk_qevm_cpu_take(DkSubject *subject, const DkQevmDevice *device)
{
    const GPtrArray *cpus = subject->system.cpus;
    if (g_str_equal(device->name, "cpu")) {
        take_cpu(subject, device);
    } else if (g_str_equal(device->name, "apic") && cpus->len > 0) {
        gsize used = 0;
        DkCpu *cpu = cpus->pdata[cpus->len - 1];
        if (!(cpu->parts & DK_CPU_CR8) &&
            !dk_vmstate_walk(device->vmstate, device->index, device->data, device->len, take_tpr,
                             cpu, &used, NULL)) {
            cpu->parts &= ~(guint32)DK_CPU_CR8;
        }
    }
}

/* struct user_regs_struct of Linux, x86, out of that of x86-64. */
static GBytes *general_32(GBytes *wide)
{
    /* ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss */
    static const guint8 from[17] = {5,  11, 12, 13, 14, 4,  10, 23, 24,
                                    25, 26, 15, 16, 17, 18, 19, 20};
    const guint8 *words = g_bytes_get_data(wide, NULL);
    guint8 block[GENERAL_32];
    for (guint i = 0; i < G_N_ELEMENTS(from); i++) {
        memcpy(block + i * 4, words + from[i] * 8, 4);
    }
    return g_bytes_new(block, sizeof block);
}

void dk_qevm_cpu_done(DkSubject *subject)
{
    gboolean paging = FALSE;
    gboolean wide = FALSE;
    gboolean known = FALSE;
    GPtrArray *cpus = subject->system.cpus;
    subject->cpus = cpus->len;
    for (guint i = 0; i < cpus->len; i++) {
        const DkCpu *cpu = cpus->pdata[i];
        paging |= (cpu->parts & DK_CPU_CONTROL) && cpu->cr0 & CR0_PG;
        known |= cpu->regs[DK_REGSET_GENERAL] != NULL;
        wide |= (cpu->parts & DK_CPU_EFER) && cpu->efer & EFER_LMA;
    }
    if (!known) {
        return;
    }
    subject->machine = paging && !wide ? DK_MACHINE_X86 : DK_MACHINE_X86_64;
    for (guint i = 0; subject->machine == DK_MACHINE_X86 && i < cpus->len; i++) {
        DkCpu *cpu = cpus->pdata[i];
        GBytes *general = cpu->regs[DK_REGSET_GENERAL];
        if (general) {
            cpu->regs[DK_REGSET_GENERAL] = general_32(general);
            g_bytes_unref(general);
        }
        cpu->regs[DK_REGSET_FXSAVE] = g_steal_pointer(&cpu->regs[DK_REGSET_FP]);
    }
}
