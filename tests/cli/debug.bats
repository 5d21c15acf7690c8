#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The verb debug as a user types it, on dumps of a program whose content is known; gdb is asked too.
# check: limit=600
# shellcheck disable=SC2154,SC2016 # run sets stderr; commands have $ and backquotes of their own

setup_file() {
    unset DEBUGINFOD_URLS
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    dumpkit=${DUMPKIT:-$root/build/dumpkit}
    cd "$BATS_FILE_TMPDIR" || return 1
    gcc -g -O0 -pthread -o sample "$root/tests/cli/debug-sample.c" 2>gcc.log || return 0
    ./sample 3>&- &
    pid=$!
    wait_for_pauses "$pid" 2
    cp "/proc/$pid/maps" maps
    "$dumpkit" capture -q "pid:$pid" -o sample.core -o sample.dmp -o sample.core.zst 2>capture.log ||
        rm -f sample.*
    if command -v gcore >/dev/null; then
        gcore -o gcore "$pid" >gcore.log 2>&1 && mv "gcore.$pid" gcore.core
    fi
    kill "$pid"
}

setup() {
    bats_require_minimum_version 1.5.0
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    build=${DUMPKIT_BUILD:-$root/build}
    dumpkit=${DUMPKIT:-$root/build/dumpkit}
    cd "$BATS_FILE_TMPDIR" || return 1
}

# wait_for_pauses PID N: until N threads are in pause(), system call 34 (29 of i386).
wait_for_pauses() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        [ "$(cat "/proc/$1/task/"*/syscall 2>/dev/null | grep -cE '^(34|29) ')" -ge "$2" ] && return
        sleep 0.1
    done
    return 1
}

need() {
    local command
    for command; do
        command -v "$command" >/dev/null || skip "no $command"
    done
}

need_sample() {
    [ -e sample ] || skip "gcc made no program: $(cat gcc.log)"
    [ -e sample.core ] || skip "capture is not possible here: $(cat capture.log)"
}

compare() {
    python3 "$root/tests/cli/debug-compare.py" "$1" "$dumpkit" "$PWD/sample" "${@:2}"
}

debug() {
    "$dumpkit" debug -q "$@"
}

@test "registers of every thread are those that gdb shows" {
    need gdb
    need_sample
    compare registers sample.core
}

@test "stacks are those that gdb shows" {
    need gdb
    need_sample
    compare stacks sample.core
}

@test "db dw dd dq dc da du dp dps s show the bytes that gdb shows" {
    need gdb
    need_sample
    compare memory sample.core
}

@test "x, ln and ? know the addresses that gdb knows" {
    need gdb
    need_sample
    compare symbols sample.core
}

@test "u, ub and uf have the instructions that gdb has, and calls name the stub" {
    need gdb
    need_sample
    compare code sample.core
}

@test "dt has the offsets of ptype, and the values of the program" {
    need gdb
    need_sample
    compare types sample.core
}

@test "lm has the libraries that gdb has" {
    need gdb
    need_sample
    compare modules sample.core
}

@test "a core by gcore shows the same as gdb does of it" {
    need gdb gcore
    [ -e gcore.core ] || skip "gcore made no core: $(tail -n 1 gcore.log)"
    [ -e sample ] || skip "no gcc"
    for topic in registers stacks memory; do
        compare "$topic" gcore.core
    done
}

@test "a minidump of the same capture shows the same" {
    need gdb
    need_sample
    for topic in registers stacks memory symbols; do
        compare "$topic" sample.core sample.dmp
    done
}

@test "dumps in zstd are read in place: dumpkit's, and those of the zstd program" {
    need zstd
    need_sample
    zstd -q -f sample.dmp -o dmp.zst
    commands='~*k; r; lm; db sample_text; dt sample_first'
    debug sample.core -c "$commands" >plain.txt
    grep -q 'sample!main+' plain.txt
    debug sample.core.zst -c "$commands" >packed.txt
    cmp plain.txt packed.txt
    debug sample.dmp -c "$commands" >plain.txt
    debug dmp.zst -c "$commands" >packed.txt
    cmp plain.txt packed.txt
    [ ! -e dmp ]
}

