//! Messages in parts: those that are read as they come, and those that are written so.

use ws_proto::{Draft, Kind, Part, ProtocolError, Ready, SendError};

use super::Run;

/// A message that is written in parts.
pub(super) struct Writing {
    draft: Draft,
    kind: Kind,
    /// What it has taken and not sent.
    collected: Vec<u8>,
    begun: bool,
}

impl Run {
    /// Reads so many parts, each of at most so many bytes. What of the message is left over is read
    /// later, or dropped.
    pub(super) fn read_in_parts(&mut self, parts: u8, most: usize) {
        for _ in 0..parts {
            let ready = match self.session.ready_to_read() {
                Ok(ready) => ready,
                Err(error) => return self.fails(error),
            };
            assert!(
                self.failed.is_none() && !self.ended || ready == Ready::Closed,
                "after the end: {ready:?}"
            );
            match ready {
                Ready::Message => {}
                Ready::Control => {
                    if let Err(error) = self.session.control() {
                        return self.fails(error);
                    }
                    continue;
                }
                Ready::NeedData | Ready::Closed => return,
            }
            let kind = self.session.reading().expect("some of it has come");
            let mut room = vec![0xEE; most];
            match self.session.read(&mut room) {
                Ok(len) => self.was_read(kind, &room[..len]),
                Err(error) => return self.fails(error),
            }
        }
    }

    fn was_read(&mut self, kind: Kind, part: &[u8]) {
        assert_eq!(self.session.reading().is_none(), part.is_empty());
        let start = self.read.unwrap_or(0);
        self.read = Some(start + part.len());
        let whole = self.expected.front();
        let is_whole = whole.is_some();
        if let (Some((sent_as, sent)), false) = (whole.or(self.begun.as_ref()), self.spoiled) {
            assert_eq!(kind, *sent_as);
            assert_eq!(sent.get(start..start + part.len()), Some(part));
            if part.is_empty() {
                assert!(is_whole && start == sent.len(), "the end, and not all");
            }
        } else {
            assert!(self.spoiled, "nothing was sent");
        }
        if part.is_empty() {
            self.expected.pop_front();
            self.read = None;
        }
    }

    /// The rest of a message that was read in parts is dropped, when a whole one is asked for if not
    /// before.
    pub(super) fn skip(&mut self, now: bool) {
        if now {
            self.session.skip();
            assert_eq!(self.session.reading(), None);
        }
        if self.read.take().is_some() && self.expected.pop_front().is_none() {
            self.dropping = true;
        }
    }

    /// It is final.
    pub(super) fn fails(&mut self, error: ProtocolError) {
        assert_eq!(*self.failed.get_or_insert(error), error, "it is final");
        assert!(self.spoiled || self.ended, "{error:?} for what is in order");
        assert_eq!(self.session.step(), Err(error));
        assert_eq!(self.session.ready_to_read(), Err(error));
    }

    /// Writes some of a message, and sends what was written of it, or gives it up.
    pub(super) fn write_in_parts(&mut self, kind: Kind, payload: &[u8], how: u8) {
        let mut writing = self.writing.take().unwrap_or_else(|| Writing {
            draft: Draft::new(kind),
            kind,
            collected: Vec::new(),
            begun: false,
        });
        let kind = writing.kind;
        assert_eq!(writing.draft.write(payload), Ok(payload.len()));
        writing.collected.extend(payload);
        let (_, outgoing) = self.session.halves();
        let part = match how & 3 {
            0 => return self.writing = Some(writing),
            1 => Part::More,
            2 => Part::Last,
            _ => {
                let close = writing.draft.abandon();
                assert_eq!(close.is_some(), writing.begun);
                return;
            }
        };
        let before = outgoing.unsent_len();
        let result = writing.draft.send(outgoing, part);
        self.queued(before, writing.collected.len(), result);
        let within = self.spoken.kind_within();
        let goes_on = within.is_none_or(|within| writing.begun && within == kind);
        self.allowed(result, goes_on);
        if result.is_err() {
            assert_eq!(writing.draft.len(), writing.collected.len());
            if result != Err(SendError::Closed) {
                self.writing = Some(writing);
            }
            return;
        }
        assert!(writing.draft.is_empty());
        let collected = core::mem::take(&mut writing.collected);
        self.spoken.told(kind, &collected, part);
        if part == Part::More {
            writing.begun = true;
            self.writing = Some(writing);
        }
    }
}
