// Checks a server with node's ws as the client.
//
// usage: ws_client.js [--deflate[=[PARAMETER[=BITS],...]]] ws://HOST:PORT ws://HOST:PORT
//
// With --deflate it offers to compress as the library does of itself; with --deflate= with the parameters that follow,
// however short a message is: those of RFC 7692, as in --deflate=server_no_context_takeover,client_max_window_bits=9.
//
// The server offers the paths that ws_server.js lists, /fragments and /report-close aside; the second URL is where
// /limit is, for servers that have one limit for all paths. Prints a line `ok NAME` or `FAIL NAME: WHY` for each check,
// then `N passed, N failed`; exit status 1 after a failure.

import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';

// install.sh puts the package there, out of the sources.
const WebSocket = createRequire(new URL('../../target/peers/', import.meta.url))('ws');

const TIMEOUT = 30_000;
const SIZES = [0, 1, 125, 126, 65535, 65536, 1_000_000];
const CLOSES = [
  [1000, 'done'],
  [1001, ''],
  [3000, '再见'],
  [4999, 'r'.repeat(123)],
];

const [base, limited] = process.argv.slice(-2).map((url) => url.replace(/\/$/, ''));
const perMessageDeflate = deflate();
const checks = [];

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

function check(name, path, run, protocols = []) {
  checks.push({ name, path, run, protocols });
}

const show = (value) => JSON.stringify(Buffer.isBuffer(value) ? value.toString('latin1') : value)?.slice(0, 80);

