// A server on the reference, socket.io, for our client to talk to. What it does is written in socketio_server.py.
//
// usage: socketio_server.js [PORT [CHAIN KEY]]

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createRequire } from 'node:module';

// install.sh puts the package there, out of the sources.
const { Server } = createRequire(new URL('../../target/peers/', import.meta.url))('socket.io');

const [port = 0, chain, key] = process.argv.slice(2);
const http = chain ? createSecureServer({ cert: readFileSync(chain), key: readFileSync(key) }) : createServer();
const io = new Server(http, {
  pingInterval: 300_000,
  pingTimeout: 20_000,
  maxHttpBufferSize: 10_000_000,
  connectionStateRecovery: {},
});
let kept = [];

io.on('connection', (socket) => {
  socket.on('echo', (...args) => args.pop()(...args));
  socket.on('back', (...args) => socket.emit('forth', ...args));
  socket.on('ask', async (value) => socket.emit('answered', await socket.emitWithAck('question', value)));
  socket.on('drop', () => socket.conn.close());
});

io.of('/imchat').on('connection', (socket) => {
  socket.on('chat', (value) => kept.push(value));
  socket.on('list', (answer) => {
    answer(kept);
    kept = [];
  });
  socket.on('leave', () => socket.disconnect());
});

io.of('/private').use((socket, next) => {
  if (socket.handshake.auth.token === 'secret') return next();
  const error = new Error('who are you?');
  error.data = { code: 1 };
  next(error);
});

http.listen(Number(port), '127.0.0.1', () => console.log(`listening ${http.address().port}`));
