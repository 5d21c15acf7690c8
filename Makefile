# SPDX-License-Identifier: LGPL-2.1-or-later
# The front door.  Everything is built by Meson in build/; the program is build/dumpkit.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: all deps demo check check-fast bench install format clean
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@ln -sfn src/tool/dumpkit $(BUILD)/dumpkit

$(BUILD)/build.ninja:
	meson setup --buildtype=debugoptimized $(BUILD)

# Installs what the tests need, and with it all that the build needs.
deps:
	@tools/deps.sh check

demo:
	@tools/deps.sh build
	@$(MAKE) --no-print-directory all
	@tools/demo.sh

check: deps
	@tools/check.py

# For every commit: one build; unit, golden and meta tests.
check-fast:
	@tools/check.py --fast

bench:
	@tools/deps.sh bench
	@$(MAKE) --no-print-directory all
	@bench/run.py

# The program, its manual and the completion for bash, zsh and fish.
install: $(BUILD)/build.ninja
	meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@$(MAKE) --no-print-directory all
	DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild --quiet

format:
	@git ls-files -co --exclude-standard '*.c' '*.h' | while read -r file; do \
	    [ ! -f "$$file" ] || echo "$$file"; done | xargs -r clang-format -i

clean:
	rm -rf build build-*/
