/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMware's suspend and snapshot files (.vmss, .vmsn), all little-endian.  There is no description
 * by VMware; the layout is what several readers agree on (volatility's vmware.py, LeechCore, crash:
 * facts, no code), see docs/formats/vmware.md.
 *
 * Header:     0  u32 magic; 4  u32 version; 8  u32 number of groups; 12  groups
 * Group:      0  char[64] name; 64  u64 offset of its tags; 72  u64 bytes
 * Tag:        0  u16: bits 0-5 size of the value, 6-7 number of indices, 8-15 length of the name
 *             2  name, without NUL; then a u32 for each index; then the value
 *             A tag with no name ends the group.
 * Block:      a value of size 62 (compressed) or 63: u64 bytes in the file, u64 bytes in memory,
 *             u16 bytes of padding, padding, bytes
 */
#pragma once

#define DK_VMWARE_HEADER_SIZE 12u
#define DK_VMWARE_GROUP_SIZE 80u
#define DK_VMWARE_NAME_SIZE 64u
#define DK_VMWARE_GROUPS_MAX 1024u
#define DK_VMWARE_TAGS_MAX (1u << 20) /* of one file */
#define DK_VMWARE_REGIONS_MAX 1024u
#define DK_VMWARE_CPUS_MAX 4096u
#define DK_VMWARE_COMPRESSED 62u
#define DK_VMWARE_BLOCK 63u
/* A tag up to its value or the content of its block, at most. */
#define DK_VMWARE_TAG_MAX (2u + 255u + 3u * 4u + 18u + 64u)
#define DK_VMWARE_PAGE_SHIFT 12u
/* Pages that addresses of 52 bits have. */
#define DK_VMWARE_PAGES_MAX ((guint64)1 << 40)
