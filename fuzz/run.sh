#!/usr/bin/env bash
# Searches for inputs that break a property of `tests/src/property/`: each target for so many seconds, beginning with its
# committed corpus, as many targets at a time as there are processors. New inputs go to target/; an input that breaks
# something is left in artifacts/, and the exit code is not 0. `fuzz/ledger.sh` enters the logs into LEDGER.md.
#
#   fuzz/run.sh SECONDS [target …]
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?usage: fuzz/run.sh SECONDS [target …]}
shift
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cargo +nightly fuzz list)

dir=${CARGO_TARGET_DIR:-target}
mkdir -p "$dir/logs"

# No sanitizer: our own code is free of `unsafe`, and ten times as many inputs are tried without. What we depend on is not:
# SANITIZER=address looks at that.
build=(-s "${SANITIZER:-none}")
cargo +nightly fuzz build "${build[@]}"

# fuzz TARGET: its log says what came of it, and its exit code whether that was good.
fuzz() {
    # libFuzzer writes to the first directory only. Inputs may be long enough to pass every limit: `tests/tests/corpus.rs` looks.
    mkdir -p "$dir/corpus/$1"
    cargo +nightly fuzz run "${build[@]}" "$1" "$dir/corpus/$1" "corpus/$1" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 >"$dir/logs/$1.log" 2>&1
}

trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
failed=()
# reap PID=TARGET: takes note of how it ended.
reap() {
    wait "${1%%=*}" || failed+=("${1#*=}")
}
running=()
for target in "${targets[@]}"; do
    if ((${#running[@]} == $(nproc))); then
        reap "${running[0]}"
        running=("${running[@]:1}")
    fi
    fuzz "$target" &
    running+=("$!=$target")
done
for run in "${running[@]}"; do
    reap "$run"
done

for target in "${targets[@]}"; do
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/logs/$target.log")
    printf '%-20s %12s executions\n' "$target" "${executions:-?}"
done
for target in "${failed[@]}"; do
    log=$dir/logs/$target.log
    printf '\nfailed: %s\n' "$target"
    grep -A 9 -m 1 'panicked at' "$log" || tail -n 60 "$log"
    sed -n '/^Failing input/,/^Minimize/p' "$log"
done
((${#failed[@]} == 0))
