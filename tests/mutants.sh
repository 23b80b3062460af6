#!/usr/bin/env bash
# Mutants of ws-proto: small changes to its code, one at a time, each of which some test of it has to notice. Fails if one is
# not noticed that `.cargo/mutants.toml` does not list, with the reason. Installs cargo-mutants if it is not there.
#
#   tests/mutants.sh [options of cargo-mutants]
#
# All of them take hours: `--shard 0/50` tries a fiftieth, `--file ws-proto/src/mask.rs` those of a file. What came of each is
# in target/mutants.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo mutants --version >/dev/null 2>&1 || cargo install --locked cargo-mutants
mkdir -p target/mutants
cargo mutants --package ws-proto --all-features --no-shuffle --timeout 120 --output target/mutants "$@"
