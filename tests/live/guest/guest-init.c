// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The only program of the test guest: process 1 of a Linux kernel that guest.py starts in QEMU.
 * Words of the kernel's command line that it knows (numbers are decimal):
 *
 * pattern=MIB  Fills so much memory with words that tell their own place: word k of a page at
 *              physical address pa is PATTERN_TAG + pa + 8 * k.  The pages stay where they are.
 * load=MIB     Fills so much memory with what memory is full of: of 16 pages 2 are zero, 5 records
 * of pointers and numbers, 4 lines of text, 3 pieces of machine code, 2 random bytes. churn=PAGES
 * Goes round so many pages for ever: word 0 is CHURN_TAG + index, word 1 the round. At one instant
 * the first some pages have round r and all others r - 1, so that a copy that is not of one instant
 * shows. beat=MS      Sends "NUMBER MILLISECONDS\n" (hexadecimal, CLOCK_MONOTONIC) to ttyS1 that
 * often.
 *
 * When all is in place it says "guest: ready pages=N churn=N" on the console.  Commands of one line
 * each on the console: "sync" (answers "guest: synced"), "off", "reboot", "panic".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_TAG UINT64_C(0x7061740000000000)
#define CHURN_TAG UINT64_C(0x6368750000000000)
#define PAGE 4096u
#define WORDS (PAGE / 8)

static void die(const char *what)
{
    fprintf(stderr, "guest: FAILED %s: %s\n", what, strerror(errno));
    for (;;)
        pause();
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "guest: %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void set_up(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, "");
    mount("proc", "/proc", "proc", 0, "");
    mount("sysfs", "/sys", "sysfs", 0, "");
    int fd = open("/dev/ttyS0", O_RDWR | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < 3; i++)
        dup2(fd, i);
    setvbuf(stdout, NULL, _IOLBF, 0);
    put("/proc/sys/kernel/unknown_nmi_panic", "1");
    put("/proc/sys/kernel/sysrq", "1");
    /* Pages must keep their places. */
    put("/sys/kernel/mm/transparent_hugepage/enabled", "never");
    put("/proc/sys/vm/compact_unevictable_allowed", "0");
}

static void load_modules(void)
{
    static const char *const names[] = {"qemu_fw_cfg", "pvpanic", "pvpanic-mmio", "pvpanic-pci"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "/modules/%s.ko", names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != ENODEV)
            fprintf(stderr, "guest: %s: %s\n", path, strerror(errno));
        close(fd);
    }
}

static unsigned long word_of(const char *line, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = line; (at = strstr(at, name)) != NULL; at += len) {
        if ((at == line || at[-1] == ' ') && at[len] == '=')
            return strtoul(at + len + 1, NULL, 10);
    }
    return 0;
}

static uint64_t *take(size_t size)
{
    uint64_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        die("mmap");
    madvise(at, size, MADV_NOHUGEPAGE);
    if (mlock(at, size) < 0)
        die("mlock");
    return at;
}

static uint64_t physical(int pagemap, const void *at)
{
    uint64_t entry;
    off_t off = (off_t)((uintptr_t)at / PAGE * 8);
    if (pread(pagemap, &entry, sizeof entry, off) != sizeof entry || !(entry >> 63))
        die("pagemap");
    return (entry & ((UINT64_C(1) << 55) - 1)) * PAGE;
}

static size_t fill(size_t mib)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    size_t pages = mib * 256;
    if (!pages)
        return 0;
    if (pagemap < 0)
        die("pagemap");
    uint64_t *area = take(pages * PAGE);
    for (size_t i = 0; i < pages; i++) {
        uint64_t *page = area + i * WORDS;
        uint64_t pa = physical(pagemap, page);
        for (unsigned k = 0; k < WORDS; k++)
            page[k] = PATTERN_TAG + pa + 8u * k;
    }
    for (size_t i = 0; i < pages; i++) {
        if (area[i * WORDS] != PATTERN_TAG + physical(pagemap, area + i * WORDS))
            die("a page moved");
    }
    close(pagemap);
    return pages;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* As slab objects are: pointers into a few areas, small numbers, flags, zeros. */
static void make_records(uint64_t *page, uint64_t *state)
{
    uint64_t base = UINT64_C(0xffff888000000000) + (next_random(state) & 0x7ffff000);
    for (unsigned k = 0; k < WORDS; k++) {
        uint64_t r = next_random(state);
        unsigned field = k % 16;
        if (field < 5)
            page[k] = base + (r & 0x3ff8);
        else if (field < 8)
            page[k] = r & 0xff;
        else if (field == 8)
            page[k] = UINT64_C(0xffffffff81000000) + (r & 0xfffff0);
        else if (field == 9)
            page[k] = r & 0xffffffff;
        else
            page[k] = 0;
    }
}