@test "!address and lm agree with /proc/PID/maps" {
    need_sample
    debug --json sample.core -c '!address' -c '!address @rsp' -c 'lm' >address.json
    python3 - address.json maps <<'PYTHON'
import json, sys
everything, stack, modules = json.load(open(sys.argv[1]))["results"]
maps = [line.split(None, 5) for line in open(sys.argv[2])]
maps = [(*(int(end, 16) for end in row[0].split("-")), row[1], row[5].strip() if row[5:] else None)
        for row in maps if "[vsyscall]" not in row[-1]]
ours = {int(item["start"], 16): item for item in everything["regions"]}
for first, end, prot, path in maps:
    item = ours[first]
    assert int(item["end"], 16) == end and item["protection"] == prot, (hex(first), item)
    assert not path or item["usage"] == path, (path, item)
    if prot.startswith("rw"):
        assert item["in_dump"] == item["size"], item
first, end = next(row[:2] for row in maps if row[3] == "[stack]")
assert (int(stack["start"], 16), int(stack["end"], 16)) == (first, end), stack
sample = next(item for item in modules["modules"] if item["name"] == "sample")
mapped = [row for row in maps if row[3] == sample["path"]]
assert int(sample["start"], 16) == mapped[0][0] and int(sample["end"], 16) == mapped[-1][1], sample
PYTHON
}

