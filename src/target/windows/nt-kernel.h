/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The NT kernel recognised by the page that it shows to every process: KUSER_SHARED_DATA, whose
 * layout Microsoft publishes in ntddk.h ("KUSER_SHARED_DATA structure", Microsoft Learn).
 */
#pragma once

#include <glib.h>

#include "arch/paging.h"
#include "mem/space.h"

typedef struct {
    guint32 major; /* 10 for Windows 10 and 11 */
    guint32 minor;
    guint32 build;     /* such as 19041; 0 before Windows 10, which does not tell it there */
    char root[64];     /* such as "C:\Windows"; ASCII, others as "?" */
    guint32 processor; /* PROCESSOR_ARCHITECTURE as an image machine: 0x8664, ... */
} DkNtKernel;

/* Looks in the virtual memory that tables map over phys; FALSE when no NT kernel shows itself. */
gboolean dk_nt_kernel_recognise(DkSpace *phys, const DkPageTables *tables, DkNtKernel *kernel);
