/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The test's own process as a subject and a space, read from /proc/self. */
#pragma once

#include "mem/space.h"
#include "mem/subject.h"
#include "unwind/unwind.h"

/* Memory of this process; reads of what is not mapped come out short. */
DkSpace *self_space_new(void);

/* Machine, mappings, and every ELF file that is mapped as a module, identified in memory. */
DkSubject *self_subject_new(DkSpace *space);

/* The module whose path ends in name. */
DkModule *self_module(DkSubject *subject, const char *name);

/* A host over subject that opens symbols as they are needed. */
typedef struct {
    DkUnwindHost host;
    DkSubject *subject;
    const DkSymOptions *options;
    GHashTable *symbols; /* DkModule * -> DkSymFile * */
    gboolean no_cfi;     /* pretend that there are no rules */
} SelfHost;

void self_host_init(SelfHost *host, DkSubject *subject, DkSpace *space);
void self_host_clear(SelfHost *host);

/* The symbols of the module at va, with *rva set; NULL when there are none. */
DkSymFile *self_symbols(SelfHost *host, guint64 va, guint64 *rva);

/* The name of the function of a frame, or "?". */
const char *self_frame_name(SelfHost *host, const DkFrame *frame);
