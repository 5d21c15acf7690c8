/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process of which everything is known: registers and stack of each thread, and memory of every
 * kind.  Prints its layout as one line of JSON.  usage: zoo FOLDER [large]; files go to FOLDER.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "told-layout.h"

#define PAGE ((size_t)4096)
#define THREADS 4
#define MARKS 8

/* What zoo_hold() loads: the offsets stand in its code. */
typedef struct {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15; /* 0..112 */
    uint64_t rsp;    /* 120: where zoo_hold() says what it has */
    uint64_t avx;    /* 128 */
    uint64_t spin;   /* 136: 0: sleeps in poll(NULL, 0, -1) */
    uint64_t pad[2]; /* 144 */
    uint8_t vector[16][32] __attribute__((aligned(16))); /* 160: ymm0 to ymm15 */
} Held;
_Static_assert(offsetof(Held, rsp) == 120 && offsetof(Held, vector) == 160, "see zoo_hold()");

/* Takes all registers from held and keeps them for ever. */
void zoo_hold(Held *held);
extern const char zoo_spin_first[], zoo_spin_last[], zoo_sleep_at[];
volatile uint32_t zoo_spinning;

__asm__(".text\n"
        ".globl zoo_hold\n"
        ".type zoo_hold, @function\n"
        "zoo_hold:\n"
        ".cfi_startproc\n"
        "    sub $8, %rsp\n"
        ".cfi_def_cfa_offset 16\n"
        "    mov %rsp, 120(%rdi)\n"
        "    cmpq $0, 128(%rdi)\n"
        "    je 1f\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    vmovdqu 160 + 32 * \\i(%rdi), %ymm\\i\n"
        "    .endr\n"
        "    jmp 2f\n"
        "1:\n"
        "    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movdqu 160 + 32 * \\i(%rdi), %xmm\\i\n"
        "    .endr\n"
        "2:\n"
        "    mov 8(%rdi), %rbx\n"
        "    mov 48(%rdi), %rbp\n"
        "    mov 56(%rdi), %r8\n"
        "    mov 64(%rdi), %r9\n"
        "    mov 72(%rdi), %r10\n"
        "    mov 88(%rdi), %r12\n"
        "    mov 96(%rdi), %r13\n"
        "    mov 104(%rdi), %r14\n"
        "    mov 112(%rdi), %r15\n"
        "    cmpq $0, 136(%rdi)\n"
        "    je 3f\n"
        "    mov 0(%rdi), %rax\n"
        "    mov 16(%rdi), %rcx\n"
        "    mov 24(%rdi), %rdx\n"
        "    mov 32(%rdi), %rsi\n"
        "    mov 80(%rdi), %r11\n"
        "    mov 40(%rdi), %rdi\n"
        "    movl $1, zoo_spinning(%rip)\n"
        ".globl zoo_spin_first, zoo_spin_last, zoo_sleep_at\n"
        "zoo_spin_first:\n"
        "    pause\n"
        "    jmp zoo_spin_first\n"
        "zoo_spin_last:\n"
        "3:\n"
        "    mov $7, %eax\n"
        "    xor %edi, %edi\n"
        "    xor %esi, %esi\n"
        "    mov $-1, %edx\n"
        "    syscall\n"
        "zoo_sleep_at:\n"
        "    jmp 3b\n"
        ".cfi_endproc\n"
        ".size zoo_hold, . - zoo_hold\n");

typedef struct {
    const char *name;
    const char *chain; /* JSON list of functions, innermost first */
    int spin;
    pid_t tid;
    Held held;
    uint64_t marks_va;
    uint64_t marks[MARKS];
} Keeper;

typedef struct {
    const char *name;
    uint64_t va;
    size_t len;
    uint64_t seed; /* 0: zeros */
    const char *kind;
} Area;

static Keeper keepers[THREADS] = {
    {.name = "zoo-main", .chain = "[\"zoo_hold\",\"main_inner\",\"main_outer\",\"main\"]"},
    {.name = "zoo-spin",
     .chain = "[\"zoo_hold\",\"spin_inner\",\"spin_outer\",\"run_spin\"]",
     .spin = 1},
    {.name = "zoo-sleep", .chain = "[\"zoo_hold\",\"sleep_inner\",\"sleep_outer\",\"run_sleep\"]"},
    {.name = "zoo-tell", .chain = "[\"zoo_hold\",\"tell_inner\",\"tell_outer\",\"run_tell\"]"},
};
static Area areas[64];
static unsigned nareas;
static const char *folder;
static uint64_t hidden_heap; /* complement of the secret's address: nothing points to it */
static volatile unsigned seated;