function expect(what, got, wanted) {
  if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: ${show(got)} instead of ${show(wanted)}`);
}

// A connection whose events wait in line until they are asked for.
class Peer {
  #events = [];
  #wake = () => {};

  constructor(path, protocols) {
    const url = (path === '/limit' ? limited : base) + path;
    this.ws = new WebSocket(url, protocols, { perMessageDeflate, maxPayload: 0, closeTimeout: TIMEOUT });
    const push = (...event) => {
      this.#events.push(event);
      this.#wake();
    };
    this.ws.on('open', () => push('open'));
    this.ws.on('message', (data, binary) => push('message', binary ? data : data.toString()));
    this.ws.on('ping', (data) => push('ping', data.toString()));
    this.ws.on('pong', (data) => push('pong', data));
    this.ws.on('close', (code, reason) => push('close', [code, reason.toString()]));
    this.ws.on('error', (error) => push('error', error.message));
  }

  // The value of the next event, which is of this type.
  async next(type) {
    while (this.#events.length === 0) await new Promise((resolve) => (this.#wake = resolve));
    const [got, value] = this.#events.shift();
    if (got !== type) throw new Error(`${got} ${show(value)} instead of ${type}`);
    return value;
  }
}

function messages(size) {
  const chinese = '万物并育而不相害'.repeat(Math.floor(size / 24) + 1).slice(0, Math.floor(size / 3));
  const lines = Array.from({ length: size / 20 + 1 }, (_, i) => `{"id": ${i}, "name": "n${(i * 7919) % 1009}"}\n`);
  return {
    text: 'abcdefghij'.repeat(size / 10) + 'k'.repeat(size % 10),
    chinese,
    json: lines.join('').slice(0, size),
    binary: Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 7)),
  };
}

for (const size of SIZES) {
  for (const [kind, message] of Object.entries(messages(size))) {
    check(`echo ${kind} ${size}`, '/echo', async (peer) => {
      peer.ws.send(message);
      expect('echo', await peer.next('message'), message);
    });
  }
}

// Every third is not compressed, whatever was agreed on.
check('echo 1000 messages in flight', '/echo', async (peer) => {
  const sent = Array.from({ length: 1000 }, (_, i) => `${i} `.repeat(i % 100));
  sent.forEach((message, i) => peer.ws.send(message, { compress: i % 3 !== 0 }));
  for (const message of sent) expect('echo', await peer.next('message'), message);
});

// A fragment may end inside a character: 1000 is no multiple of 3.
for (const [kind, message] of Object.entries(messages(100_000))) {
  check(`fragmented ${kind}`, '/echo', async (peer) => {
    const data = Buffer.from(message);
    for (let start = 0; start < data.length; start += 1000) {
      const fin = start + 1000 >= data.length;
      peer.ws.send(data.subarray(start, start + 1000), { binary: kind === 'binary', fin });
    }
    expect('echo', await peer.next('message'), message);
  });
}

check('fragmented, with a ping and its pong between the fragments', '/echo', async (peer) => {
  peer.ws.send('before, ', { fin: false });
  peer.ws.ping('between');
  expect('pong', await peer.next('pong'), Buffer.from('between'));
  peer.ws.send('', { fin: false });
  peer.ws.send('after', { fin: true });
  expect('echo', await peer.next('message'), 'before, after');
});

for (const [name, payload] of Object.entries({
  empty: Buffer.alloc(0),
  text: Buffer.from('再见'),
  '125 bytes': Buffer.from(Array.from({ length: 125 }, (_, i) => i)),
})) {
  check(`ping ${name}`, '/echo', async (peer) => {
    peer.ws.ping(payload);
    expect('pong', await peer.next('pong'), payload);
  });
}

check('50 pings at once, a pong for the last', '/echo', async (peer) => {
  const pings = Array.from({ length: 50 }, (_, i) => `ping ${i}`);
  for (const payload of pings) peer.ws.ping(payload);
  // Pings but the last may go unanswered (RFC 6455 section 5.5.3); the answers keep their order.
  let last = -1;
  while (last < 49) {
    const pong = (await peer.next('pong')).toString();
    const index = pings.indexOf(pong);
    if (index <= last) throw new Error(`pong ${pong} out of order`);
    last = index;
  }
  peer.ws.send('still there');
  expect('echo', await peer.next('message'), 'still there');
});

for (const [code, reason] of CLOSES) {
  check(`close ${code}`, '/echo', async (peer) => {
    peer.ws.close(code, reason);
    expect('code in the answer', (await peer.next('close'))[0], code);
  });
}

check('close without a code', '/echo', async (peer) => {
  peer.ws.close();
  const [code] = await peer.next('close');
  if (code !== 1000 && code !== 1005) throw new Error(`answered with ${code}`);
});

for (const [offered, chosen] of [
  [['chat.v1'], 'chat.v1'],
  [['chat.v1', 'chat.v2'], 'chat.v2'],
  [['other', 'chat.v1'], 'chat.v1'],
]) {
  check(
    `subprotocol ${chosen} of ${offered.join(', ')}`,
    '/subprotocol',
    async (peer) => {
      expect('subprotocol', peer.ws.protocol, chosen);
      expect('first message', await peer.next('message'), chosen);
    },
    offered,
  );
}

check('ping from the server', '/ping', async (peer) => {
  expect('ping', await peer.next('ping'), 'marco');
  expect('message after the pong', await peer.next('message'), 'polo');
});

for (const [code, reason] of CLOSES) {
  const path = `/close?code=${code}&reason=${encodeURIComponent(reason)}`;
  check(`close ${code} from the server`, path, async (peer) => {
    expect('close', await peer.next('close'), [code, reason]);
  });
}

check('limit 1000 bytes is let through', '/limit', async (peer) => {
  peer.ws.send('x'.repeat(1000));
  expect('echo', await peer.next('message'), 'x'.repeat(1000));
});

for (const [name, fragments] of Object.entries({
  '1001 bytes': ['x'.repeat(1001)],
  '1001 bytes in fragments': ['x'.repeat(500), 'x'.repeat(501)],
  '1000000 bytes': ['x'.repeat(1_000_000)],
})) {
  check(`limit ${name} is refused`, '/limit', async (peer) => {
    fragments.forEach((fragment, i) => peer.ws.send(fragment, { fin: i === fragments.length - 1 }));
    expect('close code', (await peer.next('close'))[0], 1009);
  });
}

let failed = 0;
for (const { name, path, run, protocols } of checks) {
  const peer = new Peer(path, protocols);
  let timer;
  const timeout = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('timeout')), TIMEOUT)));
  try {
    await Promise.race([peer.next('open').then(() => run(peer)), timeout]);
    console.log('ok', name);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.message}`);
  }
  clearTimeout(timer);
  peer.ws.terminate();
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
