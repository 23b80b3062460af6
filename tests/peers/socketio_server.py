"""A server on python-socketio, for our client to talk to. What it does, socketio_server.js does, too.

usage: socketio_server.py [PORT [CHAIN KEY]]

Prints `listening PORT`, then serves until it is ended: over TLS with a certificate, in PEM, and its key.

/         `echo` is acknowledged with its arguments
          `back` comes back as `forth`, with its arguments
          `ask` with a value is asked back as `question`; the answer is sent as `answered`
          `drop` ends the connection
/imchat   `chat` is kept, and `list` acknowledged with all that was, once
          `leave` puts the client out
/private  lets nobody in who has not the token `secret`
"""

import asyncio
import sys

import socketio
import uvicorn

# Nobody is woken by a ping who should have been woken by something else.
sio = socketio.AsyncServer(async_mode="asgi", ping_interval=300, ping_timeout=20, max_http_buffer_size=10_000_000)
kept = []


@sio.event
async def echo(sid, *args):
    return args


@sio.event
async def back(sid, *args):
    await sio.emit("forth", args, to=sid)


@sio.event
async def ask(sid, value):
    async def task():
        answer = await sio.call("question", value, to=sid)
        await sio.emit("answered", answer, to=sid)

    sio.start_background_task(task)


@sio.event
async def drop(sid):
    await sio.eio.disconnect(sio.manager.eio_sid_from_sid(sid, "/"))


@sio.event(namespace="/imchat")
async def chat(sid, value):
    kept.append(value)


@sio.on("list", namespace="/imchat")
async def list_kept(sid):
    said, kept[:] = kept[:], []
    return said


@sio.event(namespace="/imchat")
async def leave(sid):
    await sio.disconnect(sid, namespace="/imchat")


@sio.on("connect", namespace="/private")
async def connect_private(sid, environ, auth):
    if (auth or {}).get("token") != "secret":
        raise socketio.exceptions.ConnectionRefusedError("who are you?", {"code": 1})


@sio.on("*", namespace="/private")
async def nothing(event, sid, *args):
    pass


async def main():
    # Its guest in aiohttp reads no more of a body than has come so far.
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    tls = dict(zip(("ssl_certfile", "ssl_keyfile"), sys.argv[2:4]))
    app = socketio.ASGIApp(sio)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="wsproto", **tls)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("listening", server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


asyncio.run(main())
