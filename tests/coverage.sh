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
    cargo +nightly llvm-cov report --branch --ignore-filename-regex '/(tests|benches|sio-proto|ws-http|ws-std|ws-tokio|ws-loop|ws-socketio|ws-command)/' "$@"
}
[[ ${1-} != --html ]] || report --html
report --lcov | cargo xtask coverage
