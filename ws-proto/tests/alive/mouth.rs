//! What the peer says, in frames.

use core::mem;

use ws_proto::Role;
use ws_testkit::{BINARY, CLOSE, Frame, KEY, PONG, frame, head};

/// What is asked of the peer, and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Ping,
    Close,
}

/// Makes frames of whatever length the story says.
#[derive(Debug)]
pub(crate) struct Mouth {
    mask: Option<[u8; 4]>,
    /// What is left of the frame that it is within: of its header, and of its payload.
    header: Vec<u8>,
    payload: u64,
}

impl Mouth {
    /// The longest header.
    const HEADER: u64 = 14;

    /// That of a peer of `role`: a client masks.
    pub(crate) fn new(role: Role) -> Self {
        Self {
            mask: (role == Role::Client).then_some(KEY),
            header: vec![],
            payload: 0,
        }
    }

    /// Says so many bytes. If they begin a frame, it has about `len` bytes.
    pub(crate) fn say(&mut self, mut bytes: u64, len: u64, to: &mut Vec<u8>) {
        while bytes > 0 {
            if self.header.is_empty() && self.payload == 0 {
                self.payload = len.saturating_sub(Self::HEADER);
                self.header = head(Frame::FIN | BINARY, self.mask, self.payload);
            }
            let header = self.header.len().min(size(bytes));
            to.extend(self.header.drain(..header));
            bytes -= header as u64;
            let payload = self.payload.min(bytes);
            to.resize(to.len() + size(payload), 0);
            self.payload -= payload;
            bytes -= payload;
        }
    }

    /// Answers, after the frame that it is within.
    pub(crate) fn answer(&mut self, what: What, to: &mut Vec<u8>) {
        to.append(&mut self.header);
        to.resize(to.len() + size(mem::take(&mut self.payload)), 0);
        let opcode = match what {
            What::Ping => PONG,
            What::Close => CLOSE,
        };
        to.extend(frame(Frame::FIN | opcode, self.mask, &[]));
    }
}

pub(crate) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
