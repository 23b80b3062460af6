//! Receiving as a server: what a client sent is copied to where a socket would read it to, and
//! each message is looked at.

use std::hint::black_box;

use ws_bench::feed::{Feed, Reads};
use ws_bench::messages::{Content, LENGTHS, payloads};
use ws_bench::{Bench, Row, Way, floor, limits, ours};
use ws_proto::{Connection, Event, Limits, Opcode, Part, Session};

pub(crate) fn measure(bench: &mut Bench) {
    for (size, len) in LENGTHS {
        for content in Content::ALL {
            for reads in [Reads::Many, Reads::One] {
                let feed = Feed::of(content, len, reads);
                if reads == Reads::One && feed.frames() == 1 {
                    continue;
                }
                let name = format!("receive/{size}/{}/{reads}", content.name());
                let mut row = Row::new(name, ours(&feed));
                if reads == Reads::Many {
                    row.extend(limits_of(content, len));
                    row = aims(row, content, size);
                }
                row.extend(ws_bench::peers::receiving(&feed));
                bench.measure(row.aim("Session", 1.2, "ws-proto"));
            }
        }
    }
    let fragments = ("fragments/8 x 8KiB", Feed::fragments(8, 8 << 10));
    let pings = ("ping/16B", Feed::pings(1 << 10, 16));
    for (name, feed) in [fragments, pings] {
        let mut row = Row::new(name, ours(&feed));
        row.extend(ws_bench::peers::receiving(&feed));
        bench.measure(row.aim("Session", 1.2, "ws-proto"));
    }
}

/// The aims. Where the floor is meant, both figures were measured in one run.
fn aims<'w>(row: Row<'w>, content: Content, size: &str) -> Row<'w> {
    let floor = |ours: f64, floor: f64| (ours / floor, "floor");
    let (most, other) = match (content, size) {
        (Content::Binary, "16B") => floor(7.0, 4.4),
        (Content::Binary, "125B") => floor(20.0, 11.0),
        (Content::Binary, "1KiB") => floor(46.0, 46.0),
        (Content::Ascii, "16B") => floor(9.0, 13.8),
        (Content::Ascii, "125B") => floor(25.0, 22.6),
        (Content::Ascii, "1KiB") => floor(60.0, 59.0),
        (Content::Binary | Content::Ascii, "64KiB") => (1.1, "memcpy+XOR"),
        (Content::Chinese, "64KiB") => (1.05, "memcpy+XOR+utf8"),
        _ => return row,
    };
    row.aim("ws-proto", most, other)
}

/// The floor, the bare core, and a session.
fn ours(feed: &Feed) -> [Way<'_>; 3] {
    let mut floor = Joining::new(feed);
    let mut bare = Joining::new(feed);
    let mut connection = Connection::server(&Limits::DEFAULT);
    let mut session = Session::server(&Limits::DEFAULT.into());
    let (count, frames) = (feed.messages(), feed.frames());
    [
        Way::batch("floor", frames, move || {
            let read = |read: &[u8]| floor.least(read);
            assert_eq!(feed.reads().map(read).sum::<usize>(), count);
        }),
        Way::batch("ws-proto", frames, move || {
            let read = |read: &[u8]| bare.receive(&mut connection, read);
            assert_eq!(feed.reads().map(read).sum::<usize>(), count);
        }),
        Way::batch("Session", frames, move || {
            let read = |read: &[u8]| ours::receive(&mut session, read).expect("a client's frames");
            assert_eq!(feed.reads().map(read).sum::<usize>(), count);
        }),
    ]
}

/// A buffer to read into, one to join fragments in, and one for the answers to Pings.
struct Joining {
    buffer: Vec<u8>,
    message: Vec<u8>,
    pongs: Vec<u8>,
}

impl Joining {
    fn new(feed: &Feed) -> Self {
        Self {
            buffer: vec![0; feed.longest()],
            message: Vec::new(),
            pongs: Vec::new(),
        }
    }

    /// Decodes what is known to be right. Returns the number of messages.
    #[inline]
    fn least(&mut self, read: &[u8]) -> usize {
        const FIN: u8 = 0x80;
        let buffer = &mut self.buffer[..read.len()];
        buffer.copy_from_slice(read);
        let (mut at, mut count) = (0, 0);
        while at < buffer.len() {
            let first = buffer[at];
            let frame = floor::decode(buffer, at);
            let payload = &buffer[frame.start..frame.end];
            at = frame.end;
            if first == floor::last(Opcode::Binary) {
                black_box(payload);
                count += 1;
            } else if first == floor::last(Opcode::Text) {
                black_box(simdutf8::basic::from_utf8(payload).expect("text"));
                count += 1;
            } else if first == floor::last(Opcode::Ping) {
                let pong = floor::last(Opcode::Pong);
                floor::encode(pong, None, payload, &mut self.pongs);
                black_box(&self.pongs[..]);
                self.pongs.clear();
            } else {
                self.message.extend_from_slice(payload);
                if first & FIN != 0 {
                    black_box(&self.message[..]);
                    self.message.clear();
                    count += 1;
                }
            }
        }
        count
    }

    /// The bare core on the caller's buffer; the caller joins the pieces.
    #[inline]
    fn receive(&mut self, connection: &mut Connection, read: &[u8]) -> usize {
        let mut unread = &mut self.buffer[..read.len()];
        unread.copy_from_slice(read);
        let mut count = 0;
        while !unread.is_empty() {
            let received = connection.receive(unread).expect("a client's frames");
            let consumed = received.consumed;
            match received.event {
                Some(Event::Message(message)) => {
                    black_box(message.as_bytes());
                    count += 1;
                }
                Some(Event::Chunk(chunk)) => {
                    self.message.extend_from_slice(chunk.payload);
                    if chunk.part == Part::Last {
                        black_box(&self.message[..]);
                        self.message.clear();
                        count += 1;
                    }
                }
                Some(_) => {}
                None => break,
            }
            unread = &mut unread[consumed..];
            while let Some(control) = connection.poll_transmit() {
                black_box(control.as_ref());
            }
        }
        count
    }
}

/// The limits, on the same payloads in one piece: to copy them, to unmask them,
/// and to check text.
fn limits_of(content: Content, len: usize) -> Vec<Way<'static>> {
    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let payloads = payloads(content, len);
    let count = payloads.len();
    let mut masked = payloads.concat();
    limits::xor(&mut masked, KEY);
    let (copied, unmasked, checked) = (masked.clone(), masked.clone(), masked);
    let (mut first, mut second, mut third) = (copied.clone(), copied.clone(), copied.clone());
    let mut ways = vec![
        Way::batch("memcpy", count, move || {
            first.copy_from_slice(&copied);
            black_box(&first[..]);
        }),
        Way::batch("memcpy+XOR", count, move || {
            second.copy_from_slice(&unmasked);
            limits::xor(&mut second, KEY);
            black_box(&second[..]);
        }),
    ];
    if content != Content::Binary {
        ways.push(Way::batch("memcpy+XOR+utf8", count, move || {
            third.copy_from_slice(&checked);
            limits::xor(&mut third, KEY);
            black_box(simdutf8::basic::from_utf8(&third).expect("text"));
        }));
    }
    ways
}
