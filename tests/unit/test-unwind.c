/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unwinds the test's own stacks and compares with the C library's unwinder. */
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "self-process.h"

#if defined(__x86_64__)

/* A function that keeps its name and its frame. */
#ifdef __clang__
#define ALONE __attribute__((noinline))
#else
#define ALONE __attribute__((noipa))
#endif

/* By DWARF number. */
static DkRegs regs_of(const ucontext_t *context)
{
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    DkRegs regs = {.valid = 0};
    for (guint i = 0; i < G_N_ELEMENTS(order); i++)
        dk_regs_set(&regs, i, (guint64)context->uc_mcontext.gregs[order[i]]);
    return regs;
}

/* A stack as we see it and as backtrace() sees it from the same function. */
typedef struct {
    ucontext_t context;
    void *wanted[64];
    int nwanted;
    GArray *frames;
    char *why;
    SelfHost *host;
    gboolean no_fp; /* take the frame pointer away */
} Stack;

static Stack stack;
static volatile int depth_sink;
static volatile int *nowhere;

static void stack_clear(void)
{
    g_clear_pointer(&stack.frames, g_array_unref);
    g_clear_pointer(&stack.why, g_free);
}

static const DkFrame *frame_at(guint index)
{
    g_assert_cmpuint(index, <, stack.frames->len);
    return &g_array_index(stack.frames, DkFrame, index);
}

/* The stack must still stand while it is read, so all is done at its tip. */
ALONE static void capture(guint max)
{
    getcontext(&stack.context);
    stack.nwanted = backtrace(stack.wanted, G_N_ELEMENTS(stack.wanted));
    /* A sanitizer stands between with a frame of its own. */
    while ((guintptr)stack.wanted[0] - (guintptr)capture > 4096)
        memmove(stack.wanted, stack.wanted + 1, sizeof stack.wanted[0] * (gsize)--stack.nwanted);
    DkRegs regs = regs_of(&stack.context);
    if (stack.no_fp)
        regs.valid &= ~((guint64)1 << stack.host->host.arch->fp);
    stack.frames = dk_unwind(&stack.host->host, &regs, max, &stack.why);
    depth_sink++;
}

/* A frame whose size is only known when it runs, so that its rules stand on rbp. */
ALONE static void with_alloca(guint size)
{
    volatile char *room = __builtin_alloca(size);
    room[0] = room[size - 1] = 1;
    capture(64);
    depth_sink += room[0];
}

ALONE static void recurse(int depth)
{
    if (depth)
        recurse(depth - 1);
    else
        with_alloca(1000);
    depth_sink += depth;
}

/* From the caller of capture() on, both must have the same return addresses. */
static void check_same(void)
{
    g_assert_cmpuint(stack.frames->len, ==, (guint)stack.nwanted);
    for (guint i = 1; i < stack.frames->len; i++)
        g_assert_cmphex(frame_at(i)->pc_va, ==, (guint64)(guintptr)stack.wanted[i]);
}

static void check_frames(void)
{
    g_assert_cmpstr(stack.why, ==, NULL);
    for (guint i = 0; i < stack.frames->len; i++) {
        const DkFrame *frame = frame_at(i);
        g_assert_true(frame->trust == (i ? DK_FRAME_CFI : DK_FRAME_CONTEXT));
        gboolean last = i + 1 == stack.frames->len;
        g_assert_cmphex(frame->return_va, ==, last ? 0 : frame_at(i + 1)->pc_va);
        if (!last)
            g_assert_cmphex(frame->cfa_va, !=, 0);
        g_assert_cmphex(frame->pc_va, ==, frame->regs.value[16]);
        g_assert_cmphex(frame->sp_va, ==, frame->regs.value[7]);
    }
}

