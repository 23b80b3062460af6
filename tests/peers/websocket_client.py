"""Checks a server with Python's websocket-client as the client.

usage: websocket_client.py ws://HOST:PORT ws://HOST:PORT

The server offers the paths that websockets_server.py lists, /fragments and /report-close aside; the second URL is
where /limit is, for servers that have one limit for all paths. Prints a line `ok NAME` or `FAIL NAME: WHY` for each
check, then `N passed, N failed`; exit status 1 after a failure.
"""

import contextlib
import struct
import sys
from urllib.parse import quote

from websocket import ABNF, create_connection

TIMEOUT = 30
SIZES = [0, 1, 125, 126, 65535, 65536, 1_000_000]

checks = []


def check(name):
    def add(function):
        checks.append((name, function))
        return function

    return add


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {str(got)[:80]!r} instead of {str(wanted)[:80]!r}")


@contextlib.contextmanager
def open_path(path, **options):
    url = (limited if path == "/limit" else base) + path
    ws = create_connection(url, timeout=TIMEOUT, http_no_proxy=["*"], **options)
    try:
        yield ws
    finally:
        ws.shutdown()


def send(ws, message):
    ws.send(message, ABNF.OPCODE_TEXT if isinstance(message, str) else ABNF.OPCODE_BINARY)


def send_fragment(ws, data, opcode, fin):
    ws.send_frame(ABNF.create_frame(data, opcode, fin))


def receive(ws):
    """The next message. `recv` would give an empty one for a Close."""
    opcode, data = ws.recv_data()
    if opcode == ABNF.OPCODE_CLOSE:
        raise AssertionError(f"closed: {parse_close(data)}")
    return data.decode() if opcode == ABNF.OPCODE_TEXT else data


def expect_echo(ws, message):
    expect("echo", receive(ws), message)


