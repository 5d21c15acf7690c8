/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A dump made by hand for tests of the target and the console: x86-64 Linux, no files needed. */
#pragma once

#include <string.h>

#include "target/target.h"

/* Memory of the fake dump: FAKE_VA on, one page, of which the last 0x10 bytes are missing. */
#define FAKE_VA 0x7f0000001000u
#define FAKE_BYTES 0xff0u

typedef struct {
    DkSpace space;
    guint64 va;
    guint8 data[0x1000];
    gsize len;
} FakeSpace;

static gsize fake_read(DkSpace *space, guint64 va, void *buf, gsize len)
{
    const FakeSpace *fake = (FakeSpace *)space;
    if (va < fake->va || va - fake->va >= fake->len)
        return 0;
    gsize done = MIN(len, fake->len - (gsize)(va - fake->va));
    memcpy(buf, fake->data + (va - fake->va), done);
    return done;
}

static gboolean fake_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const FakeSpace *fake = (FakeSpace *)space;
    *run = (DkRun){fake->va, fake->va + fake->len - 1, DK_RUN_DATA};
    return from <= run->last;
}

static void fake_destroy(DkSpace *space)
{
    g_free(space);
}

static const DkSpaceOps fake_space_ops = {
    .name = "fake", .read = fake_read, .next_run = fake_next_run, .destroy = fake_destroy};

static void fake_close(DkSource *source)
{
    g_free(source);
}

static const DkSourceOps fake_source_ops = {
    .name = "fake", .caps = DK_SOURCE_VIRT | DK_SOURCE_REGS, .close = fake_close};

static inline FakeSpace *fake_space_new(guint64 va, gsize len)
{
    FakeSpace *fake = g_new0(FakeSpace, 1);
    dk_space_init(&fake->space, &fake_space_ops);
    fake->va = va;
    fake->len = len;
    return fake;
}

/* A source over both, which it takes over. */
static inline DkSource *fake_source_new(DkSubject *subject, FakeSpace *fake)
{
    DkSource *source = g_new0(DkSource, 1);
    dk_source_init(source, &fake_source_ops, "fake.core");
    source->format = "fake";
    source->subject = subject;
    source->space = &fake->space;
    return source;
}

/*
 * user_regs_struct of x86-64: rip is word 16, rsp word 19, rax word 10, rbp word 4 and the flags
 * word 18.
 */
static inline void fake_registers(DkThread *thread, guint64 rip, guint64 rsp, guint64 rax)
{
    guint64 words[27] = {0};
    words[16] = rip;
    words[19] = rsp;
    words[10] = rax;
    words[18] = 0x246;
    thread->regs[DK_REGSET_GENERAL] = g_bytes_new(words, sizeof words);
}

/*
 * Two threads (one without registers), three modules that are not on disk, and memory: a string at
 * +0, UTF-16 at +0x20, pointers at +0x40, code at +0x80 and the bytes 00 to ff at +0x100.
 */
static inline DkTarget *fake_target_new(void)
{
    DkSubject *subject = dk_subject_new();
    subject->machine = DK_MACHINE_X86_64;
    subject->os = DK_OS_LINUX;
    subject->process.pid = 0x1234;
    DkThread *first = dk_subject_add_thread(subject, 0x1234);
    fake_registers(first, FAKE_VA + 0x80, FAKE_VA + 0x40, 0x1122334455667788);
    first->name = g_strdup("main\x1b[31m");
    DkThread *second = dk_subject_add_thread(subject, 0x1240);
    second->missing = g_strdup("it ended");
    subject->process.exception = (DkException){
        .valid = TRUE, .tid = 0x1240, .code = 11, .flags = 1, .address = 0x10};
    DkMapping *mapping = dk_subject_add_mapping(subject, FAKE_VA, FAKE_VA + 0xfff);
    mapping->flags = DK_MAP_READ | DK_MAP_EXEC | DK_MAP_ANON;
    dk_subject_add_module(subject, FAKE_VA, FAKE_VA + 0xfff)->path = g_strdup("/nowhere/app-1.2");
    dk_subject_add_module(subject, 0x10000, 0x1ffff)->path = g_strdup("/nowhere/libstdc++.so.6");
    dk_subject_add_module(subject, 0x20000, 0x2ffff)->path = g_strdup("/other/libstdc++.so.5");
    dk_subject_add_gap(subject, "excluded", FAKE_VA + 0xff0, FAKE_VA + 0xfff, 0, "nobody wants it");
    dk_subject_sort(subject);
    FakeSpace *fake = fake_space_new(FAKE_VA, FAKE_BYTES);
    memcpy(fake->data, "hello world", 12);
    memcpy(fake->data + 0x20, "w\0i\0d\0e\0\0", 10);
    guint64 pointers[] = {FAKE_VA + 0x84, 0x1122334455667788, 0x20};
    memcpy(fake->data + 0x40, pointers, sizeof pointers);
    /* push rbp; mov rbp,rsp; nop; call +0; ret */
    memcpy(fake->data + 0x80, "\x55\x48\x89\xe5\x90\xe8\0\0\0\0\xc3", 11);
    for (guint i = 0; i < 256; i++)
        fake->data[0x100 + i] = (guint8)i;
    return dk_target_new(fake_source_new(subject, fake), NULL);
}
