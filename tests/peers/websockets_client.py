"""Checks a server with Python's websockets as the client.

usage: websockets_client.py [--deflate[=[PARAMETER[=BITS],...]]] ws://HOST:PORT ws://HOST:PORT

With --deflate it offers to compress as the library does of itself; with --deflate= with the parameters that follow:
those of RFC 7692, as in --deflate=server_no_context_takeover,client_max_window_bits=9.

The server offers the paths that websockets_server.py lists, /fragments and /report-close aside; the second URL is
where /limit is, for servers that have one limit for all paths. Prints a line `ok NAME` or `FAIL NAME: WHY` for each
check, then `N passed, N failed`; exit status 1 after a failure.
"""

import asyncio
import contextlib
import sys
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

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


def deflate():
    given = next((arg for arg in sys.argv if arg.startswith("--deflate")), None)
    if given in (None, "--deflate"):
        return {"compression": given and "deflate"}
    pairs = [param.partition("=") for param in given.removeprefix("--deflate=").split(",") if param]
    params = {name: int(bits) if bits else True for name, _, bits in pairs}
    return {"compression": None, "extensions": [ClientPerMessageDeflateFactory(**params)]}


@contextlib.asynccontextmanager
async def open_path(path, **options):
    ws = await connect(
        (limited if path == "/limit" else base) + path,
        ping_interval=None,
        close_timeout=TIMEOUT,
        max_size=None,
        proxy=None,
        **deflate(),
        **options,
    )
    try:
        yield ws
        await ws.close()
    finally:
        # After a failure nothing is known of the server, nor whether it would answer a Close.
        ws.transport.abort()


def pieces(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


async def closed_with(ws):
    """The code and reason of the Close frame that the server sends."""
    try:
        message = await ws.recv()
    except ConnectionClosed as closed:
        if closed.rcvd is None:
            raise AssertionError("the connection ended without a Close frame") from closed
        return closed.rcvd.code, closed.rcvd.reason
    raise AssertionError(f"a message, {str(message)[:80]!r}, instead of a Close frame")


def messages(size):
    yield "text", "abcdefghij" * (size // 10) + "k" * (size % 10)
    yield "chinese", ("万物并育而不相害" * (size // 24 + 1))[: size // 3]
    yield "json", "".join(f'{{"id": {i}, "name": "n{i * 7919 % 1009}"}}\n' for i in range(size // 20 + 1))[:size]
    yield "binary", bytes(i * 7 % 256 for i in range(size))


def echo_check(name, message):
    @check(name)
    async def _():
        async with open_path("/echo") as ws:
            await ws.send(message)
            expect("echo", await ws.recv(), message)


for size in SIZES:
    for kind, message in messages(size):
        echo_check(f"echo {kind} {size}", message)


@check("echo 1000 messages in flight")
async def _():
    async with open_path("/echo") as ws:
        sent = [f"{i} " * (i % 100) for i in range(1000)]
        for message in sent:
            await ws.send(message)
        expect("echoes", [await ws.recv() for _ in sent], sent)


# A fragment may end inside a character: 1000 is no multiple of 3.
for kind, message in messages(100_000):

    @check(f"fragmented {kind}")
    async def _(message=message):
        async with open_path("/echo") as ws:
            text = isinstance(message, str)
            await ws.send(pieces(message.encode() if text else message, 1000), text=text)
            expect("echo", await ws.recv(), message)


@check("fragmented, with a ping and its pong between the fragments")
async def _():
    async with open_path("/echo") as ws:

        async def fragments():
            yield "before, "
            await (await ws.ping("between"))
            yield "after"

        await ws.send(fragments())
        expect("echo", await ws.recv(), "before, after")


# The library resolves a ping only by a pong with the same payload.
for name, payload in ("", b""), ("text", "再见".encode()), ("125 bytes", bytes(range(125))):

    @check(f"ping {name or 'empty'}")
    async def _(payload=payload):
        async with open_path("/echo") as ws:
            await (await ws.ping(payload))


@check("50 pings at once, a pong for the last")
async def _():
    async with open_path("/echo") as ws:
        pongs = [await ws.ping(f"ping {i}") for i in range(50)]
        await pongs[-1]
        await ws.send("still there")
        expect("echo", await ws.recv(), "still there")


for code, reason in (1000, "done"), (1001, ""), (3000, "再见"), (4999, "r" * 123):

    @check(f"close {code}")
    async def _(code=code, reason=reason):
        async with open_path("/echo") as ws:
            await ws.close(code, reason)
            expect("code in the answer", (await closed_with(ws))[0], code)


for offered, chosen in (
    (["chat.v1"], "chat.v1"),
    (["chat.v1", "chat.v2"], "chat.v2"),
    (["other", "chat.v1"], "chat.v1"),
):

    @check(f"subprotocol {chosen} of {', '.join(offered)}")
    async def _(offered=offered, chosen=chosen):
        async with open_path("/subprotocol", subprotocols=offered) as ws:
            expect("subprotocol", ws.subprotocol, chosen)
            expect("first message", await ws.recv(), chosen)


@check("ping from the server")
async def _():
    async with open_path("/ping") as ws:
        expect("message after the pong", await ws.recv(), "polo")


for code, reason in (1000, "done"), (1001, ""), (3000, "再见"), (4999, "r" * 123):

    @check(f"close {code} from the server")
    async def _(code=code, reason=reason):
        async with open_path(f"/close?code={code}&reason={quote(reason)}") as ws:
            expect("close", await closed_with(ws), (code, reason))


@check("limit 1000 bytes is let through")
async def _():
    async with open_path("/limit") as ws:
        await ws.send("x" * 1000)
        expect("echo", await ws.recv(), "x" * 1000)


for name, message in (
    ("1001 bytes", "x" * 1001),
    ("1001 bytes in fragments", ["x" * 500, "x" * 501]),
    ("1000000 bytes", "x" * 1_000_000),
):

    @check(f"limit {name} is refused")
    async def _(message=message):
        async with open_path("/limit") as ws:
            # The refusal may overtake the message.
            with contextlib.suppress(ConnectionClosed):
                await ws.send(message)
            expect("close code", (await closed_with(ws))[0], 1009)


async def main():
    failed = 0
    for name, function in checks:
        try:
            async with asyncio.timeout(TIMEOUT):
                await function()
            print("ok", name, flush=True)
        except Exception as why:
            failed += 1
            print(f"FAIL {name}: {str(why) or type(why).__name__}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed > 0


base, limited = (url.rstrip("/") for url in sys.argv[-2:])
sys.exit(asyncio.run(main()))
