#!/usr/bin/env bash
# Runs the Autobahn testsuite against this workspace and compares every case with tests/autobahn-expected.txt.
#
#   tests/autobahn.sh server|client|all [cases]       cases: as in  6.*  or  1.*,2.*,9.1.1
#
# The testsuite (`wstest`) is the one on PATH; else it is installed into target/autobahn with a Python 2.7 (on PATH or
# pyenv's), which is the only Python it runs on; else it runs from its Docker image. Reports for reading in a browser:
# target/autobahn/ROLE/index.html, for ws-tokio target/autobahn/tokio/ROLE/index.html.
#
# Ours are those of ws-std; with WS_ADAPTER=tokio they are those of ws-tokio. Another program can stand in, to compare:
#   WS_SERVE   command of an echo server on /echo that prints a line `listening ... PORT`
#   WS_CLIENT  command of a testee client; the URL of the fuzzing server is appended
set -euo pipefail
cd "$(dirname "$0")/.."

# All sections there are: 12 and 13 are about compression, and there is no 8 and no 11.
default_cases='1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*,12.*,13.*'
# Nothing here takes longer; a hang ends with an error instead of never.
limit=1800

role=${1-}
cases=${2-$default_cases}
if [[ ! $role =~ ^(server|client|all)$ || ! $cases =~ ^[0-9][0-9.*,]*$ ]]; then
    echo "usage: tests/autobahn.sh server|client|all [cases, for example 1.*,6.4.*]" >&2
    exit 2
fi

out=$PWD/target/autobahn
# Where the testsuite is installed.
venv=$out/venv
bin=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
expected=$PWD/tests/autobahn-expected.txt
# Finds a free port, and compares reports.
report=$bin/examples/autobahn_report
mkdir -p "$out"

# Reports of one adapter do not end up among those of the other.
case ${WS_ADAPTER-std} in
std) ;;
tokio)
    out+=/tokio
    mkdir -p "$out"
    WS_SERVE=${WS_SERVE-$bin/examples/autobahn_tokio serve}
    WS_CLIENT=${WS_CLIENT-$bin/examples/autobahn_tokio connect}
    ;;
*)
    echo "autobahn: no such adapter: $WS_ADAPTER" >&2
    exit 2
    ;;
esac

pids=()
end_processes() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    pids=()
}
trap end_processes EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
    echo "autobahn: $1" >&2
    exit 1
}

# The run goes on: its report says more.
failed() {
    echo "autobahn: $1" >&2
    status=1
}

