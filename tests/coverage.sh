#!/usr/bin/env bash
# Lines and branches of ws-proto that a test reaches, file by file, without the tests at the end of each file. Fails below 98 %
# of the lines or 95 % of the branches. Needs the nightly compiler, for branches; installs cargo-llvm-cov if it is not there.
#
#   tests/coverage.sh [--html]     with a page of each file in target/llvm-cov/html
set -euo pipefail
cd "$(dirname "$0")/.."

rustup toolchain list | grep -q ^nightly || rustup toolchain install nightly --profile minimal
rustup component add --toolchain nightly llvm-tools
cargo llvm-cov --version >/dev/null 2>&1 || cargo install --locked cargo-llvm-cov

# What an earlier run has left, programs too, is of other code.
cargo +nightly llvm-cov clean --workspace
cargo +nightly llvm-cov --no-report --branch --all-features --tests -p ws-proto -p ws-tests
report() {
    cargo +nightly llvm-cov report --branch --ignore-filename-regex '/(tests|benches|ws-http|ws-std|ws-command)/' "$@"
}
[[ ${1-} != --html ]] || report --html
# What lcov says of a line is DA:line,hits, of a branch BRDA:line,block,branch,hits, where `-` is a line that was not reached.
report --lcov | awk -F '[:,]' '
    $1 == "SF" {
        name = file = $2
        sub(/.*\/ws-proto\//, "", name)
        files[++count] = name
        tests = 0
        for (line = 1; (getline text < file) > 0; line++) {
            if (text ~ /^#\[cfg\((all\()?test[,)]/) tests = line
        }
        close(file)
    }
    ($1 == "DA" || $1 == "BRDA") && tests && $2 > tests { next }
    $1 == "DA" { lines[name]++; if ($3 > 0) reached[name]++; else missed[name] = missed[name] " " $2 }
    $1 == "BRDA" { branches[name]++; if ($5 > 0) taken[name]++; else open[name] = open[name] " " $2 }
    function percent(part, all) { return all ? 100 * part / all : 100 }
    END {
        for (i = 1; i <= count; i++) {
            name = files[i]
            printf "%-32s lines %4d/%-4d branches %4d/%-4d", name, reached[name], lines[name], taken[name], branches[name]
            if (missed[name]) printf "  lines not reached:%s", missed[name]
            if (open[name]) printf "  branches not taken:%s", open[name]
            print ""
            r += reached[name]; l += lines[name]; t += taken[name]; b += branches[name]
        }
        printf "in all: %.2f %% of %d lines, %.2f %% of %d branches\n", percent(r, l), l, percent(t, b), b
        exit !(l && b && percent(r, l) >= 98 && percent(t, b) >= 95)
    }'
