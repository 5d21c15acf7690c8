/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <capstone/capstone.h>
#include <string.h>

#include "arch/arch.h"
#include "base/error.h"

struct DkDisasm {
    const DkArch *arch;
    csh handle;
    cs_insn *insn;
};

DkDisasm *dk_disasm_new(const DkArch *arch, GError **error)
{
    gboolean arm = arch->machine == DK_MACHINE_ARM64;
    cs_mode mode = arm ? CS_MODE_ARM : arch->pointer_size == 8 ? CS_MODE_64 : CS_MODE_32;
    csh handle;
    cs_err status = cs_open(arm ? CS_ARCH_ARM64 : CS_ARCH_X86, mode, &handle);
    if (status != CS_ERR_OK) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "disassembler for %s: %s", arch->name,
                    cs_strerror(status));
        return NULL;
    }
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    if (!arm)
        cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_MASM);
    DkDisasm *disasm = g_new0(DkDisasm, 1);
    disasm->arch = arch;
    disasm->handle = handle;
    disasm->insn = cs_malloc(handle);
    return disasm;
}

void dk_disasm_free(DkDisasm *disasm)
{
    if (!disasm)
        return;
    if (disasm->insn)
        cs_free(disasm->insn, 1);
    cs_close(&disasm->handle);
    g_free(disasm);
}

static void append_va(GString *out, guint pointer_size, guint64 va)
{
    g_string_append_printf(out, "%0*" G_GINT64_MODIFIER "x", (int)pointer_size * 2, va);
}

/* MASM's way: decimal digits as they are below ten, else hex with an h, 0 before a letter. */
static void append_masm(GString *out, guint64 value)
{
    char digits[24];
    g_snprintf(digits, sizeof digits, "%" G_GINT64_MODIFIER "X", value);
    if (g_ascii_isalpha(digits[0]))
        g_string_append_c(out, '0');
    g_string_append(out, digits);
    if (value > 9)
        g_string_append_c(out, 'h');
}

/* Reads a number as capstone's MASM syntax prints it; *end is behind it.  FALSE if there is none.
 */
static gboolean masm_number(const char *text, guint64 *value, const char **end)
{
    if (!g_ascii_isdigit(*text))
        return FALSE;
    const char *stop = text;
    while (g_ascii_isxdigit(*stop))
        stop++;
    gboolean hex = *stop == 'h';
    *value = g_ascii_strtoull(text, NULL, hex ? 16 : 10);
    *end = stop + hex;
    return TRUE;
}

/* Copies the text of an operand without blanks around + and -, its numbers in kd's form. */
static void append_tidy(GString *out, const char *text, gsize len)
{
    const char *end = text + len;
    gboolean in_word = FALSE;
    while (text < end) {
        guint64 value;
        const char *behind;
        if (!in_word && masm_number(text, &value, &behind)) {
            append_masm(out, value);
            text = behind;
            continue;
        }
        char c = *text++;
        gboolean sign = c == '+' || c == '-';
        gboolean before_sign = c == ' ' && text < end && (*text == '+' || *text == '-');
        if (!before_sign)
            g_string_append_c(out, c);
        if (sign && text < end && *text == ' ')
            text++;
        in_word = g_ascii_isalnum(c) || c == '_';
    }
}

/* The string instructions, which kd writes without the size in the name. */
static gboolean is_string_insn(const cs_x86 *x86)
{
    guint8 op = x86->opcode[0];
    return !x86->opcode[1] &&
           ((op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf) || (op >= 0x6c && op <= 0x6f));
}

static void x86_mnemonic(const cs_insn *insn, DkInsn *out)
{
    const cs_x86 *x86 = &insn->detail->x86;
    if (strcmp(insn->mnemonic, "movabs") == 0) {
        g_strlcpy(out->mnemonic, "mov", sizeof out->mnemonic);
        return;
    }
    if (strcmp(insn->mnemonic, "int3") == 0) {
        g_strlcpy(out->mnemonic, "int", sizeof out->mnemonic);
        g_strlcpy(out->operands, "3", sizeof out->operands);
        return;
    }
    g_strlcpy(out->mnemonic, insn->mnemonic, sizeof out->mnemonic);
    gsize len = strlen(out->mnemonic);
    if (is_string_insn(x86) && len > 1)
        out->mnemonic[len - 1] = '\0';
}

