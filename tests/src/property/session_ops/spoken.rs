//! What an endpoint has written, read frame by frame and held against what it was told to send.

use std::collections::VecDeque;

use ws_proto::{Kind, Part, Role};

use ws_testkit::Frame;

/// What was written, and what is to come.
pub(super) struct Spoken {
    role: Role,
    compressed: bool,
    /// Bytes of a frame that is not whole.
    cut: Vec<u8>,
    /// What it was told to send, fragment by fragment.
    told: VecDeque<(Kind, Vec<u8>, Part)>,
    /// The kind of the message of which fragments were told, and the last was not.
    telling: Option<Kind>,
    /// A fragment was written, and not the last; whether it was compressed.
    within: Option<bool>,
    closing: bool,
    closed: bool,
}

impl Spoken {
    pub(super) const fn new(role: Role, compressed: bool) -> Self {
        Self {
            role,
            compressed,
            cut: Vec::new(),
            told: VecDeque::new(),
            telling: None,
            within: None,
            closing: false,
            closed: false,
        }
    }

    /// It took a message, or a part of one.
    pub(super) fn told(&mut self, kind: Kind, payload: &[u8], part: Part) {
        self.telling = (part == Part::More).then_some(kind);
        self.told.push_back((kind, payload.into(), part));
    }

    /// It took a Close: a message that was begun is not ended.
    pub(super) const fn closing(&mut self) {
        self.closing = true;
        self.telling = None;
    }

    pub(super) const fn is_within_message(&self) -> bool {
        self.telling.is_some()
    }

    pub(super) const fn kind_within(&self) -> Option<Kind> {
        self.telling
    }

    /// It was told to close, or has written a Close.
    pub(super) const fn is_closed(&self) -> bool {
        self.closing || self.closed
    }

    pub(super) const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// It wrote these bytes.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        assert!(
            bytes.is_empty() || !self.closed,
            "{bytes:x?} behind a Close"
        );
        self.cut.extend(bytes);
        while let Some((frame, len)) = Frame::decode(&self.cut) {
            assert_eq!(frame.mask.is_some(), self.role == Role::Client);
            assert_eq!(
                frame.encode(),
                self.cut[..len],
                "the length in the fewest bytes"
            );
            self.cut.drain(..len);
            if frame.opcode() & 8 == 0 {
                self.data(&frame);
                continue;
            }
            assert!(frame.first & 0xF0 == Frame::FIN && frame.payload.len() <= 125);
            assert!(matches!(frame.opcode(), 8..=10));
            self.closed = frame.is_close();
            assert!(
                !self.closed || self.cut.is_empty(),
                "something behind a Close"
            );
        }
    }

    fn data(&mut self, frame: &Frame) {
        let (kind, payload, part) = self.told.pop_front().expect("it was told to");
        let opcode = match (self.within, kind) {
            (Some(_), _) => 0,
            (None, Kind::Text) => 1,
            (None, Kind::Binary) => 2,
        };
        assert_eq!(frame.opcode(), opcode);
        assert_eq!(frame.first & 0x30, 0);
        assert_eq!(frame.first & Frame::FIN != 0, part == Part::Last);
        let marked = frame.first & 0x40 != 0;
        assert!(!marked || (self.compressed && self.within.is_none()));
        let deflated = self.within.unwrap_or(marked);
        // What compressed messages inflate to is another target's.
        assert!(deflated || frame.payload == payload);
        self.within = (part == Part::More).then_some(deflated);
    }

    /// All that it will write was heard.
    pub(super) fn finish(&self) {
        assert!(self.cut.is_empty(), "a frame that does not end");
        assert!(self.told.is_empty(), "{:?} was not said", self.told);
    }
}