/* A table that the loader relocates and then protects: RELRO. */
extern const void *const relro_table[4];
const void *const relro_table[4] = {&areas, &keepers, (const void *)&nareas, (const void *)&seated};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void *add(const char *name, void *at, size_t len, uint64_t seed, const char *kind)
{
    CHECK(at != MAP_FAILED && nareas < sizeof areas / sizeof *areas);
    areas[nareas++] = (Area){name, (uint64_t)(uintptr_t)at, len, seed, kind};
    return at;
}

static void *map(size_t len, int prot, int flags, int fd)
{
    /* A page of nothing on both sides keeps mappings apart. */
    char *room = mmap(NULL, len + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    void *at = mmap(room + PAGE, len, prot, flags | MAP_FIXED, fd, 0);
    CHECK(at != MAP_FAILED);
    CHECK(munmap(room, PAGE) == 0 && munmap(room + PAGE + len, PAGE) == 0);
    return at;
}

static void *filled(const char *name, int flags, int fd, uint64_t seed, const char *kind)
{
    void *at = map(16 * PAGE, PROT_READ | PROT_WRITE, flags, fd);
    target_fill(at, 16 * PAGE, seed);
    return add(name, at, 16 * PAGE, seed, kind);
}

/* A file in folder with 16 pages of the pattern; dir NULL: in folder. */
static int make_file(const char *dir, const char *name, uint64_t seed)
{
    static uint64_t content[16 * 512];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir ? dir : folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    target_fill(content, sizeof content, seed);
    CHECK(write(fd, content, sizeof content) == (ssize_t)sizeof content);
    return fd;
}

static void make_anonymous(void)
{
    const int private = MAP_PRIVATE | MAP_ANONYMOUS;
    filled("anon", private, -1, 0x1111, "anon");
    CHECK(mprotect(filled("anon-read-only", private, -1, 0x2222, "own"), 16 * PAGE, PROT_READ) ==
          0);
    CHECK(mprotect(filled("anon-none", private, -1, 0x3333, "own"), 16 * PAGE, PROT_NONE) == 0);
    CHECK(madvise(filled("dontdump", private, -1, 0x4444, "dontdump"), 16 * PAGE, MADV_DONTDUMP) ==
          0);
    CHECK(madvise(filled("dontfork", private, -1, 0x5555, "anon"), 16 * PAGE, MADV_DONTFORK) == 0);
    CHECK(madvise(filled("wipeonfork", private, -1, 0x6666, "anon"), 16 * PAGE, MADV_WIPEONFORK) ==
          0);
    add("anon-untouched", map(256 * PAGE, PROT_READ | PROT_WRITE, private, -1), 256 * PAGE, 0,
        "anon-empty");
    /* Every other page. */
    char *holey = map(16 * PAGE, PROT_READ | PROT_WRITE, private, -1);
    for (unsigned i = 0; i < 16; i += 2) {
        target_fill(holey + i * PAGE, PAGE, 0x7000 + i);
        add("anon-holey-data", holey + i * PAGE, PAGE, 0x7000 + i, "anon");
        add("anon-holey-hole", holey + (i + 1) * PAGE, PAGE, 0, "anon");
    }
    filled("pointed", private, -1, 0x8888, "pointed");
    char *secret = map(16 * PAGE, PROT_READ | PROT_WRITE, private, -1);
    hidden_heap = ~(uint64_t)(uintptr_t)secret;
    snprintf(secret + 8 * PAGE, PAGE, "DKHEAP%s", "SECRET");
}

static void make_files(void)
{
    int fd = make_file(NULL, "private", 0xaaaa);
    char *at = map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    add("file-private-untouched", at + 8 * PAGE, 8 * PAGE,
        0xaaaa + 8 * 512 * UINT64_C(0x9e3779b97f4a7c15), "file-rw");
    target_fill(at, 4 * PAGE, 0xabab);
    add("file-private-own", at, 4 * PAGE, 0xabab, "file-rw");
    at = map(16 * PAGE, PROT_READ, MAP_PRIVATE, make_file(NULL, "read-only", 0xacac));
    add("file-read-only", at, 16 * PAGE, 0xacac, "file-ro");
    add("relro", (void *)(uintptr_t)relro_table, sizeof relro_table, 0, "relro");
    filled("shared-anon", MAP_SHARED | MAP_ANONYMOUS, -1, 0xbbbb, "shared-nameless");
    filled("shared-file", MAP_SHARED, make_file(NULL, "shared", 0xcccc), 0xcdcd, "shared-file");
    at = map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, make_file(NULL, "shared-lazy", 0xcece));
    add("shared-file-untouched", at, 16 * PAGE, 0xcece, "shared-file");
    fd = memfd_create("zoo-memfd", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, 16 * PAGE) == 0);
    filled("memfd", MAP_SHARED, fd, 0xdddd, "shared-nameless");
    char name[64];
    snprintf(name, sizeof name, "dumpkit-zoo-%d", (int)getpid());
    fd = make_file("/dev/shm", name, 0xeeee);
    snprintf(name, sizeof name, "/dev/shm/dumpkit-zoo-%d", (int)getpid());
    CHECK(unlink(name) == 0);
    filled("tmpfs", MAP_SHARED, fd, 0xefef, "shared-nameless");
    fd = make_file(NULL, "cut", 0xf0f0);
    at = map(4 * PAGE, PROT_READ, MAP_PRIVATE, fd);
    CHECK(ftruncate(fd, (off_t)PAGE) == 0);
    add("file-cut-before", at, PAGE, 0xf0f0, "file-ro");
    add("file-cut-behind", at + PAGE, 3 * PAGE, 0, "nothing");
}

