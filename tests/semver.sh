#!/usr/bin/env bash
# Whether the public API of each published library still is what it was: a break needs a new version.
#
#   tests/semver.sh [REVISION]
#
# REVISION is a commit, branch or tag to compare with; without it, the latest release: the tag of the form v1.2.3 that is
# nearest in the history. Before the first release there is no such tag: name a revision.
#
# It needs that revision in the history of this clone (a shallow one may lack it), a network to fetch what the crates
# depended on then, and cargo-semver-checks, which it installs if it is not there. The libraries are the packages of this
# folder with a src/lib.rs that are not `publish = false`; one that the revision does not have yet has nothing to break.
set -euo pipefail
cd "$(dirname "$0")/.."

if (($# > 1)) || [[ ${1-} == -* ]]; then
    echo "usage: tests/semver.sh [REVISION]" >&2
    exit 2
fi
if (($# == 1)); then
    revision=$1
elif ! revision=$(git describe --tags --abbrev=0 --match 'v[0-9]*' HEAD 2>/dev/null); then
    echo "tests/semver.sh: no release yet (no tag v* before HEAD); name the revision to compare with" >&2
    exit 2
fi
if ! commit=$(git rev-parse --verify --quiet --end-of-options "$revision^{commit}"); then
    echo "tests/semver.sh: no such revision: $revision" >&2
    exit 2
fi

cargo semver-checks --version >/dev/null 2>&1 || cargo install --locked cargo-semver-checks

libraries=()
for library in */src/lib.rs; do
    package=${library%%/*}
    if grep -q '^publish = false' "$package/Cargo.toml"; then
        continue
    elif git cat-file -e "$commit:$library" 2>/dev/null; then
        libraries+=(--package "$package")
    else
        echo "$package is new since $revision"
    fi
done
if ((${#libraries[@]} == 0)); then
    echo "tests/semver.sh: $revision has none of the libraries" >&2
    exit 2
fi

echo "compared with $revision, $(git log -1 --format='%h %ci' "$commit"): ${libraries[*]}"
cargo semver-checks "${libraries[@]}" --all-features --baseline-rev "$commit"