/* An operand that is a plain number: negative ones as wide as the first operand. */
static gboolean x86_immediate(GString *out, const DkArch *arch, const cs_x86 *x86, const char *text,
                              gsize len)
{
    gboolean negative = *text == '-';
    guint64 value;
    const char *end;
    if (!masm_number(text + negative, &value, &end) || end != text + len)
        return FALSE;
    if (negative) {
        guint size = x86->op_count > 1 ? x86->operands[0].size : arch->pointer_size;
        value = -value;
        if (size && size < 8)
            value &= ((guint64)1 << size * 8) - 1;
    }
    append_masm(out, value);
    return TRUE;
}

/* The absolute address of the memory operand, where the instruction alone gives it. */
static gboolean x86_memory_va(const cs_insn *insn, guint pointer_size, guint64 *va)
{
    const cs_x86 *x86 = &insn->detail->x86;
    for (guint i = 0; i < x86->op_count; i++) {
        const cs_x86_op *op = &x86->operands[i];
        if (op->type != X86_OP_MEM || op->mem.index != X86_REG_INVALID)
            continue;
        guint64 disp = (guint64)op->mem.disp;
        if (op->mem.base == X86_REG_RIP)
            disp += insn->address + insn->size;
        else if (op->mem.base != X86_REG_INVALID || op->mem.segment == X86_REG_FS ||
                 op->mem.segment == X86_REG_GS)
            continue;
        *va = pointer_size == 4 ? disp & G_MAXUINT32 : disp;
        return TRUE;
    }
    return FALSE;
}

static void x86_operand(GString *out, const DkArch *arch, const cs_insn *insn, DkInsn *info,
                        const char *text, gsize len)
{
    const char *open = memchr(text, '[', len);
    if (open) {
        if (info->memory_va) {
            append_tidy(out, text, (gsize)(open - text) + 1);
            append_va(out, arch->pointer_size, info->memory_va);
            g_string_append_c(out, ']');
        } else {
            append_tidy(out, text, len);
        }
    } else if (info->target_va) {
        append_va(out, arch->pointer_size, info->target_va);
    } else if (!x86_immediate(out, arch, &insn->detail->x86, text, len)) {
        append_tidy(out, text, len);
    }
}

static void x86_fill(DkDisasm *disasm, const cs_insn *insn, DkInsn *out)
{
    const DkArch *arch = disasm->arch;
    const cs_x86 *x86 = &insn->detail->x86;
    out->is_call = cs_insn_group(disasm->handle, insn, CS_GRP_CALL);
    out->is_jump = cs_insn_group(disasm->handle, insn, CS_GRP_JUMP) || insn->id == X86_INS_LOOP ||
                   insn->id == X86_INS_LOOPE || insn->id == X86_INS_LOOPNE;
    out->ends = insn->id == X86_INS_JMP || insn->id == X86_INS_LJMP ||
                cs_insn_group(disasm->handle, insn, CS_GRP_RET) ||
                cs_insn_group(disasm->handle, insn, CS_GRP_IRET) || insn->id == X86_INS_UD2 ||
                insn->id == X86_INS_HLT;
    if ((out->is_call || out->is_jump) && x86->op_count == 1 &&
        x86->operands[0].type == X86_OP_IMM) {
        guint64 va = (guint64)x86->operands[0].imm;
        out->target_va = arch->pointer_size == 4 ? va & G_MAXUINT32 : va;
    }
    x86_memory_va(insn, arch->pointer_size, &out->memory_va);

    x86_mnemonic(insn, out);
    if (*out->operands)
        return;
    gboolean only_memory = is_string_insn(x86) && (x86->opcode[0] & 0xf) >= 0xa;
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *part = insn->op_str; *part;) {
        const char *end = strstr(part, ", ");
        gsize len = end ? (gsize)(end - part) : strlen(part);
        if (!only_memory || memchr(part, '[', len)) {
            if (text->len)
                g_string_append_c(text, ',');
            x86_operand(text, arch, insn, out, part, len);
        }
        part += len + (end ? 2 : 0);
    }
    g_strlcpy(out->operands, text->str, sizeof out->operands);
}

