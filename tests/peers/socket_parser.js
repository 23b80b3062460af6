// The decoder of socket.io-parser: each line of the input is a list of messages, text or `{"base64": "…"}`; each line of
// the output is the packet that they make up, `null` if it is not whole, or `{"error": "…"}`.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// install.sh puts the package there, out of the sources.
const { Decoder } = createRequire(new URL('../../target/peers/', import.meta.url))('socket.io-parser');

function decode(messages) {
  const decoder = new Decoder();
  let packet = null;
  decoder.on('decoded', (decoded) => {
    packet = decoded;
  });
  try {
    for (const message of messages) {
      decoder.add(typeof message === 'string' ? message : Buffer.from(message.base64, 'base64'));
    }
  } catch (error) {
    return { error: error.message };
  }
  return packet;
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(decode(JSON.parse(line))));
}