static void make_large(void)
{
    char *at = map((size_t)600 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    target_fill(at, PAGE, 0x600);
    add("large", at, PAGE, 0x600, "large");
}

static void make_held(Keeper *keeper, unsigned number)
{
    uint64_t *words = (uint64_t *)&keeper->held;
    /* Values that are the address of nothing. */
    for (unsigned i = 0; i < 15; i++)
        words[i] = mix(number * 1000 + i) | UINT64_C(0x0f00000000000001);
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 32; j++)
            keeper->held.vector[i][j] = (uint8_t)(mix(number * 77 + i) >> j % 8 * 8 ^ j);
    for (unsigned i = 0; i < nareas; i++) {
        if (!strcmp(areas[i].name, "pointed") && keeper->spin)
            keeper->held.r12 = areas[i].va + 0x123;
    }
    keeper->held.avx = __builtin_cpu_supports("avx") != 0;
    keeper->held.spin = (uint64_t)keeper->spin;
}

/* The calls under which a keeper holds; the marks stand in the innermost C function's frame. */
#define CHAIN(name)                                                                         \
    __attribute__((noinline)) static void name##_inner(Keeper *keeper)                      \
    {                                                                                       \
        volatile uint64_t marks[MARKS];                                                     \
        for (unsigned i = 0; i < MARKS; i++)                                                \
            marks[i] = keeper->marks[i] = mix((uint64_t)keeper->tid * 16 + i) | 1ULL << 60; \
        memcpy((char *)marks + 16, "DKSTACKSECRET..", 16);                                  \
        memcpy((char *)keeper->marks + 16, "DKSTACKSECRET..", 16);                          \
        marks[MARKS - 1] = keeper->marks[MARKS - 1] = (uint64_t)(uintptr_t)&areas;          \
        keeper->marks_va = (uint64_t)(uintptr_t)marks;                                      \
        __atomic_fetch_add(&seated, 1, __ATOMIC_SEQ_CST);                                   \
        zoo_hold(&keeper->held);                                                            \
        __asm__ volatile("" ::"r"(marks) : "memory");                                       \
    }                                                                                       \
    __attribute__((noinline)) static void name##_outer(Keeper *keeper)                      \
    {                                                                                       \
        name##_inner(keeper);                                                               \
        __asm__ volatile("" ::: "memory");                                                  \
    }
CHAIN(main)
CHAIN(spin)
CHAIN(sleep)
CHAIN(tell)

static void sit(Keeper *keeper)
{
    keeper->tid = target_tid();
    prctl(PR_SET_NAME, keeper->name);
}

static void *run_spin(void *data)
{
    sit(data);
    spin_outer(data);
    return NULL;
}

static void *run_sleep(void *data)
{
    sit(data);
    sleep_outer(data);
    return NULL;
}

