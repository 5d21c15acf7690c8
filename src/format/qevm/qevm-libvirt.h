/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's header before a migration stream, and what its XML says of the domain. */
#pragma once

#include <glib.h>

typedef struct DkInput DkInput;

typedef struct {
    gboolean whole; /* "LibvirtQemudSave"; a file that is not whole has another magic */
    gboolean was_running;
    guint64 stream_off; /* of what follows the header and its data */
    char *domain;       /* name; NULL when the XML has none */
    guint64 memory;     /* bytes; 0 when the XML has none */
    guint vcpus;        /* 0 when the XML has none */
} DkQevmLibvirt;

void dk_qevm_libvirt_free(DkQevmLibvirt *libvirt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQevmLibvirt, dk_qevm_libvirt_free)

/*
 * Reads the header of input.  DK_ERROR_NOT_MINE when its magic is not there; DAMAGED, LIMIT; and
 * UNSUPPORTED for a stream that libvirt compressed: the message says how to unpack it.
 */
DkQevmLibvirt *dk_qevm_libvirt_read(DkInput *input, GError **error) G_GNUC_WARN_UNUSED_RESULT;
