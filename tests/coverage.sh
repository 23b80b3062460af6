#!/usr/bin/env bash
# Lines and branches of ws-proto that a test reaches, file by file. Fails below 98 % of the lines or 95 % of the branches.
# Needs the nightly compiler, for branches; installs cargo-llvm-cov if it is not there.
#
#   tests/coverage.sh [--html]     with a page of each file in target/llvm-cov/html
set -euo pipefail
cd "$(dirname "$0")/.."

rustup toolchain list | grep -q ^nightly || rustup toolchain install nightly --profile minimal
rustup component add --toolchain nightly llvm-tools
cargo llvm-cov --version >/dev/null 2>&1 || cargo install --locked cargo-llvm-cov

cargo +nightly llvm-cov --no-report --branch --all-features --tests -p ws-proto -p ws-std -p ws-tests
report() {
    cargo +nightly llvm-cov report --branch --ignore-filename-regex '/(tests|benches|ws-std|ws-cli)/' "$@"
}
[[ ${1-} != --html ]] || report --html
table=$(report)
printf '%s\n' "$table"
# The columns of the last line: regions, functions, lines and branches, each with what is missed and the rest in per cent.
awk '$1 == "TOTAL" { lines = $10 + 0; branches = $13 + 0 } END { exit !(lines >= 98 && branches >= 95) }' <<<"$table" || {
    echo "below 98 % of the lines or 95 % of the branches" >&2
    exit 1
}