static void test_own(void)
{
    recurse(5);
    check_same();
    check_frames();
    static const char *const names[] = {"capture", "with_alloca", "recurse", "recurse", "recurse",
                                        "recurse", "recurse",     "recurse", "test_own"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpstr(self_frame_name(stack.host, frame_at(i)), ==, names[i]);
    g_assert_cmpstr(self_frame_name(stack.host, frame_at(stack.frames->len - 1)), ==, "_start");
    stack_clear();
}

/* At most as many frames as were asked for, and it says so. */
static void test_limit(void)
{
    capture(3);
    g_assert_cmpuint(stack.frames->len, ==, 3);
    g_assert_cmpstr(stack.why, ==, "limit of 3 frames");
    g_assert_cmphex(frame_at(2)->return_va, !=, 0);
    stack_clear();
}

static gpointer thread_body(gpointer data)
{
    recurse(2);
    check_same();
    check_frames();
    stack_clear();
    return data;
}

static void test_thread(void)
{
    pthread_t thread;
    g_assert_cmpint(pthread_create(&thread, NULL, thread_body, NULL), ==, 0);
    pthread_join(thread, NULL);
}

static void handler(int number, siginfo_t *info, void *context)
{
    capture(64);
    ucontext_t *interrupted = context;
    guint at = 0;
    while (!frame_at(at)->signal_frame)
        at++;
    g_assert_cmpuint(at, ==, 2);
    g_assert_cmpstr(self_frame_name(stack.host, frame_at(1)), ==, "handler");
    g_assert_false(frame_at(at)->exact_pc);
    /* Behind it all registers are those that the signal interrupted. */
    const DkFrame *frame = frame_at(at + 1);
    g_assert_true(frame->exact_pc);
    DkRegs wanted = regs_of(interrupted);
    for (guint i = 0; i <= 16; i++) {
        g_assert_true(dk_regs_has(&frame->regs, i));
        g_assert_cmphex(frame->regs.value[i], ==, wanted.value[i]);
    }
    if (number == SIGSEGV) /* go on behind the two bytes of the store */
        interrupted->uc_mcontext.gregs[REG_RIP] += 2;
}

/* movl %eax,(%rdi): two bytes */
ALONE static void fault(void)
{
    __asm__ volatile("movl %%eax,(%%rdi)" : : "D"(nowhere), "a"(5) : "memory");
    depth_sink++;
}

ALONE static void interrupted_by(int number)
{
    if (number == SIGSEGV)
        fault();
    else
        raise(number);
    depth_sink++;
}

static void check_signal(int number, int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    struct sigaction old;
    sigaction(number, &action, &old);
    interrupted_by(number);
    sigaction(number, &old, NULL);
    check_same();
    check_frames();
    gboolean seen = FALSE;
    for (guint i = 0; i < stack.frames->len; i++)
        seen |= g_str_equal(self_frame_name(stack.host, frame_at(i)), "interrupted_by");
    g_assert_true(seen);
    if (number == SIGSEGV)
        g_assert_cmpstr(self_frame_name(stack.host, frame_at(3)), ==, "fault");
    g_assert_cmpstr(self_frame_name(stack.host, frame_at(stack.frames->len - 1)), ==, "_start");
    stack_clear();
}

static void test_signal(void)
{
    check_signal(SIGUSR1, 0);
    check_signal(SIGSEGV, 0);
}

/* The handler's stack lies anywhere: below the interrupted one, or above. */
static void test_signal_stack(void)
{
    gsize size = 256 * 1024;
    g_autofree char *room = g_malloc(size);
    stack_t alternate = {.ss_sp = room, .ss_size = size};
    stack_t old;
    g_assert_cmpint(sigaltstack(&alternate, &old), ==, 0);
    check_signal(SIGUSR1, SA_ONSTACK);
    g_assert_cmpint(sigaltstack(&old, NULL), ==, 0);

    pthread_t thread;
    g_assert_cmpint(pthread_create(&thread, NULL, thread_body, NULL), ==, 0);
    pthread_join(thread, NULL);
}

/* The same without rules for the trampoline, as with C libraries that have none. */
static const DkCfiRow *cfi_without_signals(DkUnwindHost *base, guint64 pc_va, guint64 *base_va)
{
    DkUnwindHost *real = &stack.host->host;
    const DkCfiRow *row = real->cfi(real, pc_va, base_va);
    return row && !row->signal_frame ? row : NULL;
}

static gboolean code_of_real(DkUnwindHost *base, guint64 pc_va)
{
    return stack.host->host.is_code(&stack.host->host, pc_va);
}

static void handler_without_rules(int number, siginfo_t *info, void *context)
{
    DkUnwindHost host = stack.host->host;
    host.cfi = cfi_without_signals;
    host.is_code = code_of_real;
    getcontext(&stack.context);
    DkRegs regs = regs_of(&stack.context);
    g_autofree char *why = NULL;
    g_autoptr(GArray) frames = dk_unwind(&host, &regs, 64, &why);
    g_assert_cmpstr(why, ==, NULL);
    g_assert_cmpuint(frames->len, >, 4);
    const DkFrame *trampoline = &g_array_index(frames, DkFrame, 1);
    const DkFrame *interrupted = &g_array_index(frames, DkFrame, 2);
    g_assert_true(trampoline->signal_frame);
    g_assert_true(interrupted->exact_pc);
    DkRegs wanted = regs_of(context);
    for (guint i = 0; i <= 16; i++)
        g_assert_cmphex(interrupted->regs.value[i], ==, wanted.value[i]);
    depth_sink = 77;
}

static void test_signal_pattern(void)
{
    struct sigaction action = {.sa_sigaction = handler_without_rules, .sa_flags = SA_SIGINFO};
    struct sigaction old;
    sigaction(SIGUSR1, &action, &old);
    depth_sink = 0;
    raise(SIGUSR1);
    g_assert_cmpint(depth_sink, ==, 77);
    sigaction(SIGUSR1, &old, NULL);
}

static void wild_handler(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    DkRegs regs = regs_of(interrupted);
    g_assert_cmphex(regs.value[16], ==, 0);
    stack.frames = dk_unwind(&stack.host->host, &regs, 64, &stack.why);
    /* Return from the call that went nowhere. */
    guint64 *sp = (guint64 *)interrupted->uc_mcontext.gregs[REG_RSP];
    interrupted->uc_mcontext.gregs[REG_RIP] = (greg_t)*sp;
    interrupted->uc_mcontext.gregs[REG_RSP] += 8;
}

ALONE static void call_nowhere(void)
{
    void (*volatile function)(void) = NULL;
    function();
    depth_sink++;
}

static void test_wild_jump(void)
{
    struct sigaction action = {.sa_sigaction = wild_handler, .sa_flags = SA_SIGINFO};
    struct sigaction old;
    sigaction(SIGSEGV, &action, &old);
    call_nowhere();
    sigaction(SIGSEGV, &old, NULL);
    g_assert_cmpstr(stack.why, ==, NULL);
    g_assert_cmphex(frame_at(0)->pc_va, ==, 0);
    g_assert_true(frame_at(1)->trust == DK_FRAME_SCAN);
    g_assert_true(frame_at(2)->trust == DK_FRAME_CFI);
    g_assert_cmpstr(self_frame_name(stack.host, frame_at(1)), ==, "call_nowhere");
    g_assert_cmpstr(self_frame_name(stack.host, frame_at(2)), ==, "test_wild_jump");
    stack_clear();
}

/* With frame pointers (the test is built with them) and no rules at all. */
static void test_frame_pointer(void)
{
    stack.host->no_cfi = TRUE;
    recurse(3);
    stack.host->no_cfi = FALSE;
    static const char *const names[] = {"capture", "with_alloca", "recurse",           "recurse",
                                        "recurse", "recurse",     "test_frame_pointer"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpstr(self_frame_name(stack.host, frame_at(i)), ==, names[i]);
        g_assert_true(frame_at(i)->trust == (i ? DK_FRAME_FRAME_POINTER : DK_FRAME_CONTEXT));
        if (i)
            g_assert_cmphex(frame_at(i)->pc_va, ==, (guint64)(guintptr)stack.wanted[i]);
    }
    stack_clear();
}

/* Without rules and without a frame pointer all return addresses are still found, in order. */
static void test_scan(void)
{
    stack.host->no_cfi = TRUE;
    stack.no_fp = TRUE;
    recurse(3);
    stack.host->no_cfi = FALSE;
    stack.no_fp = FALSE;
    g_assert_true(frame_at(1)->trust == DK_FRAME_SCAN);
    guint at = 1;
    for (gint i = 1; i < 8; i++) {
        while (at < stack.frames->len && frame_at(at)->pc_va != (guint64)(guintptr)stack.wanted[i])
            at++;
        g_assert_cmpuint(at, <, stack.frames->len);
    }
    stack_clear();
}

/* A stack that is not there: the first frame stays, and the reason names the address. */
static void test_missing(void)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(page != MAP_FAILED);
    getcontext(&stack.context);
    DkRegs regs = regs_of(&stack.context);
    dk_regs_set(&regs, 7, (guint64)(guintptr)page + 64);
    dk_regs_set(&regs, 6, (guint64)(guintptr)page + 128);
    stack.frames = dk_unwind(&stack.host->host, &regs, 64, &stack.why);
    g_assert_cmpuint(stack.frames->len, ==, 1);
    g_assert_nonnull(stack.why);
    g_assert_true(g_str_has_suffix(stack.why, "is not in the dump"));
    g_autofree char *page_text = g_strdup_printf("memory at 0x%" G_GINT64_MODIFIER "x",
                                                 (guint64)(guintptr)page >> 12);
    g_assert_true(g_str_has_prefix(stack.why, page_text));
    stack_clear();
    munmap(page, 4096);
}

