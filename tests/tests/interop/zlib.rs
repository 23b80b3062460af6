//! What we compress Python's zlib inflates, and the other way round: windows of 9 to 15 bits,
//! with takeover and without.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{Deflate, Header, Limits, Message, Opcode, Session, Step};

/// For each window size, each way, with and without takeover.
const MESSAGES: usize = 5000;

struct Zlib {
    process: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Zlib {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/zlib_peer.py");
        let mut process = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is on the PATH");
        let to = process.stdin.take().unwrap();
        let from = process.stdout.take().unwrap();
        Self { process, to, from }
    }

    fn ask(&mut self, op: u8, bits: u8, data: &[u8]) -> Vec<u8> {
        let len = u32::try_from(data.len()).unwrap();
        let request = [&[op, bits][..], &len.to_be_bytes(), data].concat();
        self.to.write_all(&request).unwrap();
        let mut len = [0; 4];
        self.from.read_exact(&mut len).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(len) as usize];
        self.from.read_exact(&mut answer).unwrap();
        answer
    }
}

impl Drop for Zlib {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Messages of all sorts: empty, short, repetitive, random, like those before.
struct Messages {
    state: u64,
    last: Vec<u8>,
}

impl Messages {
    fn random(&mut self, below: u64) -> u64 {
        // xorshift64: the same messages in every run.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    fn next(&mut self) -> Vec<u8> {
        let len = match self.random(4) {
            0 => self.random(4),
            1 => self.random(200),
            2 => self.random(5_000),
            _ => self.random(40_000),
        };
        let len = usize::try_from(len).unwrap();
        let message: Vec<u8> = match self.random(4) {
            0 => (0..len).map(|_| self.byte(256)).collect(),
            1 => (0..len).map(|_| b'a' + self.byte(3)).collect(),
            2 => self
                .last
                .iter()
                .copied()
                .cycle()
                .take(len.min(self.last.len() * 3))
                .collect(),
            _ => {
                let unit = self.random(300) + 1;
                let unit: Vec<u8> = (0..unit).map(|_| self.byte(64)).collect();
                unit.iter().copied().cycle().take(len).collect()
            }
        };
        self.last.clone_from(&message);
        message
    }

    fn byte(&mut self, below: u64) -> u8 {
        u8::try_from(self.random(below)).unwrap()
    }
}

fn session(bits: u8, takeover: Takeover) -> Session {
    let window = WindowBits::new(bits).unwrap();
    let direction = Direction { window, takeover };
    let agreed = Compression {
        server: direction,
        client: direction,
    };
    let mut settings = Deflate::default();
    settings.min_len = 0;
    settings.send = direction;
    let limits = Limits::default();
    // Unmasked both ways: a server's output is read here, and a client's input written.
    Session::server(&limits.into()).compressed(&settings, &agreed)
}

fn payload(frame: &[u8]) -> &[u8] {
    let (header, len) = Header::decode(frame).unwrap().unwrap();
    assert!(header.rsv1());
    &frame[len..]
}

#[test]
#[ignore = "needs python3"]
fn zlib_of_python_agrees_over_random_messages_and_windows() {
    let mut zlib = Zlib::start();
    let mut count = 0;
    for bits in 9..=15 {
        for takeover in [Takeover::Kept, Takeover::Off] {
            let (compress, inflate) = match takeover {
                Takeover::Kept => (b'C', b'I'),
                Takeover::Off => (b'c', b'i'),
            };
            let mut messages = Messages {
                state: 0x9E37_79B9_7F4A_7C15 + u64::from(bits),
                last: Vec::new(),
            };
            let mut ours = session(bits, takeover);
            let mut theirs = reader(bits, takeover);
            for _ in 0..MESSAGES {
                let message = messages.next();
                ours.send(&message).unwrap();
                let sent = payload(ours.unsent()).to_vec();
                let len = ours.unsent().len();
                ours.sent(len);
                assert!(
                    zlib.ask(inflate, bits, &sent) == message,
                    "{bits} {takeover:?}"
                );

                let deflated = zlib.ask(compress, bits, &message);
                let header = Header::new(Opcode::Binary, deflated.len() as u64)
                    .and_then(Header::compressed)
                    .unwrap();
                theirs.push(header.encode().as_ref());
                theirs.push(&deflated);
                assert!(
                    theirs.step() == Ok(Step::Message(Message::Binary(&message))),
                    "{bits} {takeover:?}"
                );
                count += 1;
            }
        }
    }
    println!("{count} messages each way");
}

/// A client, whose input is not masked.
fn reader(bits: u8, takeover: Takeover) -> Session {
    let window = WindowBits::new(bits).unwrap();
    let direction = Direction { window, takeover };
    let agreed = Compression {
        server: direction,
        client: direction,
    };
    let limits = Limits::default();
    Session::client(&limits.into(), [0; 32]).compressed(&Deflate::default(), &agreed)
}
