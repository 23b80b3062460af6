// Echoes, with node's ws or undici at either end, and compressed as far as the library does.
//
// usage: echo.js ws server [--takeover] [--window=BITS]
//        echo.js ws|undici client [--takeover] [--window=BITS] ws://HOST:PORT/PATH
//
// A server prints `listening PORT`, and sends every message back until it is ended. A client sends ten messages of
// each size, text and binary, and expects each back before it sends the next; then it prints `echoed N` and closes.
// With --takeover messages may refer to those before; with --window ws names the server's window and its own. undici
// has no choice: it asks for what browsers do, and what it sends it does not compress.

import { createRequire } from 'node:module';

// install.sh puts the packages there, out of the sources.
const require = createRequire(new URL('../../target/peers/', import.meta.url));
const SIZES = [0, 1, 125, 126, 1 << 10, 64 << 10, 1 << 20];
const MAX = 4 << 20;

const [library, role, ...rest] = process.argv.slice(2);
const url = rest.find((argument) => argument.startsWith('ws://'));
const bits = Number(rest.find((argument) => argument.startsWith('--window='))?.slice('--window='.length));
const off = rest.includes('--takeover') ? undefined : true;
const perMessageDeflate = {
  serverNoContextTakeover: off,
  clientNoContextTakeover: off,
  ...(bits && { serverMaxWindowBits: bits, clientMaxWindowBits: bits }),
};

function* messages() {
  for (const size of SIZES) {
    for (let i = 0; i < 10; i += 1) {
      const line = `message ${size} says for the ${i}. time that all work and no play makes Jack a dull boy\n`;
      yield line.repeat(size / line.length + 1).slice(0, size);
      yield Buffer.from(Uint8Array.from({ length: size }, (_, at) => ((at % 251) * 7 + i) % 251));
    }
  }
}

// Sends all with `send`; `receive` has the next one that came.
async function converse(send, receive) {
  let count = 0;
  for (const message of messages()) {
    send(message);
    const got = await receive();
    const same = typeof message === 'string' ? got === message : Buffer.from(got).equals(message);
    if (!same) throw new Error(`message ${count} is another: ${String(got).slice(0, 80)}`);
    count += 1;
  }
  console.log('echoed', count);
}

// What comes waits until it is asked for.
function queue() {
  const events = [];
  let wake = () => {};
  return {
    push: (event) => {
      events.push(event);
      wake();
    },
    next: async () => {
      while (events.length === 0) await new Promise((resolve) => (wake = resolve));
      const event = events.shift();
      if (event instanceof Error) throw event;
      return event;
    },
  };
}

async function client() {
  const { WebSocket } = require(library);
  const ws = new WebSocket(url, library === 'ws' ? { perMessageDeflate, maxPayload: MAX } : undefined);
  ws.binaryType = 'arraybuffer';
  const events = queue();
  ws.addEventListener('open', () => events.push('open'));
  ws.addEventListener('message', ({ data }) => events.push(data));
  ws.addEventListener('error', ({ message, error }) => events.push(new Error(message ?? error)));
  await events.next();
  await converse((message) => ws.send(message), events.next);
  const closed = new Promise((resolve) => ws.addEventListener('close', resolve));
  ws.close(1000);
  const { code } = await closed;
  if (code !== 1000) throw new Error(`closed with ${code}`);
}

function server() {
  const { WebSocketServer } = require('ws');
  const options = { host: '127.0.0.1', port: 0, path: '/echo', maxPayload: MAX, perMessageDeflate };
  const listener = new WebSocketServer(options, () => console.log('listening', listener.address().port));
  listener.on('connection', (ws) => ws.on('message', (data, binary) => ws.send(data, { binary })));
}

await { client, server }[role]();
