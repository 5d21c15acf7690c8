/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs of libvirt: a dump, migration, save, snapshot or backup that it runs by itself. */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/*
 * The job that is under way, fresh, such as "dump"; NULL when there is none, or libvirt cannot
 * tell.
 */
char *dk_libvirt_job(virDomainPtr domain);
