#!/usr/bin/env bash
# Installs the peers of the interoperability tests: Python and node packages under target/peers, Debian's nginx, firefox,
# chromium with fonts, and two WebSocket libraries for Go and one for C, with which programs of ours are built under target/peers.
# What is there already is left as it is, but for these programs, which are built anew.
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
"$out/venv/bin/pip" --version >/dev/null 2>&1 || python3 -m venv --clear "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$peers/requirements.txt"
echo "peers: $("$out/venv/bin/python" --version), $("$out/venv/bin/pip" freeze | paste -sd ' ')"

need "nginx -v" nginx

need "npm --version" nodejs npm
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 18) ? 0 : 1)' ||
    die "node $(node --version) is too old: undici needs 20.18"
# A copy, because npm installs beside the package.json it reads.
cp "$peers/package.json" "$out/package.json"
npm install --prefix "$out" --no-audit --no-fund --no-package-lock --silent
# version PACKAGE: of a node package.
version() {
    echo "$1 $(node -p "require('./$out/node_modules/$1/package.json').version")"
}
echo "peers: node $(node --version), $(version ws), $(version undici), $(version socket.io), $(version socket.io-parser)"

need "openssl version" openssl

# Debian has the sources, and Go finds them without its module proxy.
go=/usr/share/gocode
need "go version" golang-go
need "test -d $go/src/github.com/gorilla/websocket" golang-github-gorilla-websocket-dev
need "test -d $go/src/nhooyr.io/websocket" golang-nhooyr-websocket-dev
for name in gorilla nhooyr; do
    GO111MODULE=off GOPATH=$go GOCACHE=$PWD/$out/go-cache go build -o "$out/$name" "$peers/go/$name.go" "$peers/go/messages.go"
done
need "cc --version" gcc libc6-dev
need "test -f /usr/include/libwebsockets.h" libwebsockets-dev
cc -O1 -Wall -Wextra -Werror -o "$out/lws" "$peers/lws.c" -lwebsockets
echo "peers: $(dpkg-query -W -f '${Package} ${Version}\n' golang-go golang-github-gorilla-websocket-dev \
    golang-nhooyr-websocket-dev libwebsockets-dev | paste -sd ',' | sed 's/,/, /g')"

# has_font LANGUAGE
has_font() {
    [[ -n $(fc-list ":lang=$1") ]]
}

need "firefox-esr --version" firefox-esr
need "chromium --version" chromium
# For the pictures of the chat page: without them Chinese and emoji are boxes.
need "has_font zh-cn" fontconfig fonts-wqy-microhei
need "has_font und-zsye" fontconfig fonts-noto-color-emoji
echo "peers: $(chromium --version 2>/dev/null), $(firefox-esr --version 2>/dev/null)"
