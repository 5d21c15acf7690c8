/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/elfcore/elfcore-machine.h"

#include "format/elfcore/elfcore-layout.h"

static const DkElfcoreMachine machines[] = {
    {DK_MACHINE_X86_64, EM_X86_64, 8, DK_ELF_PRSTATUS_X86_64, sizeof(DkElf64Prstatus), 216, 512,
     16 * 8, 19 * 8},
    {DK_MACHINE_X86, EM_386, 4, DK_ELF_PRSTATUS_X86, sizeof(DkElf32Prstatus), 68, 108, 12 * 4,
     15 * 4},
    {DK_MACHINE_ARM64, EM_AARCH64, 8, DK_ELF_PRSTATUS_ARM64, sizeof(DkElf64Prstatus), 272, 528,
     32 * 8, 31 * 8},
};

const DkElfcoreMachine *dk_elfcore_machine_find(guint16 e_machine, guint word)
{
    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (machines[i].e_machine == e_machine && machines[i].word == word)
            return &machines[i];
    }
    return NULL;
}

const DkElfcoreMachine *dk_elfcore_machine_by_id(DkMachineId id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (machines[i].id == id)
            return &machines[i];
    }
    return NULL;
}

const char *dk_elfcore_machine_label(guint16 e_machine)
{
    switch (e_machine) {
    case EM_386:
        return "x86";
    case EM_X86_64:
        return "x86-64";
    case EM_AARCH64:
        return "arm64";
    case EM_ARM:
        return "arm";
    case EM_PPC:
        return "PowerPC";
    case EM_PPC64:
        return "PowerPC 64";
    case EM_S390:
        return "s390";
    case EM_RISCV:
        return "RISC-V";
    case EM_MIPS:
        return "MIPS";
    case EM_SPARC:
    case EM_SPARC32PLUS:
    case EM_SPARCV9:
        return "SPARC";
    case EM_PARISC:
        return "PA-RISC";
    case EM_68K:
        return "m68k";
    case 258: /* EM_LOONGARCH */
        return "LoongArch";
    default:
        return NULL;
    }
}

const char *dk_elfcore_signal_name(gint signal)
{
    static const char *const names[] = {
        NULL,        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
    };
    return signal > 0 && signal < (gint)G_N_ELEMENTS(names) ? names[signal] : NULL;
}
