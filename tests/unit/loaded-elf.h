/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An ELF file as the kernel would map it, without running it: a space and a subject. */
#pragma once

#include "mem/space.h"
#include "mem/subject.h"
#include "sym/symfile.h"

typedef struct {
    DkSpace *space;
    DkSubject *subject;
    DkModule *module; /* of subject; identified */
} LoadedElf;

/* Loads path at base_va (0: where it says itself). */
void loaded_elf_init(LoadedElf *elf, const char *path, guint64 base_va);
void loaded_elf_clear(LoadedElf *elf);

/* Takes the memory from first_rva on away, len bytes. */
void loaded_elf_forget(LoadedElf *elf, guint64 first_rva, guint64 len);
