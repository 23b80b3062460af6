#!/usr/bin/env bash
# The gate: counts instructions and allocations for each message, and compares with what is committed in
# benches/gate/figures.txt. Fails if something differs by more than 2 %, to either side, or misses a promise.
#
#   benches/gate.sh [PART]             compare all, or the cases with PART in their name
#   benches/gate.sh --record           write down what is measured now
#   benches/gate.sh --show [PART]      only measure
#
# Installs valgrind if it is not there. Another compiler makes other instructions: the figures are for the one that
# rust-toolchain.toml names, so a change of it comes with new ones.
set -euo pipefail
usage=$(sed -n '2,/^set/{/^#/p}' "$0")
cd "$(dirname "$0")/.."

figures=benches/gate/figures.txt

if [[ $(uname -sm) != "Linux x86_64" ]] || ! grep -qw avx2 /proc/cpuinfo; then
    echo "the figures are for Linux on x86-64 with AVX2" >&2
    exit 2
fi
if ! command -v valgrind >/dev/null; then
    sudo=$([[ $(id -u) == 0 ]] || echo sudo)
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq valgrind
fi

# Flags or a toolchain from the environment would make other instructions, too.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTUP_TOOLCHAIN
gate() { cargo run --quiet --release --locked -p ws-bench --bin gate -- "$@"; }
made_by() { echo "# rustc $(rustc --version | cut -d' ' -f2), $(valgrind --version), glibc $(getconf GNU_LIBC_VERSION | cut -d' ' -f2)"; }

case ${1-} in
--record)
    gate record "$figures"
    sed -i "1i $(made_by)" "$figures"
    ;;
--show) gate show "${2-}" ;;
-*)
    echo "$usage" >&2
    exit 2
    ;;
*)
    if [[ $(head -n 1 "$figures") != "$(made_by)" ]]; then
        printf 'recorded with %s\nmeasured with %s\n\n' "$(head -n 1 "$figures" | cut -c3-)" "$(made_by | cut -c3-)"
    fi
    gate check "$figures" "${1-}"
    ;;
esac