/* Instructions that capstone 4 knows as hints only (Arm ARM, C6.2: HINT). */
static const char *arm64_hint(gint64 number)
{
    switch (number) {
    case 7:
        return "xpaclri";
    case 25:
        return "paciasp";
    case 27:
        return "pacibsp";
    case 29:
        return "autiasp";
    case 31:
        return "autibsp";
    case 32:
        return "bti";
    default:
        return NULL;
    }
}

static void arm64_text(const cs_insn *insn, GString *out, guint64 va)
{
    for (const char *at = insn->op_str; *at; at++) {
        if (*at == ' ') {
            if (at != insn->op_str && at[-1] == ',')
                continue;
        } else if (*at == '#' && va) {
            /* A branch, adr or literal has one number only, its address, which comes last. */
            char digits[24];
            g_snprintf(digits, sizeof digits, "#0x%" G_GINT64_MODIFIER "x", va);
            if (strcmp(at, digits) == 0) {
                append_va(out, 8, va);
                return;
            }
        }
        g_string_append_c(out, *at);
    }
    /* kd calls these two by their use. */
    g_string_replace(out, "x29", "fp", 0);
    g_string_replace(out, "x30", "lr", 0);
}

static void arm64_fill(DkDisasm *disasm, const cs_insn *insn, DkInsn *out)
{
    const cs_arm64 *arm64 = &insn->detail->arm64;
    const cs_arm64_op *last = arm64->op_count ? &arm64->operands[arm64->op_count - 1] : NULL;
    gint64 number = last && last->type == ARM64_OP_IMM ? last->imm : -1;
    out->is_call = insn->id == ARM64_INS_BL || insn->id == ARM64_INS_BLR;
    gboolean conditional = insn->id == ARM64_INS_CBZ || insn->id == ARM64_INS_CBNZ ||
                           insn->id == ARM64_INS_TBZ || insn->id == ARM64_INS_TBNZ ||
                           (insn->id == ARM64_INS_B && arm64->cc != ARM64_CC_INVALID &&
                            arm64->cc != ARM64_CC_AL && arm64->cc != ARM64_CC_NV);
    out->is_jump = conditional || insn->id == ARM64_INS_B || insn->id == ARM64_INS_BR;
    out->ends = (out->is_jump && !conditional) || insn->id == ARM64_INS_RET ||
                insn->id == ARM64_INS_ERET;
    gboolean literal = insn->id == ARM64_INS_ADR || insn->id == ARM64_INS_ADRP ||
                       insn->id == ARM64_INS_LDRSW || insn->id == ARM64_INS_LDR;
    if (number >= 0 && (out->is_call || out->is_jump))
        out->target_va = (guint64)number;
    else if (number >= 0 && literal && arm64->op_count == 2)
        out->memory_va = (guint64)number;

    const char *hint = insn->id == ARM64_INS_HINT ? arm64_hint(number) : NULL;
    if (hint) {
        g_strlcpy(out->mnemonic, hint, sizeof out->mnemonic);
        return;
    }
    g_strlcpy(out->mnemonic, strcmp(insn->mnemonic, "movz") == 0 ? "mov" : insn->mnemonic,
              sizeof out->mnemonic);
    g_autoptr(GString) text = g_string_new(NULL);
    arm64_text(insn, text, out->target_va ? out->target_va : out->memory_va);
    g_strlcpy(out->operands, text->str, sizeof out->operands);
}

gboolean dk_disasm_one(DkDisasm *disasm, const guint8 *code, gsize len, guint64 va, DkInsn *insn)
{
    const guint8 *at = code;
    gsize left = len;
    uint64_t address = va;
    if (!disasm->insn || !cs_disasm_iter(disasm->handle, &at, &left, &address, disasm->insn))
        return FALSE;
    DkInsn found = {.size = disasm->insn->size};
    if (disasm->arch->machine == DK_MACHINE_ARM64)
        arm64_fill(disasm, disasm->insn, &found);
    else
        x86_fill(disasm, disasm->insn, &found);
    *insn = found;
    return TRUE;
}
