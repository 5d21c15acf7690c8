/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said here was tried (drgn 0.0.22, makedumpfile 1.7.2), or stands in the program's own
 * documentation (crash's and gdb's manual, Volatility 3's list of layers, Microsoft Learn).
 */
#include "capture/openers.h"

#include <string.h>

static void add(GPtrArray *openers, const char *tool, gboolean opens, const char *text)
{
    DkOpener *opener = g_new0(DkOpener, 1);
    opener->tool = tool;
    opener->opens = opens;
    opener->text = g_strdup(text);
    g_ptr_array_add(openers, opener);
}

static void opener_free(gpointer data)
{
    DkOpener *opener = data;
    g_free(opener->text);
    g_free(opener);
}

static gboolean is_linux(const DkSubject *subject, const DkMachineLook *look)
{
    return subject->os == DK_OS_LINUX || (look && (look->vmcoreinfo || look->banner));
}

static gboolean is_nt(const DkSubject *subject, const DkMachineLook *look)
{
    return subject->os == DK_OS_WINDOWS || (look && look->nt_valid);
}

/* ELF and kdump, which the kernel's own tools read. */
static void add_linux(GPtrArray *openers, const DkSubject *subject, const DkMachineLook *look,
                      gboolean is_elf)
{
    gboolean has_info = subject->system.vmcoreinfo != NULL;
    gboolean by_qemu = is_elf && subject->origin.writer &&
                       g_str_has_prefix(subject->origin.writer, "QEMU");
    add(openers, "crash", TRUE, "with the vmlinux that has debug information of this very kernel");
    add(openers, "drgn", has_info,
        has_info ? "with debug information of this very kernel"
                 : "it needs the VMCOREINFO note, which dumpkit convert writes");
    if (!has_info)
        add(openers, "makedumpfile", FALSE,
            "it needs the VMCOREINFO note, which dumpkit convert writes");
    else if (by_qemu)
        add(openers, "makedumpfile", FALSE,
            "it refuses the ELF header that QEMU 7.2 writes; dumpkit convert writes a usual one");
    else
        add(openers, "makedumpfile", TRUE,
            is_elf ? "to filter and compress"
                   : "to filter; pages packed with snappy or zstd want a build with these, which "
                     "Debian's is not");
}

static void add_volatility(GPtrArray *openers, const DkSubject *subject, const DkMachineLook *look)
{
    if (is_nt(subject, look))
        add(openers, "Volatility 3", TRUE, "with symbols that it fetches by the kernel's PDB");
    else
        add(openers, "Volatility 3", TRUE, "with an ISF symbol file of this very kernel");
}

static void add_windows_dump(GPtrArray *openers, const DkSubject *subject)
{
    guint32 type = subject->system.windows.dump_type;
    add(openers, "WinDbg", TRUE, type == 4 ? "a small memory dump" : "with Microsoft's symbols");
    if (type == 1 || type == 5)
        add(openers, "Volatility 3", TRUE, "with symbols that it fetches by the kernel's PDB");
    else if (type == 4 || type == 6)
        add(openers, "Volatility 3", FALSE, "it takes full dumps only");
}

GPtrArray *dk_openers(const DkSubject *subject, const char *format, const DkMachineLook *look)
{
    GPtrArray *openers = g_ptr_array_new_with_free_func(opener_free);
    gboolean is_elf = g_strcmp0(format, "elf") == 0;
    gboolean is_kdump = g_strcmp0(format, "kdump") == 0;
    if (look && look->is_ciphertext)
        return openers;
    if (subject->system.windows.valid) {
        add_windows_dump(openers, subject);
        return openers;
    }
    if ((is_elf || is_kdump) && is_linux(subject, look))
        add_linux(openers, subject, look, is_elf);
    /* Volatility reads neither kdump files nor those of hypervisors other than VMware and QEMU. */
    static const char *const layers[] = {"elf", "lime", "avml", "raw", "vmware", "qevm", NULL};
    if (g_strv_contains(layers, format ? format : "") &&
        (is_linux(subject, look) || is_nt(subject, look)))
        add_volatility(openers, subject, look);
    if (is_nt(subject, look))
        add(openers, "WinDbg", FALSE, "it reads Windows' own dump files only");
    else if (is_linux(subject, look) && !is_elf && !is_kdump)
        add(openers, "drgn", FALSE, "it reads ELF and kdump files, which dumpkit convert writes");
    return openers;
}
