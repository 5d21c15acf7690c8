/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values and type names as `dt` of kd prints them. */
#pragma once

#include "target/target.h"

/*
 * What dt shows behind the name of a member: without va the type ("Int4B", "Ptr64 _NODE", "Pos 0, 3
 * Bits"), with it the value that is in the whole member's place at *va ("0n5", "0x12", "[4] 0n1",
 * "(null)", "2 ( Ready )", "0y101", "???" for what is not in the dump).  Free with g_free().
 */
char *dk_value_text(DkTarget *target, const DkMember *member, const guint64 *va);
