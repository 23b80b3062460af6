#!/usr/bin/env bash
# Installs the peers of the interoperability tests: Python and node packages under target/peers, and Debian's nginx, and
# chromium with fonts.
# What is there already is left as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."

peers=tests/peers
out=target/peers
# Where Debian has nginx, and not every user looks.
PATH=$PATH:/usr/sbin

die() {
    echo "peers: $1" >&2
    exit 1
}

# need COMMAND PACKAGE...: from Debian's packages unless the command succeeds.
need() {
    local command=$1 sudo=()
    shift
    if $command >/dev/null 2>&1; then
        return
    fi
    echo "peers: \`$command\` fails; installing $*"
    command -v apt-get >/dev/null || die "no apt-get here: install $* by hand"
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null
    $command >/dev/null 2>&1 || die "\`$command\` fails after installing $*"
}

mkdir -p "$out"

need "python3 -m ensurepip --version" python3-venv
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$(python3 --version) is too old: websockets needs 3.11"
[[ -x $out/venv/bin/pip ]] || python3 -m venv --clear "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$peers/requirements.txt"
echo "peers: $("$out/venv/bin/python" --version), $("$out/venv/bin/pip" freeze | paste -sd ' ')"

need "nginx -v" nginx

need "npm --version" nodejs npm
# A copy, because npm installs beside the package.json it reads.
cp "$peers/package.json" "$out/package.json"
npm install --prefix "$out" --no-audit --no-fund --no-package-lock --silent
echo "peers: node $(node --version), ws $(node -p "require('./$out/node_modules/ws/package.json').version")"

# has_font LANGUAGE
has_font() {
    [[ -n $(fc-list ":lang=$1") ]]
}

need "chromium --version" chromium
# For the pictures of the chat page: without them Chinese and emoji are boxes.
need "has_font zh-cn" fontconfig fonts-wqy-microhei
need "has_font und-zsye" fontconfig fonts-noto-color-emoji
echo "peers: $(chromium --version 2>/dev/null)"