/* A frame pointer that leads back to itself must not loop. */
static void test_circle(void)
{
    guint64 *circle = g_new0(guint64, 64);
    getcontext(&stack.context);
    DkRegs regs = regs_of(&stack.context);
    guint64 code = (guint64)(guintptr)stack.wanted[2];
    circle[8] = (guint64)(guintptr)&circle[8];
    circle[9] = code;
    dk_regs_set(&regs, 7, (guint64)(guintptr)circle);
    dk_regs_set(&regs, 6, (guint64)(guintptr)&circle[8]);
    stack.host->no_cfi = TRUE;
    stack.frames = dk_unwind(&stack.host->host, &regs, 1000, &stack.why);
    stack.host->no_cfi = FALSE;
    g_assert_cmpuint(stack.frames->len, <, 100);
    stack_clear();
    g_free(circle);
}

static void test_no_pc(void)
{
    DkRegs regs = {.valid = 0};
    g_autofree char *why = NULL;
    g_autoptr(GArray) frames = dk_unwind(&stack.host->host, &regs, 64, &why);
    g_assert_cmpuint(frames->len, ==, 0);
    g_assert_cmpstr(why, ==, "the program counter is not known");
    dk_regs_set(&regs, 16, 0x1000);
    g_autofree char *why_sp = NULL;
    g_autoptr(GArray) one = dk_unwind(&stack.host->host, &regs, 64, &why_sp);
    g_assert_cmpuint(one->len, ==, 1);
    g_assert_cmpstr(why_sp, ==, "the stack pointer is not known");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* Loads libgcc, so that it is among the modules. */
    void *first[1];
    backtrace(first, 1);
    g_autoptr(DkSpace) space = self_space_new();
    g_autoptr(DkSubject) subject = self_subject_new(space);
    SelfHost host;
    self_host_init(&host, subject, space);
    stack.host = &host;
    g_test_add_func("/unwind/own", test_own);
    g_test_add_func("/unwind/limit", test_limit);
    g_test_add_func("/unwind/thread", test_thread);
    g_test_add_func("/unwind/signal", test_signal);
    g_test_add_func("/unwind/signal-stack", test_signal_stack);
    g_test_add_func("/unwind/signal-pattern", test_signal_pattern);
    g_test_add_func("/unwind/wild-jump", test_wild_jump);
    g_test_add_func("/unwind/frame-pointer", test_frame_pointer);
    g_test_add_func("/unwind/scan", test_scan);
    g_test_add_func("/unwind/missing", test_missing);
    g_test_add_func("/unwind/circle", test_circle);
    g_test_add_func("/unwind/no-pc", test_no_pc);
    int status = g_test_run();
    self_host_clear(&host);
    return status;
}

#else

int main(int argc, char **argv)
{
    printf("ok 1 - unwind # SKIP runs on x86-64\n1..1\n");
    return 0;
}

#endif
