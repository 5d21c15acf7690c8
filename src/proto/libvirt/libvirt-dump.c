/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/libvirt/libvirt-dump.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "proto/libvirt/libvirt-error.h"

#define WORDS_MAX 4096u
#define FDS_MAX 1024

/* The child's life; nothing of the parent's connection is touched, which is why it does not end by
 * exit(). */
static void run(const char *uuid, int fd, int words)
{
    /* Descriptors of the parent: an end of a pipe that stays open here would keep others waiting.
     */
    for (int other = 3; other < FDS_MAX; other++) {
        if (other != fd && other != words)
            close(other);
    }
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)getpid(), fd);
    virConnectPtr connection = virConnectOpen(NULL);
    virDomainPtr domain = connection ? virDomainLookupByUUIDString(connection, uuid) : NULL;
    if (domain && virDomainCoreDumpWithFormat(domain, path, VIR_DOMAIN_CORE_DUMP_FORMAT_RAW,
                                              VIR_DUMP_MEMORY_ONLY) == 0)
        _exit(0);
    g_autofree char *why = dk_libvirt_last_words();
    (void)!dk_fd_pwrite_all(words, why, MIN(strlen(why), WORDS_MAX), 0);
    _exit(1);
}

gboolean dk_libvirt_dump_start(DkLibvirtDump *dump, virDomainPtr domain, int fd, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    if (virDomainGetUUIDString(domain, uuid) < 0) {
        dk_libvirt_set_error(error, "dump");
        return FALSE;
    }
    dk_libvirt_dump_clear(dump);
    dump->failed = FALSE;
    dump->words = memfd_create("dumpkit-words", MFD_CLOEXEC);
    dump->pid = dump->words < 0 ? -1 : fork();
    if (dump->pid == 0)
        run(uuid, fd, dump->words);
    if (dump->pid > 0)
        return TRUE;
    dk_error_set_errno(error, errno, "start of the dump");
    dump->pid = 0;
    return FALSE;
}

gboolean dk_libvirt_dump_runs(DkLibvirtDump *dump)
{
    int status;
    if (!dump->pid)
        return FALSE;
    pid_t pid = waitpid(dump->pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return TRUE;
    dump->failed = pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    dump->pid = 0;
    return FALSE;
}

char *dk_libvirt_dump_words(const DkLibvirtDump *dump)
{
    char words[WORDS_MAX + 1] = "";
    gssize got = dump->words < 0 ? 0 : pread(dump->words, words, WORDS_MAX, 0);
    return got > 0 ? g_strdup(words) : g_strdup("libvirt gives no reason");
}

void dk_libvirt_dump_clear(DkLibvirtDump *dump)
{
    dk_fd_close(&dump->words);
}
