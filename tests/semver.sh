#!/usr/bin/env bash
# Whether the public API of all published libraries still is what it was: a break needs a new version. By
# cargo-semver-checks, which is installed if it is not there.
#
#   tests/semver.sh [REVISION]
#
# REVISION is a commit, branch or tag to compare with; without it, the latest release: the tag of the form v1.2.3 that is
# nearest in the history. Before the first release there is no such tag: name a revision.
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

echo "compared with $revision, $(git log -1 --format='%h %ci' "$commit"):"
# Crates that are not published are passed over; ws-command is a program, and has no API.
cargo semver-checks --workspace --exclude ws-command --all-features --baseline-rev "$commit"
