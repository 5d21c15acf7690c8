/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A dumpkit without LZO: dk_block_codec() answers NULL. */
#include "codec/block-codecs.h"

const DkBlockCodec dk_block_lzo = {.name = "lzo"};
