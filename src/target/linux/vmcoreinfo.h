/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMCOREINFO: what a Linux kernel says of itself for those who read its memory: release, addresses
 * of symbols, offsets and sizes of structures, numbers.  Source: the kernel's
 * Documentation/admin-guide/kdump/vmcoreinfo.rst.  Lines are KEY=VALUE or KEY(NAME)=VALUE.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"

typedef struct DkProgress DkProgress;
typedef struct DkVmcoreinfo DkVmcoreinfo;

/* The longest text that is taken. */
#define DK_VMCOREINFO_MAX ((gsize)64 << 10)

/*
 * Parses text (without the note's head; a NUL ends it).  Lines that make no sense are passed over.
 * NULL with DK_ERROR_DAMAGED when OSRELEASE or PAGESIZE is missing, so that it is none at all, and
 * with DK_ERROR_LIMIT when it is too long.
 */
DkVmcoreinfo *dk_vmcoreinfo_parse(GBytes *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_vmcoreinfo_free(DkVmcoreinfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkVmcoreinfo, dk_vmcoreinfo_free)

/* The value of a line by all that stands before its "=": "OSRELEASE", "SYMBOL(_stext)"; or NULL. */
const char *dk_vmcoreinfo_get(const DkVmcoreinfo *info, const char *key);

/* Kernel release, such as "6.1.0-13-amd64"; never NULL. */
const char *dk_vmcoreinfo_release(const DkVmcoreinfo *info);

/* The addresses and numbers of "SYMBOL(name)" and so on; FALSE when there is none that makes sense.
 * A negative NUMBER is the same in two's complement. */
gboolean dk_vmcoreinfo_symbol(const DkVmcoreinfo *info, const char *name, guint64 *va);
gboolean dk_vmcoreinfo_size(const DkVmcoreinfo *info, const char *name, guint64 *bytes);
gboolean dk_vmcoreinfo_offset(const DkVmcoreinfo *info, const char *name, guint64 *bytes);
gboolean dk_vmcoreinfo_length(const DkVmcoreinfo *info, const char *name, guint64 *count);
gboolean dk_vmcoreinfo_number(const DkVmcoreinfo *info, const char *name, guint64 *value);

/* By how much KASLR has moved the kernel's addresses; FALSE when the text does not say. */
gboolean dk_vmcoreinfo_kernel_offset(const DkVmcoreinfo *info, guint64 *offset);

guint64 dk_vmcoreinfo_page_size(const DkVmcoreinfo *info);

/* The text that was parsed, up to its end; lent. */
GBytes *dk_vmcoreinfo_text(const DkVmcoreinfo *info);

/*
 * Looks for the text in physical memory, in at most max_bytes of it (0: all).  Of several that make
 * sense the one is taken whose kernel's page tables are in place, else the one that stands where a
 * kernel puts it: at the start of a page, or behind the head of a note there.  NULL with
 * DK_ERROR_NOT_FOUND, or DK_ERROR_CANCELLED.
 */
GBytes *dk_vmcoreinfo_find(DkSpace *phys, guint64 max_bytes, DkProgress *progress,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
