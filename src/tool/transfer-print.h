/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What convert, and capture of a machine, say when they are done. */
#pragma once

#include "capture/transfer.h"
#include "report/out.h"
#include "tool/verb.h"

/* outputs: GArray of DkCaptureOutput.  from is the file or target as the user named it. */
void dk_transfer_print(const DkTool *tool, DkOut *out, const char *from, const DkSource *source,
                       const GArray *outputs, const DkTransferResult *result);

/* The array "outputs", and in text a line for each file. */
void dk_outputs_print(DkOut *out, const GArray *outputs);

/* What is missing of a capture, in text; what is left out by intent only with -v; and "gaps". */
void dk_result_gaps_print(const DkTool *tool, DkOut *out, const GPtrArray *gaps);
