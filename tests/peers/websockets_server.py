"""A server on Python's websockets, for our client to talk to.

usage: websockets_server.py [--deflate[=[PARAMETER[=BITS],...]]]

With --deflate it agrees to compress as the library does of itself; with --deflate= to the parameters that follow: those
of RFC 7692, as in --deflate=server_no_context_takeover,client_max_window_bits=9.

Prints `listening PORT`, then serves until it is ended. The path selects what it does:

/echo                   sends every message back
/fragments              the same, in fragments of at most 1000 bytes, at least two, cut inside characters too
/ping                   pings with the payload `marco`; at the pong sends the text `polo`
/close?code=C&reason=R  closes at once
/subprotocol            prefers chat.v2 to chat.v1; sends the one agreed on as text, or an empty text
/limit                  /echo for messages up to 1000 bytes; longer ones are refused with 1009
/report-close           /echo; when the connection has ended, prints `closed CODE REASON`
"""

import asyncio
import contextlib
import sys
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def echo(ws, query):
    async for message in ws:
        await ws.send(message)


async def fragments(ws, query):
    async for message in ws:
        text = isinstance(message, str)
        data = message.encode() if text else message
        size = max(1, min(1000, (len(data) + 1) // 2))
        # Without a piece nothing would be sent. An empty final fragment is added by the library.
        pieces = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
        await ws.send(pieces, text=text)


async def ping(ws, query):
    await (await ws.ping("marco"))
    await ws.send("polo")
    await ws.wait_closed()


async def close(ws, query):
    await ws.close(int(query["code"][0]), query.get("reason", [""])[0])


async def subprotocol(ws, query):
    await ws.send(ws.subprotocol or "")
    await ws.wait_closed()


async def report_close(ws, query):
    with contextlib.suppress(ConnectionClosed):
        await echo(ws, query)
    print("closed", ws.close_code, ws.close_reason, flush=True)


ROUTES = {
    "/echo": echo,
    "/fragments": fragments,
    "/ping": ping,
    "/close": close,
    "/subprotocol": subprotocol,
    "/limit": echo,
    "/report-close": report_close,
}


def process_request(ws, request):
    path = urlsplit(request.path).path
    if path not in ROUTES:
        return ws.respond(404, "no such path\n")
    if path == "/limit":
        # The library sets limits for a whole server; before the handshake nothing has been measured yet.
        ws.protocol.max_message_size = 1000


def select_subprotocol(ws, offered):
    if urlsplit(ws.request.path).path == "/subprotocol":
        return next((name for name in ("chat.v2", "chat.v1") if name in offered), None)


async def handle(ws):
    url = urlsplit(ws.request.path)
    # How a connection ended is the client's to check.
    with contextlib.suppress(ConnectionClosed):
        await ROUTES[url.path](ws, parse_qs(url.query))


def deflate():
    given = next((arg for arg in sys.argv if arg.startswith("--deflate")), None)
    if given in (None, "--deflate"):
        return {"compression": given and "deflate"}
    pairs = [param.partition("=") for param in given.removeprefix("--deflate=").split(",") if param]
    params = {name: int(bits) if bits else True for name, _, bits in pairs}
    return {"compression": None, "extensions": [ServerPerMessageDeflateFactory(**params)]}


async def main():
    async with serve(
        handle,
        "127.0.0.1",
        0,
        process_request=process_request,
        select_subprotocol=select_subprotocol,
        **deflate(),
        max_size=64 << 20,
        ping_interval=None,
    ) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
