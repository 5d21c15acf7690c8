/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The methods that dk_unwind() chooses from, one function a method.  Each finds the registers of
 * the calling frame.
 */
#pragma once

#include <glib.h>

#include "unwind/stack-memory.h"
#include "unwind/unwind.h"

typedef struct {
    DkUnwindHost *host;
    const DkArch *arch;
    DkStackMemory stack;
    DkStackMemory code;
    guint switches; /* how often a signal frame led to another stack */
    char *why;      /* the first reason of the current frame for which a method failed */
} DkUnwinder;

typedef enum {
    DK_STEP_NONE, /* the method does not work here; the unwinder's why may say why */
    DK_STEP_OK,   /* the caller is found */
    DK_STEP_END,  /* the frame is the outermost */
    DK_STEP_STOP, /* the frame has a caller that cannot be found: why says why */
} DkStep;

/*
 * Each sets of *frame cfa_va and signal_frame, and of *caller regs (with pc and sp), trust and
 * exact_pc.
 */
DkStep dk_step_cfi(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller);
DkStep dk_step_frame_pointer(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller);
DkStep dk_step_scan(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller);

/* The kernel's signal frame, known by the instructions that frame's pc stands at. */
DkStep dk_step_signal(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller);

/* The caller of a jump to where no code is: nothing has been put on the stack yet. */
DkStep dk_step_wild_jump(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller);

/* Keeps the first reason for a frame. */
void dk_unwinder_note(DkUnwinder *unwinder, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A word of the stack as wide as a pointer; notes what is missing. */
gboolean dk_unwinder_word(DkUnwinder *unwinder, guint64 va, guint64 *value);

/*
 * A return address without the authentication code that arm64 may have put into its high bits; Arm
 * ARM, D8.9: AuthenticationCode in bits 63 to 56 and 54 to 48.
 */
guint64 dk_unwinder_strip(DkUnwinder *unwinder, guint64 va);

typedef enum { DK_CALL_NO, DK_CALL_YES, DK_CALL_UNKNOWN } DkCallBefore;

/* Whether a call instruction ends at va; UNKNOWN when the code is not in the dump. */
DkCallBefore dk_call_before(DkUnwinder *unwinder, guint64 va);