static void print_keeper(const Keeper *keeper, const char *before)
{
    static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
                                        "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rsp"};
    /* The system call of a sleeper uses the others. */
    static const char asleep[] = "\0\1\0\0\0\0\1\1\1\1\0\1\1\1\1\1";
    const uint64_t *words = (const uint64_t *)&keeper->held;
    printf("%s{\"tid\":%d,\"name\":\"%s\",\"chain\":%s,\"regs\":{", before, (int)keeper->tid,
           keeper->name, keeper->chain);
    for (unsigned i = 0; i < 16; i++)
        if (keeper->spin || asleep[i])
            printf("\"%s\":%llu,", names[i], (unsigned long long)words[i]);
    if (!keeper->spin)
        printf("\"rdi\":0,\"rsi\":0,\"rdx\":4294967295,");
    printf("\"rip\":%llu},\"rip_last\":%llu,\"avx\":%d,\"vector\":[",
           (unsigned long long)(uintptr_t)(keeper->spin ? zoo_spin_first : zoo_sleep_at),
           (unsigned long long)(uintptr_t)(keeper->spin ? zoo_spin_last : zoo_sleep_at),
           (int)keeper->held.avx);
    for (unsigned i = 0; i < 16; i++) {
        printf("%s\"", i ? "," : "");
        for (unsigned j = 0; j < 32; j++)
            printf("%02x", keeper->held.vector[i][j]);
        printf("\"");
    }
    printf("],\"marks_va\":%llu,\"marks\":[", (unsigned long long)keeper->marks_va);
    for (unsigned i = 0; i < MARKS; i++)
        printf("%s%llu", i ? "," : "", (unsigned long long)keeper->marks[i]);
    printf("]}");
}

/* The file that holds printf(). */
static const char *libc_path(void)
{
    static char line[512];
    FILE *file = fopen("/proc/self/maps", "re");
    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        unsigned long first = 0, last = 0;
        CHECK(sscanf(line, "%lx-%lx", &first, &last) == 2);
        if ((uintptr_t)printf >= first && (uintptr_t)printf < last)
            break;
    }
    fclose(file);
    CHECK(strchr(line, '/'));
    line[strcspn(line, "\n")] = 0;
    return strchr(line, '/');
}

static void print_layout(void)
{
    char exe[512] = "";
    CHECK(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
    printf("{\"pid\":%d,\"exe\":\"%s\",\"libc\":\"%s\",\"threads\":[", (int)getpid(), exe,
           libc_path());
    for (unsigned i = 0; i < THREADS; i++)
        print_keeper(&keepers[i], i ? "," : "");
    printf("],\"relro\":[");
    for (unsigned i = 0; i < 4; i++)
        printf("%s%llu", i ? "," : "", (unsigned long long)(uintptr_t)relro_table[i]);
    printf("],\"areas\":[");
    for (unsigned i = 0; i < nareas; i++)
        printf("%s{\"name\":\"%s\",\"va\":%llu,\"len\":%zu,\"seed\":%llu,\"kind\":\"%s\"}",
               i ? "," : "", areas[i].name, (unsigned long long)areas[i].va, areas[i].len,
               (unsigned long long)areas[i].seed, areas[i].kind);
    printf("]}\n");
}

/* Tells when everyone else is in position; says so of itself as well, which is true in a moment. */
static void *run_tell(void *data)
{
    sit(data);
    while (__atomic_load_n(&seated, __ATOMIC_SEQ_CST) < THREADS - 1 || !zoo_spinning)
        target_nap_ms(2);
    target_await_syscall(keepers[0].tid, SYS_poll);
    target_await_syscall(keepers[2].tid, SYS_poll);
    tell_outer(data);
    return NULL;
}

/* A child process would show up in the dump's surroundings, so a thread that ends does the talking.
 */
static void *run_print(void *data)
{
    while (__atomic_load_n(&seated, __ATOMIC_SEQ_CST) < THREADS)
        target_nap_ms(2);
    target_await_syscall(keepers[3].tid, SYS_poll);
    print_layout();
    return data;
}

int main(int argc, char **argv)
{
    target_begin();
    CHECK(argc >= 2);
    folder = argv[1];
    make_anonymous();
    make_files();
    if (argc > 2)
        make_large();
    for (unsigned i = 0; i < THREADS; i++)
        make_held(&keepers[i], i + 1);
    pthread_t threads[THREADS];
    CHECK(!pthread_create(&threads[1], NULL, run_spin, &keepers[1]));
    CHECK(!pthread_create(&threads[2], NULL, run_sleep, &keepers[2]));
    CHECK(!pthread_create(&threads[3], NULL, run_tell, &keepers[3]));
    CHECK(!pthread_create(&threads[0], NULL, run_print, NULL));
    sit(&keepers[0]);
    main_outer(&keepers[0]);
    return 0;
}
