//! What the tests share: an independent reading of RFC 6455 §5.2, and a driver that feeds a
//! connection piece by piece.

#![allow(dead_code, reason = "each test binary uses a part of it")]

#[cfg(feature = "alloc")]
pub(crate) mod session;

use ws_proto::{Close, Connection, Event, Kind, Limits, Message, Part, ProtocolError};

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The key that tests mask with: no byte of it is zero, and no two are equal.
pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Which end of the connection is under test; it decides who masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

impl End {
    pub(crate) const BOTH: [Self; 2] = [Self::Server, Self::Client];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }

    pub(crate) fn connection(self, limits: &Limits) -> Connection {
        match self {
            Self::Server => Connection::server(limits),
            Self::Client => Connection::client(limits, [7; 32]),
        }
    }

    /// The key that this end's peer masks with.
    pub(crate) const fn peer_key(self) -> Option<[u8; 4]> {
        match self {
            Self::Server => Some(KEY),
            Self::Client => None,
        }
    }

    /// A final frame from this end's peer.
    pub(crate) fn peer_frame(self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        frame(0x80 | opcode, self.peer_key(), payload)
    }

    /// A frame from this end's peer that is not final.
    pub(crate) fn peer_part(self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        frame(opcode, self.peer_key(), payload)
    }
}

/// A frame, written from the diagram of §5.2 and the loop of §5.3.
pub(crate) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, key, payload.len() as u64);
    let key = key.unwrap_or_default();
    bytes.extend(
        payload
            .iter()
            .zip(0..)
            .map(|(b, i): (_, usize)| b ^ key[i % 4]),
    );
    bytes
}

/// The header of a frame with a length in the fewest bytes.
pub(crate) fn head(first: u8, key: Option<[u8; 4]>, len: u64) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => bytes.push(masked | len),
        (_, Ok(len)) => {
            bytes.push(masked | 126);
            bytes.extend(len.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(key.into_iter().flatten());
    bytes
}

/// A Close payload: code and reason.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A frame as an independent reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    /// Unmasked.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0x0F
    }
}

/// Takes a stream apart into whole frames. Panics if it ends within one: what we send never does.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = first_frame(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "cut frame: {bytes:x?}");
    frames
}

fn first_frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match second & 0x7F {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len), rest)
        }
        len => (u64::from(len), rest),
    };
    let (key, rest) = if second & 0x80 == 0 {
        (None, rest)
    } else {
        let (key, rest) = rest.split_first_chunk()?;
        (Some(*key), rest)
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let xor = key.unwrap_or_default();
    let payload = payload
        .iter()
        .zip(0..)
        .map(|(b, i): (_, usize)| b ^ xor[i % 4]);
    let payload = payload.collect();
    Some((
        Frame {
            first,
            key,
            payload,
        },
        rest,
    ))
}

/// Something an application sees, with the pieces of a message joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Message<'_>> for Seen {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

pub(crate) fn seen_close(close: Option<Close<'_>>) -> Seen {
    Seen::Close(close.map(|close| (close.code().get(), close.reason().into())))
}

/// All that a connection lets the world know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) seen: Vec<Seen>,
    pub(crate) error: Option<ProtocolError>,
    pub(crate) output: Vec<u8>,
}

/// Feeds a connection as an adapter with a buffer would, and checks at every call what holds of
/// every call: progress, *starved*, *held*, *tail*, and silence after an error.
pub(crate) struct Driver {
    pub(crate) connection: Connection,
    pub(crate) outcome: Outcome,
    held: Vec<u8>,
    partial: Option<(Kind, Vec<u8>)>,
}

impl Driver {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            outcome: Outcome::default(),
            held: Vec::new(),
            partial: None,
        }
    }

    /// The outcome of `input`, presented in pieces that end at `cuts` and at its end.
    pub(crate) fn run(connection: Connection, input: &[u8], cuts: &[usize]) -> Outcome {
        let mut driver = Self::new(connection);
        let mut from = 0;
        for &to in cuts.iter().chain([&input.len()]) {
            driver.feed(&input[from..to]);
            from = to;
        }
        driver.outcome
    }

    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.held.extend(piece);
        let mut input = core::mem::take(&mut self.held);
        let mut at = 0;
        // Each call consumes, gives an event without consuming, or is the last.
        let mut calls = 2 * input.len() + 2;
        loop {
            calls = calls.checked_sub(1).expect("an endless loop");
            let unread = &mut input[at..];
            let len = unread.len();
            let range = unread.as_ptr_range();
            let result = self.connection.receive(unread);
            let (consumed, more) = match result {
                Ok(received) => {
                    assert!(self.outcome.error.is_none(), "an answer after an error");
                    assert!(received.consumed <= len);
                    if let Some(event) = received.event {
                        assert!(received.consumed > 0, "an event of no bytes");
                        let payload = payload_of(&event);
                        let end = range.start.wrapping_add(received.consumed);
                        let tail = payload.is_empty() || payload.as_ptr_range().end == end;
                        assert!(tail, "not the tail: {event:?}");
                        note(&mut self.outcome.seen, &mut self.partial, event);
                    }
                    (received.consumed, received.event.is_some())
                }
                Err(error) => {
                    assert!(self.outcome.error.is_none_or(|first| first == error));
                    self.outcome.error = Some(error);
                    (len, false)
                }
            };
            at += consumed;
            while let Some(control) = self.connection.poll_transmit() {
                self.outcome.output.extend(control.as_ref());
            }
            if !more {
                break;
            }
        }
        self.held = input.split_off(at);
        assert!(self.held.len() < 140, "held {}", self.held.len());
    }
}

/// The bytes of the event that lie in the input.
pub(crate) fn payload_of<'b>(event: &Event<'b>) -> &'b [u8] {
    match event {
        Event::Message(message) => message.as_bytes(),
        Event::Chunk(chunk) | Event::Deflated(chunk) => chunk.payload,
        Event::Ping(payload) | Event::Pong(payload) => payload,
        Event::Close(close) => close.map_or(&[], |close| close.reason().as_bytes()),
    }
}

fn note(seen: &mut Vec<Seen>, partial: &mut Option<(Kind, Vec<u8>)>, event: Event<'_>) {
    seen.push(match event {
        Event::Message(message) => {
            assert!(partial.is_none(), "a message within a message");
            message.into()
        }
        Event::Chunk(chunk) | Event::Deflated(chunk) => {
            let (kind, joined) = partial.get_or_insert_with(|| (chunk.kind, Vec::new()));
            assert_eq!(*kind, chunk.kind);
            joined.extend(chunk.payload);
            if chunk.part == Part::More {
                return;
            }
            let (kind, joined) = partial.take().expect("there is one");
            match kind {
                Kind::Text => Seen::Text(String::from_utf8(joined).expect("checked text")),
                Kind::Binary => Seen::Binary(joined),
            }
        }
        Event::Ping(payload) => Seen::Ping(payload.into()),
        Event::Pong(payload) => Seen::Pong(payload.into()),
        Event::Close(close) => seen_close(close),
    });
}

/// Small numbers that look random and are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = usize::try_from(self.0 >> 40).expect("24 bits");
        high % bound
    }

    /// Ascending positions to cut `len` bytes at.
    pub(crate) fn cuts(&mut self, len: usize, longest: usize) -> Vec<usize> {
        let mut cuts = Vec::new();
        let mut at = self.below(longest);
        while at < len {
            cuts.push(at);
            at += self.below(longest);
            // A piece of no bytes is a read that gave none: allowed, now and then.
            at += usize::from(cuts.len() > len);
        }
        cuts
    }
}
