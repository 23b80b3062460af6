//! What the peer of a session does.

use ws_proto::{Kind, Part, Ready, Role};

use super::Run;
use ws_testkit::Frame;

impl Run {
    pub(super) fn peer_sends(&mut self, kind: Kind, payload: &[u8], part: Part) {
        let kind = self.begun.as_ref().map_or(kind, |(kind, _)| *kind);
        let opcode = match (&self.begun, kind) {
            (Some(_), _) => 0,
            (None, Kind::Text) => 1,
            (None, Kind::Binary) => 2,
        };
        let (_, message) = self.begun.get_or_insert((kind, Vec::new()));
        message.extend(payload);
        if part == Part::Last && !self.peer_closed {
            let whole = self.begun.take();
            if !core::mem::take(&mut self.dropping) {
                self.expected.extend(whole);
            }
        }
        let fin = if part == Part::Last { Frame::FIN } else { 0 };
        self.peer(fin | opcode, payload);
    }

    pub(super) fn peer(&mut self, first: u8, payload: &[u8]) {
        let first = if first & 0x08 != 0 {
            Frame::FIN | first
        } else {
            first
        };
        let frame = Frame {
            first,
            mask: (self.role == Role::Server).then_some([1, 2, 3, self.count]),
            payload: payload.into(),
        };
        self.push(&frame.encode());
    }

    pub(super) fn peer_closes(&mut self, how_much: u8) {
        match how_much & 3 {
            0 => self.peer(8, &[]),
            1 => self.peer(8, b"\x03\xE8done"),
            // A code that may not travel.
            2 => {
                self.spoiled = true;
                self.peer(8, b"\x03\xED");
            }
            _ => self.peer(8, b"\x03\xE9"),
        }
        self.peer_closed = true;
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.spoiled = true;
        self.push(bytes);
    }

    fn push(&mut self, bytes: &[u8]) {
        // In two pieces, by two ways.
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        self.session.push(head);
        let mut tail = tail;
        while let (false, Ok(spare)) = (tail.is_empty(), self.session.spare_mut()) {
            let len = spare.len().min(tail.len());
            assert!(len > 0, "room for nothing");
            spare[..len].copy_from_slice(&tail[..len]);
            self.session.filled(len);
            tail = &tail[len..];
        }
    }

    pub(super) fn eof(&mut self) {
        self.receive(0);
        let closed = matches!(self.session.ready(), Ok(Ready::Closed));
        match self.session.eof() {
            Ok(()) => assert!(closed),
            Err(error) => {
                assert!(!closed);
                assert_eq!(*self.failed.get_or_insert(error), error);
            }
        }
        self.spoiled = true;
        // The stream has ended: an adapter reads no more.
        self.ended = true;
    }
}
