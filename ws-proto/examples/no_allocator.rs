//! A device without an allocator: a thermometer that reports to a server. It needs neither `std` nor `alloc`; `main`
//! and the test only stand in for its serial line.
//!
//! All memory is two arrays of a size that the program chooses. `tests/no-alloc` in the repository links such a program
//! for a Cortex-M4.

use ws_proto::handshake::{Key, Offer, Scan};
use ws_proto::{Chunk, Connection, Event, Limits, Message, Part, Shutdown};

/// The line to the server: whatever carries bytes.
trait Line {
    /// Waits for bytes, and says how many came. 0 means that the line is cut.
    fn receive(&mut self, to: &mut [u8]) -> usize;
    /// Sends all of them.
    fn send(&mut self, bytes: &[u8]);
}

/// Why the device has to connect again.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    /// The server did not open the connection.
    Refused,
    /// The line was cut, or the server broke the protocol.
    Broken,
}

/// Opens a connection, and answers each text `read` with the temperature until the server closes.
///
/// `nonce` and `seed` come from the device's source of random numbers, fresh for each connection.
fn report(
    line: &mut impl Line,
    nonce: [u8; 16],
    seed: [u8; 32],
    mut temperature: impl FnMut() -> &'static str,
) -> Result<(), Lost> {
    let mut received = [0; 512];
    let mut out = [0; 256];
    let limits = Limits::default();

    // 1. The opening handshake.
    let key = Key::new(nonce);
    let offer = Offer::new("server.example.com", "/temperature").map_err(|_| Lost::Refused)?;
    let len = offer.encode(&key, &mut out).map_err(|_| Lost::Refused)?;
    line.send(&out[..len]);
    let mut scan = Scan::new();
    let mut filled = 0;
    let head = loop {
        filled += fill(line, &mut received[filled..])?;
        let verified = offer.verify(&key, &mut scan, &received[..filled], &limits);
        if let Some((_response, len)) = verified.map_err(|_| Lost::Refused)? {
            break len;
        }
    };
    // What came after the head is the first frames.
    received.copy_within(head..filled, 0);
    filled -= head;

    // 2. The connection.
    let mut connection = Connection::client(&limits, seed);
    let mut pieces = Pieces::default();
    loop {
        // Everything that lies in the buffer, event by event.
        let mut at = 0;
        // After an error nothing more is received: the Close that tells the server is sent below.
        while let Ok(next) = connection.receive(&mut received[at..filled]) {
            at += next.consumed;
            let command = match next.event {
                None => break,
                Some(Event::Message(message)) => Some(message.as_bytes()),
                // A message that did not come in one read.
                Some(Event::Chunk(chunk)) => pieces.join(chunk),
                Some(_) => None,
            };
            if command == Some(b"read") {
                let text = Message::Text(temperature());
                let len = connection.send(text, &mut out).map_err(|_| Lost::Broken)?;
                line.send(&out[..len]);
            }
        }
        // Pings are answered, errors reported and closing handshakes completed by this.
        while let Some(control) = connection.poll_transmit() {
            line.send(control.as_ref());
        }
        if connection.shutdown() != Shutdown::NotYet {
            return Ok(());
        }
        // Fewer than 140 bytes are left: there is always room.
        received.copy_within(at..filled, 0);
        filled -= at;
        filled += fill(line, &mut received[filled..])?;
    }
}

/// A message that comes in pieces: as much of it as a command can have.
#[derive(Default)]
struct Pieces {
    bytes: [u8; 16],
    len: usize,
}

impl Pieces {
    /// Adds a piece. Gives the message, if it ends with this piece and fits.
    fn join(&mut self, chunk: Chunk<'_>) -> Option<&[u8]> {
        let end = self.len + chunk.payload.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(chunk.payload);
        }
        self.len = match chunk.part {
            Part::More => end,
            Part::Last => 0,
        };
        match chunk.part {
            Part::More => None,
            Part::Last => self.bytes.get(..end),
        }
    }
}

/// Waits for bytes.
fn fill(line: &mut impl Line, to: &mut [u8]) -> Result<usize, Lost> {
    match line.receive(to) {
        0 => Err(Lost::Broken),
        len => Ok(len),
    }
}

/// The server that the device talks to here: it has all its lines ready.
struct Server {
    says: &'static [u8],
    sent: [u8; 1024],
    len: usize,
}

impl Line for Server {
    fn receive(&mut self, to: &mut [u8]) -> usize {
        // As a serial line does, a few bytes at a time.
        let len = self.says.len().min(to.len()).min(7);
        let (now, later) = self.says.split_at(len);
        to[..len].copy_from_slice(now);
        self.says = later;
        len
    }

    fn send(&mut self, bytes: &[u8]) {
        self.sent[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

fn main() {
    let mut server = Server {
        says: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\
            \x81\x04read\x89\x00\x81\x04read\x88\x02\x03\xE8",
        sent: [0; 1024],
        len: 0,
    };
    let mut readings = ["21.5", "21.6"].into_iter();
    let result = report(&mut server, *b"the sample nonce", [7; 32], || {
        readings.next().unwrap_or("broken")
    });
    assert_eq!(result, Ok(()));

    // After the request: a reading, the answer to the Ping, a reading, the answer to the Close. All are masked.
    let sent = &server.sent[..server.len];
    let head = sent.windows(4).position(|four| four == b"\r\n\r\n");
    let mut frames = &sent[head.expect("a request") + 4..];
    let mut kinds = [0; 4];
    for kind in &mut kinds {
        *kind = frames[0];
        frames = &frames[6 + usize::from(frames[1] & 0x7F)..];
    }
    assert_eq!((kinds, frames), ([0x81, 0x8A, 0x81, 0x88], &[][..]));
    println!("two readings were reported, and the server closed");
}

#[test]
fn it_reports() {
    main();
}
