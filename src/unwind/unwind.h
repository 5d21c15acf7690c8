/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stacks.  dk_unwind() walks from a set of registers outwards, each step by the best method that
 * works: unwind rules of the module (CFI), frame pointer, then a scan of the stack for return
 * addresses.  Every frame says how it was found.
 */
#pragma once

#include <glib.h>

#include "arch/arch.h"
#include "mem/space.h"
#include "sym/symfile.h"

typedef enum {
    DK_FRAME_CONTEXT, /* the registers of the thread itself */
    DK_FRAME_CFI,
    DK_FRAME_FRAME_POINTER,
    DK_FRAME_SCAN,
} DkFrameTrust;

/* "context", "cfi", "frame pointer", "scan". */
const char *dk_frame_trust_name(DkFrameTrust trust);

typedef struct {
    guint64 pc_va;
    guint64 sp_va;
    guint64 cfa_va;    /* 0 when not known */
    guint64 return_va; /* 0 in the outermost frame */
    DkFrameTrust trust;
    gboolean signal_frame; /* made by the kernel to run a signal handler */
    gboolean exact_pc; /* pc is the next instruction, not behind a call: look up pc, else pc - 1 */
    DkRegs regs;
} DkFrame;

/* How the unwinder asks for what lies behind an address. */
typedef struct DkUnwindHost DkUnwindHost;
struct DkUnwindHost {
    const DkArch *arch;
    DkSpace *space; /* virtual memory */
    /* The rules at pc, lent, with *base_va set to the module's first address; NULL: none. */
    const DkCfiRow *(*cfi)(DkUnwindHost *host, guint64 pc_va, guint64 *base_va);
    /* TRUE when pc is in memory that may hold code (an executable mapping or a module). */
    gboolean (*is_code)(DkUnwindHost *host, guint64 pc_va);
};

/*
 * The frames of a thread with registers regs, innermost first, at most max of them, as GArray of
 * DkFrame.  Never empty when regs hold a pc.  *why says in a phrase why it ended before the
 * outermost frame ("memory at 0x... is not in the dump", "limit"), or is NULL; free with g_free().
 */
GArray *dk_unwind(DkUnwindHost *host, const DkRegs *regs, guint max, char **why);