@test "k kb kn kv kp: the columns of kd" {
    need_sample
    run -0 debug sample.core -c k
    [[ ${lines[0]} == 'Child-SP          RetAddr               Call Site' ]]
    run -0 debug sample.core -c kn
    [[ ${lines[0]} == ' # Child-SP          RetAddr               Call Site' ]]
    [[ ${lines[1]} =~ ^00\ [0-9a-f]{8}\`[0-9a-f]{8}\ [0-9a-f]{8}\`[0-9a-f]{8}\ {5}libc!pause ]]
    [[ ${lines[2]} =~ ^01\ .*\ sample!sample_inner\+0x[0-9a-f]+\ \[.*/debug-sample\.c\ @\ [0-9]+\]$ ]]
    run -0 debug sample.core -c kb
    [[ ${lines[0]} == 'RetAddr               : Args to Child'*': Call Site' ]]
    run -0 debug sample.core -c kv
    [[ ${lines[0]} == 'Child-SP          RetAddr               : Args to Child'*': Call Site' ]]
    run -0 debug sample.core -c 'k 2'
    [ "${#lines[@]}" -eq 3 ]
    run -0 debug sample.core -c kp
    [[ $output == *'sample!main+'* ]]
}

@test "~: threads, one of them, a command for each" {
    need_sample
    run -0 debug sample.core -c '~'
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[0]} == '.  0'* ]]
    run -0 debug sample.core -c '~1s' -c '~' -c k
    [[ $output == *$'\n.  1'* ]]
    [[ $output == *'sample!sample_thread+'* ]]
    [[ $output != *'sample!main+'* ]]
    run -0 debug sample.core -c '~*k'
    [[ $output == *'sample!main+'*'sample!sample_thread+'* ]]
    run -0 debug sample.core -c '~1e .echo one; .echo two'
    [[ $output == *one*two* ]]
    run -1 debug sample.core -c '~7s'
}

@test "? .formats .echo r: what they print" {
    need_sample
    run -0 debug sample.core -c '? 0n10 + 0x10 * 2'
    [ "$output" = 'Evaluate expression: 42 = 00000000`0000002a' ]
    run -0 debug sample.core -c "? 'AB'"
    [ "$output" = 'Evaluate expression: 16706 = 00000000`00004142' ]
    run -0 debug sample.core -c '.formats 0n65'
    [[ $output == *'Octal:   0000000000000000000101'* ]]
    [[ $output == *'1970 (UTC)'* ]]
    run -0 debug sample.core -c '.echo "a; b"; .echo c'
    [ "$output" = $'a; b\nc' ]
    run -0 debug sample.core -c 'r @$t0=poi(sample_words); ? @$t0'
    [[ $output == *'01234567`89abcdef' ]]
    run -0 debug sample.core -c r
    [[ ${lines[0]} =~ ^rax=[0-9a-f]{16}\ rbx=[0-9a-f]{16}\ rcx=[0-9a-f]{16}$ ]]
    run -0 debug sample.core -c .reload -c '.reload sample'
    [[ $output == 'sample: dwarf'*/sample* ]]
    run -0 debug sample.core -c .help
    for word in '~' r k d s u lm x ln dt '!address' '?' .formats .echo .logopen .help; do
        grep -qE "^  ${word//[?.]/\\&}( |,)" <<<"$output"
    done
    run -0 debug sample.core -c '.help dt'
    [[ $output == *'Example: '* ]]
}

@test "several -c run in their order, up to q" {
    need_sample
    run -0 debug sample.core -c '.echo 1; .echo 2' -c '.echo 3' -c 'q; .echo 4' -c '.echo 5'
    [ "$output" = $'1\n2\n3' ]
}

@test "commands on standard input: comments, empty lines, a last line without its end" {
    need_sample
    run -0 debug sample.core < <(printf '* comment\n\n.echo 1; .echo 2\n~1s\r\n$$ more\n? @$tid\nk 1')
    [[ ${lines[0]} == 1 && ${lines[1]} == 2 ]]
    [[ ${lines[-1]} == *'libc!pause'* ]]
    run -0 debug sample.core </dev/null
    [ -z "$output" ]
}

@test "the dump is introduced, unless --quiet is given" {
    need_sample
    run -0 "$dumpkit" debug sample.core -c '.echo end'
    [[ ${lines[0]} == 'sample.core: elf dump, Linux, x86-64, by dumpkit '* ]]
    [[ ${lines[1]} == 'process '*': ./sample; 2 threads, '*' modules' ]]
    [[ ${lines[-1]} == end ]]
}

@test "status 1 when a command failed, and the others ran" {
    need_sample
    for bad in bogus '? 1+' 'db nowhere' '~9s' 'dt nothing' 'x sample!nothing' '.help bogus' \
        '!address 10' 'r bogus' 'u 0' 'ln 0' '.logclose' 'lm m nothing' 's' 'k zz'; do
        echo "$bad"
        run -1 debug sample.core -c ".echo before; $bad; .echo behind"
        [[ ${lines[0]} == before && ${lines[-1]} == behind ]]
        [[ $output == *'error: '* ]]
    done
    run -1 debug sample.core < <(printf 'bogus\n.echo behind\n')
    [[ ${lines[-1]} == behind ]]
}

@test "status 2 for wrong usage" {
    run -2 --separate-stderr "$dumpkit" debug
    [[ $stderr == *'a dump file was expected'* ]]
    run -1 "$dumpkit" debug one two
    run -2 "$dumpkit" debug --bogus one
    run -2 "$dumpkit" debug one -c
}

@test "status 1 for files that are no dump: missing, empty, garbage, cut, a folder" {
    : >empty
    head -c 100000 /dev/urandom >garbage
    printf '\177ELF' >four
    "$build/tests/make/make-elfcore" "$root/tests/golden/elfcore/x86-64.txt" whole
    head -c 100 whole >cut-core
    "$build/tests/make/make-minidump" "$root/tests/golden/minidump/linux-x64.txt" whole.dmp
    head -c 20 whole.dmp >cut-dmp
    for file in missing empty garbage four cut-core cut-dmp /tmp; do
        run -1 --separate-stderr "$dumpkit" debug "$file" -c k
        echo "$file: $output$stderr"
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == "dumpkit debug: "*"${file##*/}"* || $stderr == "dumpkit: "*"${file##*/}"* ]]
    done
}

