// Checks a server with socket.io-client, the reference.
//
// usage: socketio_client.js TRANSPORT[,TRANSPORT] http://HOST:PORT
//
// The server does what socketio_client.py says. Prints a line `ok NAME` or `FAIL NAME: WHY` for each check, then `N passed,
// N failed`; exit status 1 after a failure.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

// The packages lie under target/peers.
const require = createRequire(path.resolve("target/peers/package.json"));
const { io } = require("socket.io-client");

const TIMEOUT = 30_000;
const [transports, url] = [process.argv[2].split(","), process.argv[3]];
const checks = [];
const check = (name, run) => checks.push([name, run]);

const VALUES = [
  "text, 再见, \u{1f600}, \0\x1e\u2028",
  0,
  -1.5,
  null,
  true,
  [],
  { a: [1, { b: null }] },
  Buffer.from([]),
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  { name: "x", picture: Buffer.from([1, 2]), more: [Buffer.from([3]), { deep: Buffer.from([4]) }] },
  "x".repeat(400_000),
  Buffer.alloc(200_000, 255),
];

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));

async function withClient(use, namespace = "/", options = {}) {
  const socket = io(url + (namespace === "/" ? "" : namespace), { transports, forceNew: true, reconnection: false, ...options });
  try {
    return await use(socket);
  } finally {
    socket.disconnect();
    socket.io._close();
  }
}

check("values come back in the acknowledgement", () =>
  withClient(async (socket) => {
    for (const value of VALUES) assert.deepEqual(await socket.emitWithAck("echo", value), value);
  }));

check("several arguments are several", () =>
  withClient(async (socket) => {
    const args = [1, Buffer.from("2"), [null], {}];
    const back = await new Promise((resolve) => socket.emit("echo", ...args, (...back) => resolve(back)));
    assert.deepEqual(back, args);
  }));

check("values come back as an event", () =>
  withClient(async (socket) => {
    for (const value of VALUES) {
      const forth = once(socket, "forth");
      socket.emit("back", value, 7);
      assert.deepEqual(await forth, [value, 7]);
    }
  }));

check("the server asks and the client answers", () =>
  withClient(async (socket) => {
    socket.on("question", (value, answer) => answer(value, Buffer.from("bytes")));
    const answers = await new Promise((resolve) => socket.emit("ask", 1, (...answers) => resolve(answers)));
    assert.deepEqual(answers, [1, Buffer.from("bytes")]);
  }));

check("a thousand events come in order", () =>
  withClient(async (socket) => {
    const got = [];
    const all = new Promise((resolve) => socket.on("forth", (n) => got.push(n) === 1000 && resolve()));
    for (let n = 0; n < 1000; n++) socket.emit("back", n);
    await all;
    assert.deepEqual(got, Array.from({ length: 1000 }, (_, n) => n));
  }));

check("namespaces share a connection", () =>
  withClient(async (socket) => {
    const other = socket.io.socket("/private", { auth: { token: "secret" } });
    assert.equal(await other.emitWithAck("who"), "secret");
    assert.equal(await socket.emitWithAck("echo", 1), 1);
    assert.notEqual(socket.id, other.id);
  }));

check("who is refused hears why", () =>
  withClient(
    async (socket) => {
      const [why] = await once(socket, "connect_error");
      assert.deepEqual([why.message, why.data], ["who are you?", { code: 1 }]);
    },
    "/private",
    { auth: { token: "x" } },
  ));

check("rooms hear what is for them", () =>
  withClient((a) =>
    withClient((b) =>
      withClient(async (c) => {
        for (const each of [a, b]) await each.emitWithAck("join", "room");
        assert.deepEqual(await a.emitWithAck("rooms"), ["room"]);
        const heard = once(b, "said");
        await a.emitWithAck("say", "room", { picture: Buffer.from([1]) });
        assert.deepEqual(await heard, [{ picture: Buffer.from([1]) }]);
        await b.emitWithAck("leave", "room");
        const [left, mine] = [once(a, "said"), once(b, "said")];
        await c.emitWithAck("say", "room", 2);
        assert.deepEqual(await left, [2]);
        // The id of a client is a room of its own.
        await c.emitWithAck("say", b.id, 3);
        assert.deepEqual(await mine, [3]);
      }),
    ),
  ));

check("who is put out is told", () =>
  withClient(async (socket) => {
    const gone = once(socket, "disconnect");
    socket.emit("kick");
    assert.equal((await gone)[0], "io server disconnect");
  }));

check("a client that waits is kept", () =>
  withClient(async (socket) => {
    await socket.emitWithAck("echo", 1);
    // Three intervals of the server.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal(await socket.emitWithAck("echo", "still there"), "still there");
  }));

check("the transport is what was asked for", () =>
  withClient(async (socket) => {
    await socket.emitWithAck("echo", 1);
    const engine = socket.io.engine;
    if (engine.transport.name !== transports.at(-1)) await once(engine, "upgrade");
    assert.equal(engine.transport.name, transports.at(-1));
  }));

let failed = 0;
for (const [name, run] of checks) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("timeout")), TIMEOUT)));
  try {
    await Promise.race([run(), late]);
    console.log("ok", name);
  } catch (why) {
    failed++;
    console.log(`FAIL ${name}: ${String(why.message ?? why).slice(0, 300)}`);
  }
  clearTimeout(timer);
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
