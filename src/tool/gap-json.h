/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gap as every verb prints it in JSON: an object with "what", "failure", "first" and "last" or
 * null, "size", "tid" where a thread is meant, and "why".
 */
#pragma once

#include "mem/subject.h"
#include "report/out.h"

/* Adds gap to the array that is open in out. */
void dk_gap_json(DkOut *out, const DkGap *gap);

/* Adds the array "gaps" of them all (GPtrArray of DkGap). */
void dk_gaps_json(DkOut *out, const GPtrArray *gaps);
