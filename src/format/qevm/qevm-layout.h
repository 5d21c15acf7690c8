/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The header that libvirt puts before QEMU's stream in the file of `virsh save` and
 * `virsh managedsave`.  Source: docs/formats/qevm.md (facts of libvirt's save image).
 */
#pragma once

#include <assert.h>
#include <glib.h>

#define LIBVIRT_MAGIC_WHOLE "LibvirtQemudSave"
#define LIBVIRT_MAGIC_PART "LibvirtQemudPart" /* being written, or writing failed */
#define LIBVIRT_MAGIC_SIZE 16

/* Integers are in the byte order of the host that wrote the file. */
typedef struct {
    char magic[LIBVIRT_MAGIC_SIZE]; /* 0x00 */
    guint32 version;                /* 0x10: 2; 3 is taken as well */
    guint32 data_len;               /* 0x14: bytes behind the header: XML, NUL, cookie, padding */
    guint32 was_running;            /* 0x18 */
    guint32 format;                 /* 0x1c: how the stream is compressed */
    guint32 cookie_off;             /* 0x20: in the data; 0: none */
    guint32 unused[14];             /* 0x24 */
} LibvirtHeader;
static_assert(sizeof(LibvirtHeader) == 92, "");

/* XML and cookie together. */
#define LIBVIRT_DATA_MAX (16u << 20)
