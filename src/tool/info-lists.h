/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts that `dumpkit info` prints, each as fields or a table in text and as an object or array
 * in JSON.
 */
#pragma once

#include "arch/arch.h"
#include "mem/source.h"
#include "report/out.h"
#include "target/target.h"

/* What a list needs: where to print, what of, and how much of it. */
typedef struct {
    DkOut *out;
    DkSource *source;
    const DkSubject *subject; /* of source */
    const DkArch *arch;       /* NULL for a machine that is not known */
    gboolean all;             /* text: print every row; otherwise long lists are cut */
} DkInfoList;

/* Rows of a list of count that are printed in text. */
guint dk_info_rows(const DkInfoList *list, guint count);

/* A title with the count and, in text, the head of a table; and its end, with how to see more. */
void dk_info_begin(const DkInfoList *list, const char *title, guint count, const DkColumn *columns,
                   guint ncolumns);
void dk_info_end(const DkInfoList *list, guint count, const char *option);

/* FIRST-LAST as a cell, and as the members "first" and "last"; none when first > last. */
void dk_info_range_cell(DkOut *out, guint64 first, guint64 last);
void dk_info_json_range(DkOut *out, guint64 first, guint64 last);

/* Of any subject. */
void dk_info_modules(const DkInfoList *list);
void dk_info_notes(const DkInfoList *list);
void dk_info_gaps(const DkInfoList *list);

/* Of a process. */
void dk_info_process(DkOut *out, DkTarget *target);
void dk_info_threads(const DkInfoList *list);
void dk_info_maps(const DkInfoList *list);

/* Of a machine. */
void dk_info_machine(const DkInfoList *list);
void dk_info_cpus(const DkInfoList *list);
void dk_info_ram(const DkInfoList *list);

/* The line on operating system and CPUs, free with g_free(); and the member "system". */
char *dk_info_system_text(const DkSubject *subject);
void dk_info_json_system(DkOut *out, const DkSubject *subject);