static void make_text(char *page, uint64_t *state)
{
    static const char *const words[] = {
        "GET",     "POST", "/index.html", "timeout", "user",    "session", "opened",
        "closed",  "for",  "request",     "error",   "warning", "started", "systemd",
        "kernel:", "pid",  "bytes",       "from",    "to",      "status"};
    size_t len = 0;
    while (len + 128 < PAGE) {
        len += (size_t)sprintf(
            page + len,
            "Nov 22 %02u:%02u:%02u host%u app[%u]:", (unsigned)(next_random(state) % 24),
            (unsigned)(next_random(state) % 60), (unsigned)(next_random(state) % 60),
            (unsigned)(next_random(state) % 8), (unsigned)(next_random(state) % 32768));
        for (unsigned i = 0; i < 5; i++)
            len += (size_t)sprintf(page + len, " %s", words[next_random(state) % 20]);
        len += (size_t)sprintf(page + len, " %u\n", (unsigned)(next_random(state) % 100000));
    }
}

/* Pieces of this program's own code. */
static void make_code(char *page, uint64_t *state, const char *code, size_t size)
{
    for (size_t len = 0; len < PAGE;) {
        size_t piece = 16 + next_random(state) % 112;
        if (piece > PAGE - len)
            piece = PAGE - len;
        memcpy(page + len, code + next_random(state) % (size - piece), piece);
        len += piece;
    }
}

static void load(size_t mib)
{
    extern const char __executable_start[], etext[];
    size_t pages = mib * 256;
    if (!pages)
        return;
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t *area = take(pages * PAGE);
    for (size_t i = 0; i < pages; i++) {
        uint64_t *page = area + i * WORDS;
        unsigned kind = (unsigned)(next_random(&state) >> 20) % 16;
        if (kind >= 14)
            page[0] = 0;
        else if (kind >= 9)
            make_records(page, &state);
        else if (kind >= 5)
            make_text((char *)page, &state);
        else if (kind >= 2)
            make_code((char *)page, &state, __executable_start,
                      (size_t)(etext - __executable_start));
        else
            for (unsigned k = 0; k < WORDS; k++)
                page[k] = next_random(&state);
    }
}

typedef struct {
    volatile uint64_t *area;
    size_t pages;
} Churn;

static void *churn_main(void *data)
{
    const Churn *churn = data;
    struct timespec nap = {0, 200000};
    for (uint64_t round = 2;; round++) {
        for (size_t i = 0; i < churn->pages; i++) {
            churn->area[i * WORDS + 1] = round;
            if (i % 64 == 63)
                nanosleep(&nap, NULL);
        }
    }
    return NULL;
}

static void start_churn(size_t pages)
{
    static Churn churn;
    pthread_t thread;
    if (!pages)
        return;
    churn.pages = pages;
    churn.area = take(pages * PAGE);
    for (size_t i = 0; i < pages; i++) {
        churn.area[i * WORDS + 1] = 1;
        churn.area[i * WORDS] = CHURN_TAG + i;
    }
    if (pthread_create(&thread, NULL, churn_main, &churn) != 0)
        die("thread");
}

static void *beat_main(void *data)
{
    unsigned ms = *(const unsigned *)data;
    int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios mode;
    if (fd < 0 || tcgetattr(fd, &mode) < 0)
        die("ttyS1");
    cfmakeraw(&mode);
    cfsetspeed(&mode, B115200);
    tcsetattr(fd, TCSANOW, &mode);
    struct timespec nap = {ms / 1000, (long)(ms % 1000) * 1000000};
    for (unsigned number = 1;; number++) {
        struct timespec now;
        char line[40];
        clock_gettime(CLOCK_MONOTONIC, &now);
        unsigned long at = (unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_nsec / 1000000;
        int len = snprintf(line, sizeof line, "%x %lx\n", number, at);
        if (write(fd, line, (size_t)len) < 0)
            die("ttyS1");
        nanosleep(&nap, NULL);
    }
    return NULL;
}

static void start_beat(unsigned ms)
{
    static unsigned period;
    pthread_t thread;
    period = ms;
    if (ms && pthread_create(&thread, NULL, beat_main, &period) != 0)
        die("thread");
}

static void obey(const char *line)
{
    if (strncmp(line, "sync", 4) == 0)
        printf("guest: synced\n");
    else if (strncmp(line, "off", 3) == 0)
        reboot(RB_POWER_OFF);
    else if (strncmp(line, "reboot", 6) == 0)
        reboot(RB_AUTOBOOT);
    else if (strncmp(line, "panic", 5) == 0)
        put("/proc/sysrq-trigger", "c");
}

int main(void)
{
    static char line[4096];
    set_up();
    load_modules();
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, line, sizeof line - 1) < 0)
        die("/proc/cmdline");
    size_t pages = fill(word_of(line, "pattern"));
    load(word_of(line, "load"));
    size_t churning = word_of(line, "churn");
    start_churn(churning);
    start_beat((unsigned)word_of(line, "beat"));
    printf("guest: ready pages=%zu churn=%zu\n", pages, churning);
    for (;;) {
        if (fgets(line, sizeof line, stdin))
            obey(line);
        else
            pause();
    }
}
