/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A space over the memory of a dump that takes read-only memory of modules, where the dump lacks
 * it, from their files.  Its runs are those of the dump: they tell what the dump holds.
 */
#pragma once

#include "target/target.h"

/* Takes its own reference to base; target is borrowed and outlives the space. */
DkSpace *dk_image_space_new(DkTarget *target, DkSpace *base);