def parse_close(payload):
    return (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else (1005, "")


def closed_with(ws):
    """The code and reason of the Close frame that the server sends."""
    frame = ws.recv_frame()
    expect("opcode", frame.opcode, ABNF.OPCODE_CLOSE)
    return parse_close(frame.data)


def expect_end(ws):
    """The server ends the TCP connection, as RFC 6455 section 7.1.1 has it."""
    expect("bytes behind the Close", ws.sock.recv(1), b"")


def messages(size):
    yield "text", "abcdefghij" * (size // 10) + "k" * (size % 10)
    yield "chinese", ("万物并育而不相害" * (size // 24 + 1))[: size // 3]
    yield "binary", bytes(i * 7 % 256 for i in range(size))


for size in SIZES:
    for kind, message in messages(size):

        @check(f"echo {kind} {size}")
        def _(message=message):
            with open_path("/echo") as ws:
                send(ws, message)
                expect_echo(ws, message)


@check("echo 100 messages in flight")
def _():
    with open_path("/echo") as ws:
        sent = [f"{i} " * i for i in range(100)]
        for message in sent:
            send(ws, message)
        expect("echoes", [receive(ws) for _ in sent], sent)


# A fragment may end inside a character: 1000 is no multiple of 3.
for kind, message in messages(100_000):

    @check(f"fragmented {kind}")
    def _(message=message):
        text = isinstance(message, str)
        data = message.encode() if text else message
        with open_path("/echo") as ws:
            for start in range(0, len(data), 1000):
                opcode = ABNF.OPCODE_CONT if start else ABNF.OPCODE_TEXT if text else ABNF.OPCODE_BINARY
                send_fragment(ws, data[start : start + 1000], opcode, start + 1000 >= len(data))
            expect_echo(ws, message)


@check("fragmented, with a ping and its pong between the fragments")
def _():
    with open_path("/echo") as ws:
        send_fragment(ws, "before, ", ABNF.OPCODE_TEXT, 0)
        ws.ping("between")
        expect("pong", ws.recv_data(control_frame=True), (ABNF.OPCODE_PONG, b"between"))
        send_fragment(ws, b"", ABNF.OPCODE_CONT, 0)
        send_fragment(ws, b"after", ABNF.OPCODE_CONT, 1)
        expect_echo(ws, "before, after")


for name, payload in ("empty", b""), ("text", "再见".encode()), ("125 bytes", bytes(range(125))):

    @check(f"ping {name}")
    def _(payload=payload):
        with open_path("/echo") as ws:
            ws.ping(payload)
            expect("pong", ws.recv_data(control_frame=True), (ABNF.OPCODE_PONG, payload))


@check("50 pings at once, a pong for the last")
def _():
    with open_path("/echo") as ws:
        pings = [b"ping %d" % i for i in range(50)]
        for payload in pings:
            ws.ping(payload)
        # Pings but the last may go unanswered (RFC 6455 section 5.5.3); the answers keep their order.
        unanswered = iter(pings)
        pong = None
        while pong != pings[-1]:
            opcode, pong = ws.recv_data(control_frame=True)
            expect("opcode", opcode, ABNF.OPCODE_PONG)
            if pong not in unanswered:
                raise AssertionError(f"pong {pong!r} out of order")
        send(ws, "still there")
        expect_echo(ws, "still there")


for code, reason in (1000, "done"), (1001, ""), (3000, "再见"), (4999, "r" * 123):

    @check(f"close {code}")
    def _(code=code, reason=reason):
        with open_path("/echo") as ws:
            ws.send_close(code, reason)
            expect("code in the answer", closed_with(ws)[0], code)
            expect_end(ws)


@check("close without a code")
def _():
    with open_path("/echo") as ws:
        ws.send(b"", ABNF.OPCODE_CLOSE)
        code, _ = closed_with(ws)
        if code not in (1000, 1005):
            raise AssertionError(f"answered with {code}")
        expect_end(ws)


for offered, chosen in (
    (["chat.v1"], "chat.v1"),
    (["chat.v1", "chat.v2"], "chat.v2"),
    (["other", "chat.v1"], "chat.v1"),
):

    @check(f"subprotocol {chosen} of {', '.join(offered)}")
    def _(offered=offered, chosen=chosen):
        with open_path("/subprotocol", subprotocols=offered) as ws:
            expect("subprotocol", ws.subprotocol, chosen)
            expect("first message", receive(ws), chosen)


@check("ping from the server")
def _():
    with open_path("/ping") as ws:
        expect("ping", ws.recv_data(control_frame=True), (ABNF.OPCODE_PING, b"marco"))
        expect("message after the pong", receive(ws), "polo")


for code, reason in (1000, "done"), (1001, ""), (3000, "再见"), (4999, "r" * 123):

    @check(f"close {code} from the server")
    def _(code=code, reason=reason):
        with open_path(f"/close?code={code}&reason={quote(reason)}") as ws:
            expect("close", closed_with(ws), (code, reason))
            ws.send_close(code)
            expect_end(ws)


@check("limit 1000 bytes is let through")
def _():
    with open_path("/limit") as ws:
        send(ws, "x" * 1000)
        expect_echo(ws, "x" * 1000)


@check("limit 1001 bytes is refused")
def _():
    with open_path("/limit") as ws:
        send(ws, "x" * 1001)
        expect("close code", closed_with(ws)[0], 1009)


@check("limit 1001 bytes in fragments is refused")
def _():
    with open_path("/limit") as ws:
        send_fragment(ws, "x" * 500, ABNF.OPCODE_TEXT, 0)
        send_fragment(ws, "x" * 501, ABNF.OPCODE_CONT, 1)
        expect("close code", closed_with(ws)[0], 1009)


@check("limit 1000000 bytes is refused")
def _():
    with open_path("/limit") as ws:
        send(ws, "x" * 1_000_000)
        expect("close code", closed_with(ws)[0], 1009)


base, limited = (url.rstrip("/") for url in sys.argv[-2:])
failed = 0
for name, function in checks:
    try:
        function()
        print("ok", name, flush=True)
    except Exception as why:
        failed += 1
        print(f"FAIL {name}: {str(why) or type(why).__name__}", flush=True)
print(f"{len(checks) - failed} passed, {failed} failed")
sys.exit(failed > 0)
