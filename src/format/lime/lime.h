/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LiME files: the RAM of a machine as one record after the other, uncompressed.  The reader and the
 * writer; docs/formats/lime.md describes the format.
 */
#pragma once

#include "mem/format.h"

/* The slots of DkFormat. */
DkSource *dk_lime_open(DkInput *input, GError **error);
gboolean dk_lime_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
DkSink *dk_lime_sink_new(DkOutput *output, const DkSinkOptions *options);
