/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Raw images: physical memory as it is, each byte at the offset that is its address.  There is no
 * magic, so that a file is one because of its name or because the user says so.
 * docs/formats/raw.md.
 */
#pragma once

#include "mem/format.h"

/* The slots of DkFormat.  open() takes only a file that is named as one, open_forced() any. */
DkSource *dk_raw_open(DkInput *input, GError **error);
DkSource *dk_raw_open_forced(DkInput *input, GError **error);
gboolean dk_raw_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
DkSink *dk_raw_sink_new(DkOutput *output, const DkSinkOptions *options);