@test "cut dumps are opened as far as they go, and never crash" {
    need_sample
    for file in sample.core sample.dmp; do
        size=$(stat -c %s "$file")
        for share in 1 30 90; do
            cp "$file" cut
            truncate -s $((size * share / 100)) cut
            status=0
            "$dumpkit" debug cut -c '~*k; r; lm; db sample_text; !address' >cut.out 2>cut.err ||
                status=$?
            echo "$file cut to $share %: $status $(head -n 3 cut.out)$(cat cut.err)"
            [ "$status" -le 1 ]
        done
    done
}

@test ".logopen, .logappend and .logclose write a file" {
    need_sample
    rm -f log.txt
    run -0 debug sample.core -c '.logopen log.txt' -c '? 7' -c .logclose -c '? 8'
    grep -qF '0:000> ? 7' log.txt
    grep -qF '= 00000000`00000007' log.txt
    run -1 grep -F '? 8' log.txt
    run -0 debug sample.core -c '.logappend log.txt' -c '? 9'
    grep -qF '= 00000000`00000007' log.txt
    grep -qF '= 00000000`00000009' log.txt
    run -1 debug sample.core -c '.logopen /nowhere/log.txt'
    [[ $output == *'/nowhere/log.txt'* ]]
}

@test "--json has what docs/schema/debug.md names for every command, and nothing else" {
    need_sample
    vvar=$(sed -n 's/-.*\[vvar\]$//p' maps)
    cat >commands <<COMMANDS
? 1; .formats 41; .echo x; .help k; .help; ~; r rip; r; r @\$t0=5; kn; kb; kv; k; kp; ln main
db sample_text; dw sample_words L4; d sample_words; dd sample_words L2; dc sample_text; du sample_wide
dq sample_words; da sample_text; dp sample_words; dps sample_pointers; db 0 L1; dps 0 L1; da 0
s -a sample_text L100 "found"; u main L3; ub @rip; uf sample_inner; lm; lm vm libc; lma main; x sample*
dt sample; dt -r sample sample_first; dt samp*; dt colour; dt sample_words; dt sample_second number
!address; !address @rsp; !address main; !address ${vvar:-@rsp}; .lastevent; .reload; .reload /f
bogus; ? 1+; .logopen l; .logappend l; .logclose; ~1s
~*k 1
q
COMMANDS
    status=0
    debug --json sample.core <commands >one.json || status=$?
    [ "$status" -eq 1 ]
    debug --json sample.dmp -c '~0s; lm; k; !address @rsp' >two.json
    "$build/tests/make/make-minidump" "$root/tests/golden/minidump/windows-x64.txt" win.dmp
    status=0
    debug --json win.dmp -c '.lastevent; ~; ~0s; r; lm; k; !address; .reload /f' >three.json ||
        status=$?
    [ "$status" -le 1 ]
    python3 "$root/tests/cli/debug-schema.py" "$root/docs/schema/debug.md" one.json two.json three.json
    # And a page that says something else is noticed.
    sed 's/`frames\[\].pc` | address/`frames[].pd` | address/' "$root/docs/schema/debug.md" >wrong.md
    run -1 python3 "$root/tests/cli/debug-schema.py" wrong.md one.json two.json three.json
    [[ $output == *'frames[].pd'* ]]
}

@test "every command has a section in docs/schema/debug.md" {
    need_sample
    debug --json sample.core -c .help | python3 -c '
import json, re, sys
page = open(sys.argv[1]).read()
words = re.findall(r"`([^`]+)`", "".join(re.findall("^## .*$", page, re.M)))
names = [item["name"] for item in json.load(sys.stdin)["results"][0]["commands"]]
missing = [name for name in names if name not in words]
sys.exit(f"no section for {missing}" if missing or len(names) < 15 else 0)' \
        "$root/docs/schema/debug.md"
}

@test "JSON stays whole when commands fail or the dump is damaged" {
    need_sample
    head -c 60000 sample.core >cut.core
    status=0
    debug --json cut.core -c '~*k; bogus; db sample_text' -c '? 1' >cut.json || status=$?
    [ "$status" -eq 1 ]
    python3 -c '
import json, sys
results = json.load(open(sys.argv[1]))["results"]
assert results[1]["error"]["code"] == "not-found", results[1]
assert results[-1]["value"] == "0x1", results[-1]' cut.json
}

