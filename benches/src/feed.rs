//! A socket's input: bytes, a read at a time.

use std::fmt;
use std::ops::Range;

use ws_proto::Opcode;

use crate::floor::{client_frame, last};
use crate::messages::{Content, Random, payloads};

/// How much one read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// All frames: what a peer that does not wait for answers causes.
    Many,
    /// One frame: what one that waits for each answer causes.
    One,
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Many => "many",
            Self::One => "one",
        })
    }
}

/// The bytes that a client has sent.
#[derive(Clone, Debug)]
pub struct Feed {
    wire: Vec<u8>,
    reads: Vec<Range<usize>>,
    frames: usize,
    messages: usize,
}

impl Feed {
    /// Nothing: for those who only send.
    pub const NONE: Self = Self {
        wire: Vec::new(),
        reads: Vec::new(),
        frames: 0,
        messages: 0,
    };

    /// Messages of `len` bytes, one frame each.
    #[must_use]
    pub fn of(content: Content, len: usize, reads: Reads) -> Self {
        let opcode = match content {
            Content::Binary => Opcode::Binary,
            Content::Ascii | Content::Chinese => Opcode::Text,
        };
        let mut random = Random::default();
        let mut feed = Self::NONE;
        for payload in payloads(content, len) {
            feed.read(&client_frame(last(opcode), &payload, &mut random));
            feed.frames += 1;
        }
        feed.messages = feed.frames;
        if reads == Reads::Many {
            let all = 0..feed.wire.len();
            feed.reads = vec![all];
        }
        feed
    }

    /// So many Pings with `len` bytes each, one with each read; and a message, for those who do
    /// not show their callers a Ping.
    #[must_use]
    pub fn pings(count: usize, len: usize) -> Self {
        let mut random = Random::default();
        let payload = Content::Binary.payload(len, &mut random);
        let mut feed = Self::NONE;
        for _ in 0..count {
            feed.read(&client_frame(last(Opcode::Ping), &payload, &mut random));
        }
        feed.read(&client_frame(last(Opcode::Binary), &payload, &mut random));
        feed.frames = count;
        feed.messages = 1;
        feed
    }

    /// These bytes, which are no frames.
    #[must_use]
    pub fn once(bytes: &[u8]) -> Self {
        let mut feed = Self::NONE;
        feed.read(bytes);
        feed
    }

    /// One binary message in `count` fragments of `len` bytes, which come with one read.
    #[must_use]
    pub fn fragments(count: usize, len: usize) -> Self {
        let mut random = Random::default();
        let mut wire = Vec::new();
        for fragment in 1..=count {
            let opcode = match fragment {
                1 => Opcode::Binary,
                _ => Opcode::Continuation,
            };
            let first = match fragment == count {
                true => last(opcode),
                false => opcode as u8,
            };
            let payload = Content::Binary.payload(len, &mut random);
            wire.extend(client_frame(first, &payload, &mut random));
        }
        let mut feed = Self::once(&wire);
        (feed.frames, feed.messages) = (1, 1);
        feed
    }

    fn read(&mut self, bytes: &[u8]) {
        let start = self.wire.len();
        self.wire.extend_from_slice(bytes);
        self.reads.push(start..self.wire.len());
    }

    /// The bytes of each read.
    pub fn reads(&self) -> impl Iterator<Item = &[u8]> {
        self.reads.iter().map(|read| &self.wire[read.clone()])
    }

    /// The bytes of the next read, over and over.
    #[must_use]
    pub fn nth(&self, read: usize) -> &[u8] {
        &self.wire[self.reads[read % self.reads.len()].clone()]
    }

    /// How many times there is what is measured: messages, or Pings.
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// How many messages there are.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// The longest read: the buffer that is needed.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.reads.iter().map(Range::len).max().unwrap_or(0)
    }
}
