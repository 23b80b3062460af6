#!/usr/bin/env bash
# Searches for inputs for which a property of `tests/src/property.rs` does not hold: each target for so many seconds, beginning with its
# committed corpus. What is found on the way goes to target/; an input that breaks something is left in artifacts/, and the exit code is not 0.
#
#   fuzz/run.sh SECONDS [target …]
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?usage: fuzz/run.sh SECONDS [target …]}
shift
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cargo +nightly fuzz list)

dir=${CARGO_TARGET_DIR:-target}
failed=()
summary=
for target in "${targets[@]}"; do
    # libFuzzer writes to the first directory only.
    mkdir -p "$dir/corpus/$target" "$dir/logs"
    log=$dir/logs/$target.log
    # No sanitizer: the code is free of `unsafe`, and ten times as many inputs are tried without.
    if ! cargo +nightly fuzz run -s none "$target" "$dir/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=1024 -timeout=10 -print_final_stats=1 >"$log" 2>&1; then
        failed+=("$target")
        grep -A 9 -m 1 'panicked at' "$log" || tail -n 60 "$log"
        sed -n '/^Failing input/,/^Minimize/p' "$log"
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    summary+=$(printf '%-20s %12s executions' "$target" "${executions:-?}")$'\n'
done

printf '\n%s' "$summary"
if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[*]}"
    exit 1
fi
