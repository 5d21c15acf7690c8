/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole file: opened, verified and its memory read. */
#include "image-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return image_fuzz("vmware", "fuzz", data, size);
}
