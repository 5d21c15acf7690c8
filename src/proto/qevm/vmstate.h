/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The description of device state that ends a QEMU migration stream: JSON which lists, for each
 * device, its fields in the order of the bytes, with type and size; nested structs, arrays and
 * subsections.  A walk over the bytes of a device by its description gives named values.
 */
#pragma once

#include <glib.h>

#define DK_VMSTATE_DEPTH_MAX 32
#define DK_VMSTATE_PATH_MAX 512
/* Elements of one array. */
#define DK_VMSTATE_ARRAY_MAX (1u << 24)

typedef struct DkVmstate DkVmstate;

/* Takes len bytes of JSON.  DK_ERROR_DAMAGED when it is none or not of this kind. */
DkVmstate *dk_vmstate_new(const char *json, gsize len, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_vmstate_free(DkVmstate *vmstate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkVmstate, dk_vmstate_free)

/* Bytes of a page as the description says; 0 when it does not. */
guint dk_vmstate_page_size(const DkVmstate *vmstate);

/* How many devices are described, in the order of the stream. */
guint dk_vmstate_devices(const DkVmstate *vmstate);

/* Name (lent) and instance of a device; index is below dk_vmstate_devices(). */
const char *dk_vmstate_device_name(const DkVmstate *vmstate, guint index, guint32 *instance);

/* A value without parts. */
typedef struct {
    /*
     * Field names joined with ".", array elements as [N] behind the name, a subsection's name with
     * ":" behind it, such as "env.segs[1].base", "cpu/msr_smi_count:env.msr_smi_count".  An element
     * of an array of plain values is not a value of its own: see count.
     */
    const char *path;
    const char *type; /* "uint64", "buffer", ...; as the description says */
    const guint8 *data;
    gsize size;  /* bytes of one element */
    gsize count; /* elements; 1 for no array */
} DkVmstateValue;

/* One element of a value as a big-endian integer of size 1, 2, 4 or 8; FALSE for other sizes. */
gboolean dk_vmstate_integer(const DkVmstateValue *value, gsize element, guint64 *integer);

/*
 * Walks over device `index` in the len bytes at data and calls each (which may be NULL) for every
 * value; *used gets how many bytes the device has.  DK_ERROR_DAMAGED when bytes and description do
 * not agree, or when the walks over one description look at more than 2^24 values in all.
 */
gboolean dk_vmstate_walk(DkVmstate *vmstate, guint index, const guint8 *data, gsize len,
                         void (*each)(const DkVmstateValue *value, gpointer user), gpointer user,
                         gsize *used, GError **error) G_GNUC_WARN_UNUSED_RESULT;