python27() {
    local python
    for python in python2.7 "$(pyenv root 2>/dev/null || true)"/versions/2.7*/bin/python; do
        if "$python" -c 'import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

# Sets `wstest` to the command that runs the testsuite.
find_wstest() {
    local python
    # Asked to run, not only looked up: the newest release on the package index does not start.
    if wstest --help >/dev/null 2>&1; then
        wstest=(wstest)
    elif [[ -x $venv/bin/wstest ]]; then
        wstest=("$venv/bin/wstest")
    elif python=$(python27); then
        echo "autobahn: installing the testsuite into target/autobahn/venv"
        {
            "$python" -m pip install --upgrade --target "$out/virtualenv" virtualenv==20.15.1 &&
                PYTHONPATH=$out/virtualenv "$python" -m virtualenv --clear "$venv" &&
                "$venv/bin/pip" install autobahntestsuite==0.8.2
        } >"$out/install.log" 2>&1 || { tail -n 20 "$out/install.log" >&2; die "the testsuite could not be installed"; }
        wstest=("$venv/bin/wstest")
    elif docker info >/dev/null 2>&1; then
        wstest=(docker run --rm --init --network host --user "$(id -u):$(id -g)" --volume "$out:$out"
            crossbario/autobahn-testsuite wstest)
    else
        die "needs one of: wstest on PATH, Python 2.7 with pip (on PATH or pyenv's), a running Docker"
    fi
}

# start LOG COMMAND...: in the background, so that a signal ends this script and everything it started at once.
start() {
    local log=$out/$1
    shift
    # Emptied here: the redirection happens in the child, and what an earlier run said must not be read meanwhile.
    : >"$log"
    timeout "$limit" "$@" >>"$log" 2>&1 &
    pids+=($!)
}

# start_wstest MODE SPEC
start_wstest() {
    echo "{\"outdir\": \"$out/$role\", \"cases\": [\"${cases//,/\",\"}\"], $2}" >"$out/$role.json"
    rm -rf "${out:?}/$role"
    mkdir "$out/$role"
    start "$role-wstest.log" "${wstest[@]}" --mode "$1" --spec "$out/$role.json" --webport 0
}

# wait_more LOG DEADLINE: a moment, while the process started last is still there and it is not too late.
wait_more() {
    if ! kill -0 "${pids[-1]}" 2>/dev/null || ((SECONDS > $2)); then
        tail -n 20 "$out/$1" >&2
        die "a program did not start, see target/autobahn/$1"
    fi
    sleep 0.1
}

server_says_port() {
    local line
    while read -r line; do
        if [[ $line =~ ^listening\ (.*[^0-9])?([0-9]+)/?$ ]]; then
            port=${BASH_REMATCH[2]}
            return
        fi
    done <"$out/server-testee.log"
    return 1
}

build_server() { cargo build --release -p ws-command; }
build_client() { cargo build --release -p ws-tests --example autobahn_client; }
build_adapter() { cargo build --release -p ws-tests --example autobahn_tokio; }
build_report() { cargo build --release -p ws-tests --example autobahn_report; }

test_server() {
    local serve port deadline
    if [[ -n ${WS_SERVE-} ]]; then
        read -ra serve <<<"$WS_SERVE"
    else
        build_server
        # Section 9 echoes messages of 16 MiB, and of 4 MiB in fragments of 64 bytes.
        serve=("$bin/ws" serve --listen 127.0.0.1:0 --max-message 67108864 --max-fragments 131072
            --deflate --window-bits 15 --takeover)
    fi
    start server-testee.log "${serve[@]}"
    deadline=$((SECONDS + 60))
    until server_says_port; do wait_more server-testee.log "$deadline"; done
    start_wstest fuzzingclient "\"servers\": [{\"agent\": \"server\", \"url\": \"ws://127.0.0.1:$port/echo\"}]"
    wait "${pids[-1]}" || failed "wstest failed, see target/autobahn/server-wstest.log"
}

port_answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

test_client() {
    local client port deadline
    if [[ -n ${WS_CLIENT-} ]]; then
        read -ra client <<<"$WS_CLIENT"
    else
        build_client
        client=("$bin/examples/autobahn_client")
    fi
    port=$("$report" port)
    start_wstest fuzzingserver "\"url\": \"ws://127.0.0.1:$port\""
    deadline=$((SECONDS + 60))
    until port_answers; do wait_more client-wstest.log "$deadline"; done
    start client-testee.log "${client[@]}" "ws://127.0.0.1:$port"
    wait "${pids[-1]}" || failed "the client failed, see target/autobahn/client-testee.log"
}

# Compares the report with the expected list: lines of `case behavior behaviorClose`.
compare() {
    "$report" compare "$role" "$cases" "$expected" "$out/$role/index.json"
}

# Both roles at once: most of the time is the testsuite's own, one processor each.
test_all() {
    if [[ -z ${WS_SERVE-} ]]; then build_server; fi
    if [[ -z ${WS_CLIENT-} ]]; then build_client; fi
    local role
    for role in server client; do
        tests/autobahn.sh "$role" "$cases" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || status=1
    done
}

status=0
find_wstest
build_report
[[ -z ${WS_ADAPTER-} ]] || build_adapter
case $role in
all) test_all ;;
*)
    "test_$role"
    end_processes
    compare || status=1
    ;;
esac
exit "$status"
