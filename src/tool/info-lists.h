/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists that `dumpkit info` prints, each as a table in text and as an array in JSON. */
#pragma once

#include "report/out.h"
#include "target/target.h"

/* What a list needs: where to print, what of, and how much of it. */
typedef struct {
    DkOut *out;
    DkTarget *target;
    const DkSubject *subject; /* of target */
    gboolean all;             /* text: print every row; otherwise long lists are cut */
} DkInfoList;

void dk_info_threads(const DkInfoList *list);
void dk_info_modules(const DkInfoList *list);
void dk_info_maps(const DkInfoList *list);
void dk_info_notes(const DkInfoList *list);
void dk_info_gaps(const DkInfoList *list);
