/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/image-space.h"

typedef struct {
    DkSpace space;
    DkTarget *target;
    DkSpace *base;
} ImageSpace;

/* What the file of the module at va has of it; 0 when nothing. */
static gsize read_file(const ImageSpace *self, guint64 va, void *buf, gsize len)
{
    const DkMapping *mapping = dk_subject_mapping_at(dk_target_subject(self->target), va);
    if (mapping && (mapping->flags & DK_MAP_WRITE))
        return 0;
    const DkModule *module = dk_target_module_at(self->target, va);
    DkSymFile *file = module ? dk_target_symbols(self->target, module, NULL) : NULL;
    if (!file || !file->ops->image)
        return 0;
    guint64 last_va = mapping ? MIN(mapping->last, module->last) : module->last;
    gsize want = (gsize)MIN(len - 1, last_va - va) + 1;
    return file->ops->image(file, va - module->first, buf, want);
}

static gsize image_read(DkSpace *space, guint64 va, void *buf, gsize len)
{
    const ImageSpace *self = (ImageSpace *)space;
    gsize done = 0;
    while (done < len) {
        char *at = (char *)buf + done;
        gsize got = dk_space_read(self->base, va + done, at, len - done);
        if (!got) {
            /* The file speaks only for what the dump lacks, page by page. */
            gsize page = 4096 - (gsize)((va + done) & 4095);
            got = read_file(self, va + done, at, MIN(len - done, page));
        }
        if (!got)
            break;
        done += got;
    }
    return done;
}

static gboolean image_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    return dk_space_next_run(((ImageSpace *)space)->base, from, run);
}

static void image_destroy(DkSpace *space)
{
    ImageSpace *self = (ImageSpace *)space;
    dk_space_unref(self->base);
    g_free(self);
}

static const DkSpaceOps image_ops = {
    .name = "image",
    .read = image_read,
    .next_run = image_next_run,
    .destroy = image_destroy,
};

DkSpace *dk_image_space_new(DkTarget *target, DkSpace *base)
{
    ImageSpace *self = g_new0(ImageSpace, 1);
    dk_space_init(&self->space, &image_ops);
    self->target = target;
    self->base = dk_space_ref(base);
    return &self->space;
}
