/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CRC-32C (Castagnoli), as RFC 3720, appendix B.4, has it: polynomial 0x1edc6f41, reflected. */
#pragma once

#include <glib.h>

guint32 dk_crc32c(const void *data, gsize len);
