# SPDX-License-Identifier: LGPL-2.1-or-later
# The front door.  Everything is built by Meson in build/; the program is build/dumpkit.
BUILD ?= build

.PHONY: all deps check check-fast format clean
all: $(BUILD)/build.ninja
	ninja -C $(BUILD)
	ln -sf src/tool/dumpkit $(BUILD)/dumpkit

$(BUILD)/build.ninja:
	meson setup $(BUILD)

deps:
	tools/deps.sh check

check: deps
	tools/check.py

check-fast:
	tools/check.py --fast

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD)
