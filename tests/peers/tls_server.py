"""An echo over TLS by Python's websockets and ssl: tls_server.py CHAIN KEY [CLIENT_CA]. Prints where it listens."""

import ssl
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def echo(ws):
    try:
        for message in ws:
            ws.send(message)
    except ConnectionClosed:
        pass


chain, key, *clients = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
if clients:
    context.load_verify_locations(clients[0])
    context.verify_mode = ssl.CERT_REQUIRED
with serve(echo, "127.0.0.1", 0, ssl=context, max_size=None) as server:
    print("listening", server.socket.getsockname()[1], flush=True)
    server.serve_forever()
