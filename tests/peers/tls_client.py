"""Clients by Python's websockets and websocket-client over TLS: tls_client.py PORT CA [CHAIN KEY]. Each sends messages of
many lengths to the host chat.example at that port of this machine, and expects them back. Prints `ok` for each client.
"""

import socket
import ssl
import sys

import websocket
from websockets.sync.client import connect

port, ca, *own = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if own:
    context.load_cert_chain(*own)
lengths = [0, 1, 125, 126, 16383, 16384, 16385, 65536, 1_000_000]

for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
    context.minimum_version = context.maximum_version = version
    raw = socket.create_connection(("127.0.0.1", int(port)))
    with connect("wss://chat.example/", sock=raw, ssl=context, max_size=None) as ws:
        for length in lengths:
            message = bytes(range(251)) * (length // 251 + 1)
            ws.send(message[:length])
            assert ws.recv() == message[:length], length
    print("ok websockets", version.name, flush=True)

context.minimum_version = ssl.TLSVersion.TLSv1_2
raw = socket.create_connection(("127.0.0.1", int(port)))
raw = context.wrap_socket(raw, server_hostname="chat.example")
ws = websocket.create_connection("wss://chat.example/", socket=raw)
for length in lengths:
    ws.send("x" * length)
    assert ws.recv() == "x" * length, length
ws.close()
print("ok websocket-client", flush=True)
