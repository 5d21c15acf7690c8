/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machines whose registers we know in an ELF core of Linux. */
#pragma once

#include <glib.h>

#include "mem/regset.h"

typedef struct {
    DkMachineId id;
    guint16 e_machine;
    guint8 word;         /* bytes of a word: 4 for a 32-bit file, 8 for a 64-bit one */
    guint prstatus_size; /* bytes of NT_PRSTATUS */
    guint regs_off;      /* of the general registers in it */
    guint regs_size;
    guint fp_size; /* bytes of NT_FPREGSET */
    guint pc_off;  /* in the general registers; as wide as a word */
    guint sp_off;
} DkElfcoreMachine;

/* For a little-endian file of that class; NULL when we do not know its registers. */
const DkElfcoreMachine *dk_elfcore_machine_find(guint16 e_machine, guint word);
const DkElfcoreMachine *dk_elfcore_machine_by_id(DkMachineId id);

/* "RISC-V" and so on, or NULL. */
const char *dk_elfcore_machine_label(guint16 e_machine);

/* "SIGSEGV" for 11 and so on, as x86 and arm64 number them, or NULL. */
const char *dk_elfcore_signal_name(gint signal);
