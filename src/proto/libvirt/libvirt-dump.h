/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's own dump of a guest's memory (virDomainCoreDumpWithFormat), which is one call that
 * lasts until all is written.  A child process makes it over a connection of its own; libvirt is
 * given our pipe as /proc/PID/fd/N, so that there is no file, and nothing to clean up: when the
 * reader goes away, the dump fails, and libvirt lets the guest run on.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef struct {
    pid_t pid; /* of the child; 0: none was started, or its end was seen */
    int words; /* a memfd with what libvirt said when it failed; -1: none */
    gboolean failed;
} DkLibvirtDump;

/*
 * Starts the dump of the domain, as an ELF file without page tables, into the pipe that fd is the
 * write end of; it stays the caller's, who has to close it.
 */
gboolean dk_libvirt_dump_start(DkLibvirtDump *dump, virDomainPtr domain, int fd, GError **error);

/* Whether it is under way; when not, failed says how it ended. */
gboolean dk_libvirt_dump_runs(DkLibvirtDump *dump);

/* Why it failed, fresh. */
char *dk_libvirt_dump_words(const DkLibvirtDump *dump);

/* Frees what dump owns; a dump that is under way goes on. */
void dk_libvirt_dump_clear(DkLibvirtDump *dump);
