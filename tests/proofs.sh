#!/usr/bin/env bash
# Proofs by exhaustion and by tool. Needs rustup; installs what else a step needs.
#
#   tests/proofs.sh panics     no panic is reachable in the core without an allocator
#   tests/proofs.sh utf8       all 2^32 strings of four bytes; utf8 SLICE/OF for a part
#   tests/proofs.sh miri       ws-proto, on three targets; miri TARGET for one
#   tests/proofs.sh i686       ws-proto, ws-http and ws-std with pointers of 32 bits
#   tests/proofs.sh tsan       the threads of ws-std
set -euo pipefail
cd "$(dirname "$0")/.."

# The nightly, with these components.
nightly() {
    rustup toolchain list | grep -q ^nightly || rustup toolchain install nightly --profile minimal
    rustup component add --toolchain nightly "$@"
}

# Each program links, but for the one that may panic.
panics() {
    local target=$1 flags=$2 level program log
    rustup target add "$target"
    log=$(mktemp)
    for level in 3 s; do
        for program in codecs connection handshake unproven; do
            if RUSTFLAGS=$flags CARGO_PROFILE_RELEASE_OPT_LEVEL=$level cargo build --quiet --release \
                --manifest-path tests/no-panic/Cargo.toml --target "$target" --bin "$program" 2>"$log"; then
                echo "$target, opt-level $level: nothing in $program can panic"
                [[ $program != unproven ]] || { echo "then it is to be proven" >&2; return 1; }
            elif [[ $program == unproven ]] && grep -q "undefined symbol: this_can_panic" "$log"; then
                echo "$target, opt-level $level: $program can, and does not link"
            else
                cat "$log" >&2
                return 1
            fi
        done
    done
    rm "$log"
}

miri() {
    # Unit tests, and those files whose cases are few and short; Miri would take hours for the others.
    local file files=()
    for file in frames/{header_table,rfc,rfc7692,words} session/{edges,liveness,watched}; do
        ls "ws-proto/tests/$file.rs" >/dev/null
        files+=("${file#*/}::")
    done
    cargo +nightly miri test --package ws-proto --all-features --lib --target "$1"
    cargo +nightly miri test --package ws-proto --all-features --test frames --test session --target "$1" -- "${files[@]}"
}

case ${1-} in
panics)
    panics thumbv7em-none-eabihf ""
    # The entry is ours; of the C library only what copies and compares memory is taken.
    panics x86_64-unknown-linux-gnu \
        "-Ctarget-feature=+crt-static -Crelocation-model=static -Clink-arg=-nostartfiles -Clink-arg=-lc"
    ;;
utf8)
    cargo run --release --package ws-tests --example utf8 -- "${@:2}"
    ;;
miri)
    nightly miri rust-src
    # They run on one processor each.
    running=()
    for target in ${2-x86_64-unknown-linux-gnu i686-unknown-linux-gnu s390x-unknown-linux-gnu}; do
        miri "$target" 2>&1 | while IFS= read -r line; do echo "${target%%-*}: $line"; done &
        running+=($!)
    done
    for run in "${running[@]}"; do
        wait "$run"
    done
    ;;
i686)
    rustup target add i686-unknown-linux-musl
    # No C compiler for that target is needed.
    export RUSTFLAGS="-Clinker=rust-lld -Clinker-flavor=ld.lld" CARGO_BUILD_TARGET=i686-unknown-linux-musl
    # TLS stands on ring, which has C in it.
    cargo build --package ws-std --features deflate,idn --examples
    cargo test --package ws-proto --all-features --lib --tests
    cargo test --package ws-http --features idn --lib --tests
    cargo test --package ws-std --features deflate,idn --lib --tests
    ;;
tsan)
    nightly rust-src
    # Each file of tests of its own is not worth a minute: these are about halves, groups and ends.
    RUSTFLAGS=-Zsanitizer=thread cargo +nightly test -Zbuild-std --target x86_64-unknown-linux-gnu \
        --package ws-std --test connection -- threads:: closing:: messages::
    ;;
*)
    echo "usage: tests/proofs.sh panics | utf8 [SLICE/OF] | miri [TARGET] | i686 | tsan" >&2
    exit 2
    ;;
esac
