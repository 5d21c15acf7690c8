/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that watches itself: each thread keeps known values in all its registers, over loops
 * and over system calls that must neither fail nor return early, and aborts on any difference.
 * usage: guard FILE: a counter for each thread, of 8 bytes, grows in FILE while all is well.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "told-layout.h"

#define THREADS 4
/* Rounds towards zero, all exceptions masked: not what a thread begins with. */
#define MXCSR 0x7f80U
#define FCW 0x0f7fU

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, REGS };

typedef struct {
    uint64_t before[REGS]; /* 0 */
    uint64_t call;         /* 120: a system call, else a loop */
    uint64_t after[REGS];  /* 128 */
    uint64_t avx;          /* 248 */
    uint64_t loops;        /* 256 */
    uint64_t pad[3];
    uint8_t vector[16][32] __attribute__((aligned(32)));       /* 288 */
    uint8_t vector_after[16][32] __attribute__((aligned(32))); /* 800 */
} Round;
_Static_assert(offsetof(Round, after) == 128 && offsetof(Round, vector) == 288 &&
                   offsetof(Round, vector_after) == 800,
               "see guard_round()");

/* Loads all registers, makes a system call or loops, and stores them. */
void guard_round(Round *round);

__asm__(".text\n"
        ".globl guard_round\n"
        ".type guard_round, @function\n"
        "guard_round:\n"
        "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    push %rdi\n"
        "    cmpq $0, 248(%rdi)\n"
        "    je 1f\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    vmovdqu 288 + 32 * \\i(%rdi), %ymm\\i\n"
        "    .endr\n"
        "    jmp 2f\n"
        "1:\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movdqu 288 + 32 * \\i(%rdi), %xmm\\i\n"
        "    .endr\n"
        "2:\n"
        "    mov 0(%rdi), %rax\n    mov 8(%rdi), %rbx\n    mov 16(%rdi), %rcx\n"
        "    mov 24(%rdi), %rdx\n    mov 32(%rdi), %rsi\n    mov 48(%rdi), %rbp\n"
        "    mov 56(%rdi), %r8\n    mov 64(%rdi), %r9\n    mov 72(%rdi), %r10\n"
        "    mov 80(%rdi), %r11\n    mov 88(%rdi), %r12\n    mov 96(%rdi), %r13\n"
        "    mov 104(%rdi), %r14\n    mov 112(%rdi), %r15\n"
        "    cmpq $0, 120(%rdi)\n"
        "    mov 40(%rdi), %rdi\n"
        "    je 3f\n"
        "    syscall\n"
        "    jmp 4f\n"
        "3:\n"
        "    decq 256(%rdi)\n"
        "    jnz 3b\n"
        "4:\n"
        "    push %r15\n    push %r14\n    push %r13\n    push %r12\n    push %r11\n    push %r10\n"
        "    push %r9\n    push %r8\n    push %rbp\n    push %rdi\n    push %rsi\n    push %rdx\n"
        "    push %rcx\n    push %rbx\n    push %rax\n"
        "    mov 120(%rsp), %rdi\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n"
        "    popq 128 + 8 * \\i(%rdi)\n"
        "    .endr\n"
        "    cmpq $0, 248(%rdi)\n"
        "    je 5f\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    vmovdqu %ymm\\i, 800 + 32 * \\i(%rdi)\n"
        "    .endr\n"
        "    vzeroupper\n"
        "    jmp 6f\n"
        "5:\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movdqu %xmm\\i, 800 + 32 * \\i(%rdi)\n"
        "    .endr\n"
        "6:\n"
        "    pop %rdi\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n"
        "    ret\n"
        ".size guard_round, . - guard_round\n");

static volatile uint64_t *beats;
static int feed[2];
static uint32_t futex_word;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void check(const Round *round, uint64_t result)
{
    uint32_t mxcsr = 0;
    uint16_t fcw = 0;
    for (unsigned i = 0; i < REGS; i++) {
        uint64_t due = round->before[i];
        if (round->call && i == RAX)
            due = result;
        else if (round->call && (i == RCX || i == R11))
            continue;
        if (round->after[i] != due)
            DIE("register %u is %#llx, not %#llx (call %llu)", i,
                (unsigned long long)round->after[i], (unsigned long long)due,
                (unsigned long long)round->before[RAX]);
    }
    for (unsigned i = 0; i < 16; i++)
        if (memcmp(round->vector[i], round->vector_after[i], round->avx ? 32 : 16))
            DIE("vector register %u has changed", i);
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(fcw));
    if ((mxcsr & 0xffc0U) != MXCSR || fcw != FCW)
        DIE("mxcsr is %#x, the x87 control word %#x", mxcsr, fcw);
}

static void loop(Round *round, uint64_t loops)
{
    round->call = 0;
    round->loops = loops;
    round->before[RDI] = (uint64_t)(uintptr_t)round;
    guard_round(round);
    check(round, 0);
}

