"""Checks a server with python-socketio as the client.

usage: socketio_client.py TRANSPORT[,TRANSPORT] http://HOST:PORT

The transports are `polling` and `websocket`; with both, the session moves from the first to the second. In `/` and in
`/private` the server

    acknowledges `echo` with its arguments,
    sends `back` back as `forth`, with its arguments,
    asks `question` with the argument of `ask`, and acknowledges `ask` with the answer,
    has the client join the room of `join`, and leave that of `leave`,
    sends to others in a room what `say` has, as `said`: `say ROOM VALUE`,
    acknowledges `rooms` with the rooms, and `who` with what `login` said,
    puts the client out at `kick`.

`/private` lets nobody in whose credentials are not `{"token": "secret"}`: "who are you?", with the data `{"code": 1}`.
Prints a line `ok NAME` or `FAIL NAME: WHY` for each check, then `N passed, N failed`; exit status 1 after a failure.
"""

import asyncio
import contextlib
import sys
import threading
import time

import socketio

TIMEOUT = 30
SECRET = {"token": "secret"}
VALUES = [
    "text, 再见, \U0001f600, \x00\x1e\u2028",
    0,
    -1.5,
    None,
    True,
    [],
    {"a": [1, {"b": None}]},
    b"",
    bytes(range(256)),
    {"name": "x", "picture": b"\x01\x02", "more": [b"\x03", {"deep": b"\x04"}]},
    "x" * 400_000,
    b"\xff" * 200_000,
]

checks = []


def check(function):
    checks.append((function.__name__.replace("_", " "), function))
    return function


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {str(got)[:80]!r} instead of {str(wanted)[:80]!r}")


@contextlib.asynccontextmanager
async def client(auth=None, namespaces=("/",), handlers=None):
    sio = socketio.AsyncClient(reconnection=False)
    for name, handler in (handlers or {}).items():
        for namespace in namespaces:
            sio.on(name, handler, namespace=namespace)
    await sio.connect(url, auth=auth, namespaces=list(namespaces), transports=transports, wait_timeout=TIMEOUT)
    try:
        yield sio
    finally:
        await sio.disconnect()


@check
async def values_come_back_in_the_acknowledgement():
    async with client() as sio:
        for value in VALUES:
            expect("echo", await sio.call("echo", value, timeout=TIMEOUT), value)


@check
async def several_arguments_are_several():
    async with client() as sio:
        for args in (1, b"2"), ("a", [b"b", None], {}), tuple(range(20)):
            expect("echo", tuple(await sio.call("echo", args, timeout=TIMEOUT)), args)
        expect("no argument", await sio.call("echo", timeout=TIMEOUT), None)


@check
async def values_come_back_as_an_event():
    got = asyncio.Queue()
    async with client(handlers={"forth": lambda *args: got.put_nowait(args)}) as sio:
        for value in VALUES:
            await sio.emit("back", (value, 7))
            expect("event", await got.get(), (value, 7))


@check
async def the_server_asks_and_the_client_answers():
    async def question(value):
        return [value, value] if isinstance(value, list) else (value, b"bytes")

    async with client(handlers={"question": question}) as sio:
        expect("answers", await sio.call("ask", 1, timeout=TIMEOUT), (1, b"bytes"))


@check
async def a_thousand_events_come_in_order():
    got = []
    all_here = asyncio.Event()

    def forth(n):
        got.append(n)
        if len(got) == 1000:
            all_here.set()

    async with client(handlers={"forth": forth}) as sio:
        for n in range(1000):
            await sio.emit("back", n)
        await all_here.wait()
    expect("numbers", got, list(range(1000)))


@check
async def namespaces_share_a_connection():
    async with client(auth=SECRET, namespaces=("/", "/private")) as sio:
        expect("in /private", await sio.call("who", namespace="/private", timeout=TIMEOUT), "secret")
        expect("in /", await sio.call("echo", 1, timeout=TIMEOUT), 1)
        if sio.get_sid("/") == sio.get_sid("/private"):
            raise AssertionError("one id for two namespaces")


@check
async def who_is_refused_hears_why():
    heard = asyncio.Queue()
    sio = socketio.AsyncClient(reconnection=False)
    sio.on("connect_error", heard.put_nowait, namespace="/private")
    try:
        await sio.connect(url, auth={"token": "x"}, namespaces=["/private"], transports=transports)
    except socketio.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("it was let in")
    finally:
        await sio.disconnect()
    expect("reason", await heard.get(), {"message": "who are you?", "data": {"code": 1}})


@check
async def rooms_hear_what_is_for_them():
    heard = {name: asyncio.Queue() for name in "abc"}
    async with contextlib.AsyncExitStack() as stack:
        sio = {}
        for name in "abc":
            handlers = {"said": heard[name].put_nowait}
            sio[name] = await stack.enter_async_context(client(handlers=handlers))
        for name in "ab":
            await sio[name].call("join", "room", timeout=TIMEOUT)
        expect("rooms", await sio["a"].call("rooms", timeout=TIMEOUT), ["room"])
        await sio["a"].call("say", ("room", {"picture": b"\x01"}), timeout=TIMEOUT)
        expect("b hears", await heard["b"].get(), {"picture": b"\x01"})
        await sio["b"].call("leave", "room", timeout=TIMEOUT)
        await sio["c"].call("say", ("room", 2), timeout=TIMEOUT)
        expect("a hears", await heard["a"].get(), 2)
        # The id of a client is a room of its own.
        await sio["c"].call("say", (sio["b"].get_sid(), 3), timeout=TIMEOUT)
        expect("b hears", await heard["b"].get(), 3)
        await sio["c"].call("echo", 0, timeout=TIMEOUT)
        expect("unheard", [heard[name].qsize() for name in "abc"], [0, 0, 0])


@check
async def who_is_put_out_is_told():
    gone = asyncio.Event()
    async with client(handlers={"disconnect": lambda reason: gone.set()}) as sio:
        await sio.emit("kick")
        await gone.wait()


@check
async def a_client_that_waits_is_kept():
    async with client() as sio:
        # Three intervals of the server.
        await asyncio.sleep(3)
        expect("echo", await sio.call("echo", "still there", timeout=TIMEOUT), "still there")


@check
async def the_blocking_client_does_the_same():
    def run():
        heard = []
        here = threading.Event()
        sio = socketio.Client(reconnection=False)

        @sio.on("forth")
        def forth(*args):
            heard.append(args)
            here.set()

        sio.connect(url, transports=transports, wait_timeout=TIMEOUT)
        try:
            expect("echo", sio.call("echo", ("a", b"b"), timeout=TIMEOUT), ("a", b"b"))
            sio.emit("back", {"b": b"\x01"})
            if not here.wait(TIMEOUT):
                raise AssertionError("nothing came back")
            expect("event", heard, [({"b": b"\x01"},)])
        finally:
            sio.disconnect()

    await asyncio.to_thread(run)


@check
async def the_transport_is_what_was_asked_for():
    async with client() as sio:
        await sio.call("echo", 1, timeout=TIMEOUT)
        deadline = time.monotonic() + TIMEOUT
        while sio.transport() != transports[-1] and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        expect("transport", sio.transport(), transports[-1])


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


transports, url = sys.argv[1].split(","), sys.argv[2]
sys.exit(asyncio.run(main()))
