/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory as the unwinder reads it: a few pages are kept, since words near each other are wanted one
 * after the other.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"

#define DK_STACK_PAGE 4096
#define DK_STACK_PAGES 4

typedef struct {
    DkSpace *space; /* borrowed */
    struct {
        guint64 va; /* a multiple of DK_STACK_PAGE */
        gsize len;  /* bytes that could be read; 0: unused */
        guint8 data[DK_STACK_PAGE];
    } pages[DK_STACK_PAGES];
    guint next;         /* the page that is given up next */
    guint64 missing_va; /* of the last failed read */
} DkStackMemory;

void dk_stack_memory_init(DkStackMemory *memory, DkSpace *space);

/* All of len bytes, or FALSE with missing_va set. */
gboolean dk_stack_memory_read(DkStackMemory *memory, guint64 va, void *buf, gsize len);

/* A little-endian integer of 1, 2, 4 or 8 bytes. */
gboolean dk_stack_memory_word(DkStackMemory *memory, guint64 va, guint size, guint64 *value);
