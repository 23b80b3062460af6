#!/usr/bin/env bash
# Enters runs into LEDGER.md, from the logs that libFuzzer wrote with -print_final_stats=1: `TARGET.log`, or
# `TARGET.anything.log`. It passes over a log that was entered, and over one of a run that has not ended. COMMIT names
# the commit that was run, if it is not this one. The exit code is not 0 if a target has never been run.
#
#   fuzz/ledger.sh LOG …
set -euo pipefail
ledger=$(cd "$(dirname "$0")" && pwd)/LEDGER.md
manifest=${ledger%/*}/Cargo.toml
commit=${COMMIT:-$(git -C "${ledger%/*}" describe --always --exclude='*' --dirty=+)}

# Parsers that do little; the others do more for each input.
cheap=' header utf8 close '

runs=$(grep -E '^\| [0-9]{4}-' "$ledger" 2>/dev/null || true)
for log in "$@"; do
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [[ -z $executions ]]; then
        echo "$log: has not ended" >&2
        continue
    fi
    id=$(sha256sum <"$log" | cut -c -12)
    if [[ $runs == *" $id |"* ]]; then
        continue
    fi
    name=${log##*/}
    # A run that found something is not "Done"; it tells its speed.
    seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second(s)$/\1/p' "$log")
    speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    [[ -n $seconds ]] || seconds=$((executions / (speed > 0 ? speed : 1)))
    run=$(printf '| %s | %s | %s | %d | %d | %s |' "$(date -u -r "$log" +%F)" "$commit" "${name%%.*}" "$executions" "$seconds" "$id")
    runs+=${runs:+$'\n'}$run
done

never=0
total() {
    awk -F ' *[|] *' -v target="$1" '$4 == target { sum += $5 } END { printf "%.0f", sum }' <<<"$runs"
}
{
    cat <<'TEXT'
# How often each target was run

By `fuzz/ledger.sh`, from the logs of libFuzzer; nothing here is written by hand. The goal is 10^8 executions of the
parsers that do little for each input, and 10^7 of the others. What `.ci/run` executes with each change comes on top.

| target | executions | goal | reached |
|---|---|---|---|
TEXT
    while read -r target; do
        sum=$(total "$target")
        goal=10000000
        [[ $cheap != *" $target "* ]] || goal=100000000
        reached=no
        ((sum < goal)) || reached=yes
        printf '| %s | %s | %s | %s |\n' "$target" "$sum" "$goal" "$reached"
        ((sum)) || never=1
    done < <(sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"$/\1/p}' "$manifest")
    cat <<'TEXT'

## Runs

| date | commit | target | executions | seconds | log |
|---|---|---|---|---|---|
TEXT
    [[ -z $runs ]] || printf '%s\n' "$runs"
} >"$ledger.new"
mv "$ledger.new" "$ledger"
((never == 0))
