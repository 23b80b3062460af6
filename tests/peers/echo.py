"""Echoes, with one of Python's libraries at either end, and compressed as far as the library does.

usage: echo.py LIBRARY server [--takeover]
       echo.py LIBRARY client [--takeover] ws://HOST:PORT/PATH

LIBRARY is tornado, aiohttp or websockets. A server prints `listening PORT`, and sends every message back until it is
ended. A client sends ten messages of each size, text and binary, and expects each back before it sends the next; then
it prints `echoed N` and closes. With --takeover messages may refer to those before, as far as the library lets one
choose: aiohttp's client never asks for anything else, nor Tornado's.
"""

import asyncio
import sys

SIZES = [0, 1, 125, 126, 1 << 10, 64 << 10, 1 << 20]
LINE = "message %d says for the %d. time that all work and no play makes Jack a dull boy\n"
MAX = 4 << 20


def messages():
    for size in SIZES:
        for i in range(10):
            line = LINE % (size, i)
            yield (line * (size // len(line) + 1))[:size]
            octets = bytes((at * 7 + i) % 251 for at in range(251))
            yield (octets * (size // 251 + 1))[:size]


async def converse(send, receive):
    count = 0
    for message in messages():
        await send(message)
        got = await receive()
        if got != message:
            sys.exit(f"{got!r:.80} instead of {message!r:.80}")
        count += 1
    print("echoed", count, flush=True)


def listening(port):
    print("listening", port, flush=True)


async def tornado_server(takeover):
    from tornado import httpserver, netutil, web, websocket

    class Echo(websocket.WebSocketHandler):
        def get_compression_options(self):
            return {}

        async def on_message(self, message):
            await self.write_message(message, binary=isinstance(message, bytes))

    server = httpserver.HTTPServer(web.Application([("/echo", Echo)], websocket_max_message_size=MAX))
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    listening(sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def tornado_client(url, takeover):
    from tornado import websocket

    ws = await websocket.websocket_connect(url, compression_options={}, max_message_size=MAX)
    await converse(lambda message: ws.write_message(message, isinstance(message, bytes)), ws.read_message)
    ws.close()
    assert await ws.read_message() is None


async def aiohttp_server(takeover):
    from aiohttp import web

    async def echo(request):
        ws = web.WebSocketResponse(compress=True, max_msg_size=MAX)
        await ws.prepare(request)
        async for message in ws:
            await (ws.send_str if isinstance(message.data, str) else ws.send_bytes)(message.data)
        return ws

    app = web.Application()
    app.add_routes([web.get("/echo", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listening(runner.addresses[0][1])
    await asyncio.Event().wait()


async def aiohttp_client(url, takeover):
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, compress=15, max_msg_size=MAX) as ws:

            async def send(message):
                await (ws.send_str if isinstance(message, str) else ws.send_bytes)(message)

            async def receive():
                return (await ws.receive()).data

            await converse(send, receive)


def websockets_extension(factory, takeover):
    return [factory(server_no_context_takeover=not takeover, client_no_context_takeover=not takeover)]


async def websockets_server(takeover):
    from websockets.asyncio.server import serve
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    extensions = websockets_extension(ServerPerMessageDeflateFactory, takeover)
    async with serve(echo, "127.0.0.1", 0, compression=None, extensions=extensions, max_size=MAX) as server:
        listening(server.sockets[0].getsockname()[1])
        await server.serve_forever()


async def websockets_client(url, takeover):
    from websockets.asyncio.client import connect
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    extensions = websockets_extension(ClientPerMessageDeflateFactory, takeover)
    async with connect(url, compression=None, extensions=extensions, max_size=MAX) as ws:
        await converse(ws.send, ws.recv)


library, role, *rest = sys.argv[1:]
takeover = "--takeover" in rest
urls = [argument for argument in rest if argument.startswith("ws://")]
asyncio.run(globals()[f"{library}_{role}"](*urls, takeover))
