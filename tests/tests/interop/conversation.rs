//! What two peers say to each other, as it is on the wire.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use ws_std::{Client, Tapped};
use ws_testkit::Frame;

/// The bytes of one connection, both ways.
#[derive(Clone, Default)]
pub(crate) struct Conversation {
    pub(crate) client: Recorded,
    pub(crate) server: Recorded,
}

impl Conversation {
    /// Has a client of ours record what is said.
    pub(crate) fn tapped(client: Client) -> (Client, Self) {
        let this = Self::default();
        let heard = this.clone();
        let client = client.tap(move |tapped| match tapped {
            Tapped::HeadSent(bytes) | Tapped::Sent(bytes) => heard.client.push(bytes),
            Tapped::HeadReceived(bytes) | Tapped::Received(bytes) => heard.server.push(bytes),
        });
        (client, this)
    }
}

/// The bytes that one side sends.
#[derive(Clone, Default)]
pub(crate) struct Recorded(Arc<Mutex<Vec<u8>>>);

impl Recorded {
    fn push(&self, bytes: &[u8]) {
        self.0.lock().expect("no panic").extend(bytes);
    }

    /// The value of a header in its head.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let bytes = self.0.lock().expect("no panic");
        let head = String::from_utf8_lossy(&bytes[..end_of_head(&bytes)?]);
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            let same = found.eq_ignore_ascii_case(name);
            same.then(|| value.trim().into())
        })
    }

    /// What is behind the head, counted. The rules for RSV1 are checked: "MUST NOT set [it] on
    /// control frames and non-first fragments of a data message" (RFC 7692 §6).
    pub(crate) fn tally(&self) -> Tally {
        let bytes = self.0.lock().expect("no panic");
        let mut rest = &bytes[end_of_head(&bytes).expect("a head")..];
        let mut tally = Tally::default();
        while let Some((frame, len)) = Frame::decode(rest) {
            let compressed = frame.first & RSV1 != 0;
            match frame.opcode() {
                1 | 2 if compressed => tally.compressed += 1,
                1 | 2 => tally.plain += 1,
                _ => assert!(!compressed, "{:02x}", frame.first),
            }
            if frame.opcode() < 8 {
                tally.bytes += frame.payload.len();
                tally.fragments += usize::from(frame.first & Frame::FIN == 0);
            }
            rest = &rest[len..];
        }
        tally
    }
}

/// What one side has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages that are compressed.
    pub(crate) compressed: usize,
    /// Messages that are not.
    pub(crate) plain: usize,
    /// Frames of messages that do not end them.
    pub(crate) fragments: usize,
    /// The payloads of messages, as they are on the wire.
    pub(crate) bytes: usize,
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, one| Self {
            compressed: sum.compressed + one.compressed,
            plain: sum.plain + one.plain,
            fragments: sum.fragments + one.fragments,
            bytes: sum.bytes + one.bytes,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            compressed,
            plain,
            fragments,
            bytes,
        } = self;
        write!(
            f,
            "{compressed}+{plain} messages, {fragments} fragments, {bytes} bytes"
        )
    }
}

/// Stands before a server, and records what is said.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Conversation>>>,
}

impl Relay {
    /// Relays until the test ends.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let address = listener.local_addr().expect("bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let conversations = heard.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let conversation = Conversation::default();
                let mut heard = conversations.lock().expect("no panic");
                heard.push(conversation.clone());
                drop(heard);
                connect(client.expect("accepted"), server, conversation).expect("sockets");
            }
        });
        Self { address, heard }
    }

    /// The conversations that became WebSockets.
    pub(crate) fn websockets(&self) -> Vec<Conversation> {
        let heard = self.heard.lock().expect("no panic");
        let upgraded = |conversation: &&Conversation| {
            conversation.server.header("Sec-WebSocket-Accept").is_some()
        };
        heard.iter().filter(upgraded).cloned().collect()
    }

    /// All that the clients sent in them, or the server.
    pub(crate) fn total(&self, side: impl Fn(&Conversation) -> &Recorded) -> Tally {
        let conversations = self.websockets();
        conversations.iter().map(|one| side(one).tally()).sum()
    }
}

fn connect(client: TcpStream, server: SocketAddr, heard: Conversation) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    for (from, to, heard) in [
        (client.try_clone()?, server.try_clone()?, heard.client),
        (server, client, heard.server),
    ] {
        to.set_nodelay(true)?;
        thread::spawn(move || pump(from, to, &heard));
    }
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream, heard: &Recorded) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut piece) {
        // Before it arrives: who has received an answer finds all of it here.
        heard.push(&piece[..len]);
        if to.write_all(&piece[..len]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Read);
    let _ = to.shutdown(Shutdown::Write);
}

const RSV1: u8 = 0x40;

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let blank = b"\r\n\r\n";
    let at = bytes.windows(blank.len()).position(|four| four == blank);
    at.map(|at| at + blank.len())
}
