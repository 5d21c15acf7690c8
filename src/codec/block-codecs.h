/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The algorithms of codec/block.h, for its table; one without pack is not built in. */
#pragma once

#include "codec/block.h"

extern const DkBlockCodec dk_block_zlib;
extern const DkBlockCodec dk_block_lzo;
extern const DkBlockCodec dk_block_snappy;
extern const DkBlockCodec dk_block_zstd;
