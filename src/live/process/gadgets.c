/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/gadgets.h"

#include <string.h>
#include <sys/uio.h>

#define PIECE ((gsize)256 << 10)
/* Enough for the C library of any system; a JIT's gigabytes are not searched. */
#define SEARCH_MAX ((guint64)64 << 20)

static const guint8 op_syscall_ret[] = {0x0f, 0x05, 0xc3};
/* mov $15, %rax; syscall: glibc, musl, Go; mov $15, %eax; syscall: others. */
static const guint8 op_sigreturn_rax[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
static const guint8 op_sigreturn_eax[] = {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

static guint64 search(const guint8 *code, gsize len, guint64 va, const guint8 *op, gsize op_len)
{
    const guint8 *at = memmem(code, len, op, op_len);
    return at ? va + (guint64)(at - code) : 0;
}

static void search_piece(const guint8 *code, gsize len, guint64 va, DkGadgets *gadgets)
{
    if (!gadgets->syscall_va)
        gadgets->syscall_va = search(code, len, va, op_syscall_ret, 2);
    if (!gadgets->syscall_ret_va)
        gadgets->syscall_ret_va = search(code, len, va, op_syscall_ret, sizeof op_syscall_ret);
    if (!gadgets->sigreturn_va)
        gadgets->sigreturn_va = search(code, len, va, op_sigreturn_rax, sizeof op_sigreturn_rax);
    if (!gadgets->sigreturn_va)
        gadgets->sigreturn_va = search(code, len, va, op_sigreturn_eax, sizeof op_sigreturn_eax);
}

static gboolean all_found(const DkGadgets *gadgets)
{
    return gadgets->syscall_va && gadgets->syscall_ret_va && gadgets->sigreturn_va;
}

static void search_mapping(pid_t pid, const DkMapping *mapping, guint8 *piece, DkGadgets *gadgets,
                           guint64 *searched)
{
    /* Pieces overlap by a few bytes, since an instruction may lie across two. */
    for (guint64 va = mapping->first; va < mapping->last && !all_found(gadgets); va += PIECE - 16) {
        gsize want = (gsize)MIN(PIECE, mapping->last - va + 1);
        struct iovec here = {piece, want};
        struct iovec there = {(void *)(guintptr)va, want};
        gssize got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (got <= 0)
            return;
        search_piece(piece, (gsize)got, va, gadgets);
        *searched += (guint64)got;
        if (*searched > SEARCH_MAX)
            return;
    }
}

gboolean dk_gadgets_find(pid_t pid, const DkSubject *subject, DkGadgets *gadgets)
{
    g_autofree guint8 *piece = g_malloc(PIECE);
    guint64 searched = 0;
    *gadgets = (DkGadgets){0};
    /* The C library first, which has all of them in one place; then everything. */
    for (guint pass = 0; pass < 2 && !all_found(gadgets); pass++) {
        for (guint i = 0; i < subject->process.mappings->len && !all_found(gadgets); i++) {
            const DkMapping *mapping = g_ptr_array_index(subject->process.mappings, i);
            gboolean libc = mapping->path &&
                            (strstr(mapping->path, "/libc.so") || strstr(mapping->path, "/libc-") ||
                             strstr(mapping->path, "/ld-musl"));
            if (!(mapping->flags & DK_MAP_EXEC) || !(mapping->flags & DK_MAP_READ) ||
                (!pass && !libc) || mapping->first >> 63)
                continue;
            search_mapping(pid, mapping, piece, gadgets, &searched);
        }
    }
    return gadgets->syscall_va != 0;
}

static gboolean stands(pid_t pid, guint64 va, const guint8 *op, gsize op_len)
{
    guint8 code[sizeof op_sigreturn_rax];
    struct iovec here = {code, op_len};
    struct iovec there = {(void *)(guintptr)va, op_len};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (gssize)op_len &&
           memcmp(code, op, op_len) == 0;
}

gboolean dk_gadgets_stand(pid_t pid, const DkGadgets *gadgets)
{
    guint64 back_va = gadgets->sigreturn_va;
    guint64 ret_va = gadgets->syscall_ret_va;
    return stands(pid, gadgets->syscall_va, op_syscall_ret, 2) &&
           (!ret_va || stands(pid, ret_va, op_syscall_ret, sizeof op_syscall_ret)) &&
           (!back_va || stands(pid, back_va, op_sigreturn_rax, sizeof op_sigreturn_rax) ||
            stands(pid, back_va, op_sigreturn_eax, sizeof op_sigreturn_eax));
}