/* A system call that takes at least ns and returns result. */
static void call(Round *round, uint64_t number, const uint64_t args[6], uint64_t result,
                 uint64_t ns)
{
    static const unsigned order[] = {RDI, RSI, RDX, R10, R8, R9};
    uint64_t start = now_ns();
    round->call = 1;
    round->before[RAX] = number;
    for (unsigned i = 0; i < 6; i++)
        round->before[order[i]] = args[i];
    guard_round(round);
    check(round, result);
    if (now_ns() - start < ns)
        DIE("system call %llu returned early", (unsigned long long)number);
}

static uint64_t at(const volatile void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static void sleep_all_ways(Round *round, long us)
{
    const uint64_t ns = (uint64_t)us * 1000;
    const struct timespec nap = {.tv_nsec = us * 1000};
    call(round, SYS_nanosleep, (const uint64_t[6]){at(&nap)}, 0, ns);
    call(round, SYS_poll, (const uint64_t[6]){0, 0, 1}, 0, 1000000);
    call(round, SYS_futex, (const uint64_t[6]){at(&futex_word), FUTEX_WAIT, 0, at(&nap)},
         (uint64_t)-ETIMEDOUT, ns);
    call(round, SYS_clock_nanosleep, (const uint64_t[6]){CLOCK_MONOTONIC, 0, at(&nap)}, 0, ns);
}

static void fill_round(Round *round, unsigned number)
{
    memset(round, 0, sizeof *round);
    for (unsigned i = 0; i < REGS; i++)
        round->before[i] = UINT64_C(0x0123456789abcdef) * (number * 100 + i + 3);
    for (unsigned i = 0; i < sizeof round->vector; i++)
        ((uint8_t *)round->vector)[i] = (uint8_t)(i * 7 + number * 31);
    round->avx = __builtin_cpu_supports("avx") != 0;
    uint32_t mxcsr = MXCSR;
    uint16_t fcw = FCW;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    __asm__ volatile("fldcw %0" ::"m"(fcw));
}

/* Says where it happened; the test prints it. */
static void on_fault(int sig, siginfo_t *info, void *data)
{
    const ucontext_t *context = data;
    const greg_t *regs = context->uc_mcontext.gregs;
    dprintf(2,
            "signal %d, code %d at %p: rip %#llx rsp %#llx rax %#llx, guard_round %p, stack:", sig,
            info->si_code, info->si_addr, regs[REG_RIP], regs[REG_RSP], regs[REG_RAX],
            (void *)(uintptr_t)guard_round);
    for (unsigned i = 0; i < 4; i++)
        dprintf(2, " %#llx", ((const unsigned long long *)(uintptr_t)regs[REG_RSP])[i]);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void watch_faults(void)
{
    static const int signals[] = {SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGFPE};
    static char stack[1 << 16];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(sigaltstack(&alternate, NULL) == 0);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        CHECK(sigaction(signals[i], &action, NULL) == 0);
}

static void *run_spin(void *data)
{
    Round round;
    fill_round(&round, 1);
    for (;;) {
        loop(&round, 20000);
        beats[1]++;
        target_nap_ms(1);
    }
    return data;
}

/* Reads what run_feed() writes: nothing twice, nothing lost, never interrupted. */
static void *run_read(void *data)
{
    Round round;
    fill_round(&round, 2);
    for (uint64_t due = 0;; due++) {
        uint64_t got = 0;
        call(&round, SYS_read, (const uint64_t[6]){(uint64_t)feed[0], at(&got), sizeof got},
             sizeof got, 0);
        if (got != due)
            DIE("%llu came out of the pipe, not %llu", (unsigned long long)got,
                (unsigned long long)due);
        beats[2]++;
    }
    return data;
}

static void *run_feed(void *data)
{
    Round round;
    fill_round(&round, 3);
    for (uint64_t next = 0;; next++) {
        call(&round, SYS_write, (const uint64_t[6]){(uint64_t)feed[1], at(&next), sizeof next},
             sizeof next, 0);
        sleep_all_ways(&round, 3000);
        beats[3]++;
    }
    return data;
}

int main(int argc, char **argv)
{
    target_begin();
    watch_faults();
    CHECK(argc == 2);
    int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    beats = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(beats != MAP_FAILED);
    CHECK(pipe(feed) == 0);
    pthread_t threads[THREADS];
    CHECK(!pthread_create(&threads[1], NULL, run_spin, NULL));
    CHECK(!pthread_create(&threads[2], NULL, run_read, NULL));
    CHECK(!pthread_create(&threads[3], NULL, run_feed, NULL));
    printf("{\"pid\":%d}\n", (int)getpid());
    Round round;
    fill_round(&round, 0);
    for (;;) {
        loop(&round, 200000);
        sleep_all_ways(&round, 300);
        loop(&round, 2000000);
        beats[0]++;
    }
    return 0;
}
