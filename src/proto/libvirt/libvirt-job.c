/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/libvirt/libvirt-job.h"

/* The name of virDomainJobOperation. */
static const char *operation_name(int operation)
{
    static const char *const names[] = {
        [VIR_DOMAIN_JOB_OPERATION_UNKNOWN] = "job",
        [VIR_DOMAIN_JOB_OPERATION_START] = "start",
        [VIR_DOMAIN_JOB_OPERATION_SAVE] = "save",
        [VIR_DOMAIN_JOB_OPERATION_RESTORE] = "restore",
        [VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN] = "incoming migration",
        [VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT] = "outgoing migration",
        [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT] = "snapshot",
        [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT] = "snapshot revert",
        [VIR_DOMAIN_JOB_OPERATION_DUMP] = "dump",
        [VIR_DOMAIN_JOB_OPERATION_BACKUP] = "backup",
    };
    if (operation < 0 || (guint)operation >= G_N_ELEMENTS(names) || !names[operation])
        return "job";
    return names[operation];
}

char *dk_libvirt_job(virDomainPtr domain)
{
    virDomainJobInfo info;
    virTypedParameterPtr params = NULL;
    int kind = VIR_DOMAIN_JOB_NONE;
    int count = 0;
    int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    if (virDomainGetJobInfo(domain, &info) < 0 || info.type == VIR_DOMAIN_JOB_NONE)
        return NULL;
    if (virDomainGetJobStats(domain, &kind, &params, &count, 0) == 0)
        (void)virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(params, count);
    return g_strdup(operation_name(operation));
}