@test "--sysroot looks for programs there" {
    need_sample
    mkdir -p other
    cp --parents "$PWD/sample" other
    run -0 debug --sysroot="$PWD/other" sample.core -c '.reload sample'
    [[ $output == *"$PWD/other$PWD/sample"* ]]
}

@test "a terminal: Tab, history, Ctrl-C at the prompt and in a command, Ctrl-D" {
    need_sample
    python3 "$root/tests/cli/debug-pty.py" "$dumpkit" sample.core
}

@test "an interrupt ends a script with status 130" {
    need_sample
    "$dumpkit" debug -q sample.core -c 'db 0 L?10000000' >long.txt 2>&1 3>&- &
    pid=$!
    for ((tries = 0; tries < 300; tries++)); do
        [ ! -s long.txt ] || break
        sleep 0.1
    done
    kill -INT "$pid"
    status=0
    wait "$pid" || status=$?
    tail -n 2 long.txt
    [ "$status" -eq 130 ]
}

@test "a 32-bit process: registers and stack are those that gdb shows" {
    need gdb
    cat >small.c <<'SOURCE'
static int wait_here(void)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(29)); /* pause */
    return result;
}
int small_inner(int depth)
{
    if (depth > 0)
        return small_inner(depth - 1) + 1;
    for (;;)
        wait_here();
}
void _start(void)
{
    small_inner(3);
}
SOURCE
    gcc -m32 -nostdlib -static -g -O0 -fno-pic -no-pie -fno-stack-protector -o small small.c ||
        skip "gcc -m32 makes no program"
    ./small 3>&- &
    pid=$!
    wait_for_pauses "$pid" 1 || skip "32-bit programs do not run here"
    status=0
    "$dumpkit" capture -q "pid:$pid" -o small.core || status=$?
    kill "$pid"
    [ "$status" -eq 0 ] || skip "capture is not possible here"
    debug --json small.core -c 'k; r' >small.json
    gdb -nx -batch -ex bt -ex 'info registers' small small.core >small.gdb 2>/dev/null
    python3 - small.json small.gdb <<'PYTHON'
import json, re, sys
stack, registers = json.load(open(sys.argv[1]))["results"]
told = open(sys.argv[2]).read()
frames = re.findall(r"^#\d+ +0x(\w+) in (\w+) .*:(\d+)$", told.split("#0", 2)[-1].join(["#0", ""]), re.M)
ours = [(int(frame["pc"], 16), frame["symbol"], frame["line"]) for frame in stack["frames"]]
assert ours == [(int(pc, 16), name, int(line)) for pc, name, line in frames], (ours, frames)
assert len(ours) == 6, ours
values = dict(re.findall(r"^(\w+) +(0x[0-9a-f]+) ", told, re.M))
compared = [name for name in registers["registers"] if name in values]
assert {"eax", "eip", "esp", "ebp"} <= set(compared), compared
for name in compared:
    assert int(registers["registers"][name], 16) == int(values[name], 16), (name, values[name])
PYTHON
}

@test "dumps that fixture writers made: registers are those that gdb shows" {
    need gdb
    for name in x86-64 x86; do
        "$build/tests/make/make-elfcore" "$root/tests/golden/elfcore/$name.txt" "made-$name"
        gdb -nx -batch -ex 'info registers' -c "made-$name" >made.gdb 2>/dev/null
        debug --json "made-$name" -c r >made.json
        python3 - made.json made.gdb <<'PYTHON'
import json, re, sys
ours = json.load(open(sys.argv[1]))["results"][0]["registers"]
theirs = dict(re.findall(r"^(\w+) +(0x[0-9a-f]+)\s", open(sys.argv[2]).read(), re.M))
compared = [name for name in ours if name in theirs]
assert len(compared) >= 10, (ours, theirs)
for name in compared:
    assert int(ours[name], 16) == int(theirs[name], 16), (name, ours[name], theirs[name])
PYTHON
    done
}
