// A server on node's ws, for our client to talk to.
//
// usage: ws_server.js [--deflate[=[PARAMETER[=BITS],...]]]
//
// With --deflate it agrees to compress as the library does of itself; with --deflate= to the parameters that follow,
// however short a message is: those of RFC 7692, as in --deflate=server_no_context_takeover,client_max_window_bits=9.
//
// Prints `listening PORT`, then serves until it is ended. The path selects what it does:
//
// /echo                   sends every message back
// /fragments              the same, in fragments of at most 1000 bytes, at least two, cut inside characters too
// /ping                   pings with the payload `marco`; at the pong sends the text `polo`
// /close?code=C&reason=R  closes at once
// /subprotocol            prefers chat.v2 to chat.v1; sends the one agreed on as text, or an empty text
// /limit                  /echo for messages up to 1000 bytes; longer ones are refused with 1009
// /report-close           /echo; when the connection has ended, prints `closed CODE REASON`

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

// install.sh puts the package there, out of the sources.
const { WebSocketServer } = createRequire(new URL('../../target/peers/', import.meta.url))('ws');

function echo(ws) {
  ws.on('message', (data, binary) => ws.send(data, { binary }));
}

function fragments(ws) {
  ws.on('message', (data, binary) => {
    const size = Math.max(1, Math.min(1000, Math.ceil(data.length / 2)));
    let start = 0;
    do {
      const end = start + size;
      ws.send(data.subarray(start, end), { binary, fin: end >= data.length });
      start = end;
    } while (start < data.length);
  });
}

function ping(ws) {
  ws.ping('marco');
  ws.on('pong', (payload) => payload.toString() === 'marco' && ws.send('polo'));
}

function close(ws, query) {
  ws.close(Number(query.get('code')), query.get('reason') ?? '');
}

function subprotocol(ws) {
  ws.send(ws.protocol);
}

function reportClose(ws) {
  echo(ws);
  ws.on('close', (code, reason) => console.log('closed', code, reason.toString()));
}

// What the command line asks for, as options of the library.
function deflate() {
  const given = process.argv.find((arg) => arg.startsWith('--deflate'));
  if (!given?.includes('=')) return Boolean(given);
  const options = { threshold: 0 };
  for (const param of given.slice('--deflate='.length).split(',').filter(Boolean)) {
    const [name, bits] = param.split('=');
    options[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = bits ? Number(bits) : true;
  }
  return options;
}

const routes = {
  '/echo': [echo],
  '/fragments': [fragments],
  '/ping': [ping],
  '/close': [close],
  '/subprotocol': [
    subprotocol,
    { handleProtocols: (offered) => ['chat.v2', 'chat.v1'].find((name) => offered.has(name)) ?? false },
  ],
  '/limit': [echo, { maxPayload: 1000 }],
  '/report-close': [reportClose],
};

const perMessageDeflate = deflate();
const servers = {};
for (const [path, [handle, options]] of Object.entries(routes)) {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate,
    handleProtocols: () => false,
    ...options,
  });
  server.on('connection', (ws, request) => {
    // What the peer did wrong has been answered by the library; here it would only end the program.
    ws.on('error', () => {});
    handle(ws, new URL(request.url, 'ws://localhost').searchParams);
  });
  servers[path] = server;
}

const http = createServer((_request, response) => response.writeHead(404).end('no such path\n'));
http.on('upgrade', (request, socket, head) => {
  const { pathname } = new URL(request.url, 'ws://localhost');
  const server = servers[pathname];
  if (!server) {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  server.handleUpgrade(request, socket, head, (ws) => server.emit('connection', ws, request));
});
http.listen(0, '127.0.0.1', () => console.log('listening', http.address().port));
