//! Compressed messages: RFC 7692 §7.2.

use core::cell::RefCell;

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Compressor, Deflate, Kind, Limits, Message, Part, ProtocolError, Role, Session, Step,
};
use zlib_rs::{Inflate, InflateFlush, Status};

use super::input::cuts;
use ws_testkit::Frame;

/// What a sender leaves out at the end of a message (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Any bytes as compressed messages give what zlib gives, or fail for what is wrong with them; no
/// more than the limit is ever handed out. What we compress, zlib and our other end inflate to
/// the same.
///
/// The input is a byte for the window, takeover, kind and direction, one for the limit and how it
/// is read, a byte for the number of cuts, the cuts, and the bytes: to be inflated, in fragments
/// that are cut there, or to be compressed.
///
/// # Panics
///
/// If not.
pub fn inflate(input: &[u8]) {
    failure(input);
}

/// The error that receiving ends with, if it does.
pub(super) fn failure(input: &[u8]) -> Option<ProtocolError> {
    let [choice, how, input @ ..] = input else {
        return None;
    };
    let agreed = Direction {
        window: WindowBits::new(8 + (choice & 7)).expect("8 to 15"),
        takeover: if choice & 8 == 0 {
            Takeover::Off
        } else {
            Takeover::Kept
        },
    };
    let kind = if choice & 16 == 0 {
        Kind::Binary
    } else {
        Kind::Text
    };
    let (cuts, bytes) = cuts(input);
    if choice & 32 == 0 {
        receives(agreed, kind, *how, &cuts, bytes)
    } else {
        sends(agreed, kind, *how, &cuts, bytes);
        None
    }
}

/// One end, for which the other compresses as it does.
fn session(role: Role, agreed: Direction, limits: &Limits) -> Session {
    let mut settings = Deflate::DEFAULT;
    (settings.min_len, settings.memory) = (0, 1);
    settings.send = agreed;
    let agreed = Compression {
        server: agreed,
        client: agreed,
    };
    match role {
        Role::Server => Session::server(&(*limits).into()),
        Role::Client => Session::client(&(*limits).into(), [0; 32]),
    }
    .compressed(&settings, &agreed)
}

/// zlib by itself, which is given a message whole, and gives it in pieces of `grain` bytes.
struct Zlib {
    inflate: Inflate,
    window: u8,
    takeover: Takeover,
    grain: usize,
}

/// How far zlib came with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    ToTheEnd,
    ToAFault,
    BeyondTheLimit,
}

impl Zlib {
    /// With all the window that DEFLATE can refer to.
    fn wide(takeover: Takeover) -> Self {
        Self::new(15, takeover, 4096)
    }

    /// With this window and not a byte more: what is in the output is no window.
    fn narrow(agreed: Direction) -> Self {
        Self::new(agreed.window.get(), agreed.takeover, 1)
    }

    fn new(window: u8, takeover: Takeover, grain: usize) -> Self {
        Self {
            inflate: Inflate::new(false, window),
            window,
            takeover,
            grain,
        }
    }

    /// What a message inflates to, up to the limit and a little more.
    fn message(&mut self, compressed: &[u8], limit: usize) -> (Vec<u8>, Came) {
        // "an empty message … 0x00" (§7.2.3.6): there is none without a byte.
        if compressed.is_empty() {
            return (Vec::new(), Came::ToAFault);
        }
        let inflated = self.inflate(&[compressed, &TAIL].concat(), compressed.len(), limit);
        if self.takeover == Takeover::Off {
            self.reset();
        }
        inflated
    }

    /// Inflates all of `bytes`, of which the last are the tail from `tail` on.
    fn inflate(&mut self, bytes: &[u8], tail: usize, limit: usize) -> (Vec<u8>, Came) {
        let mut message = Vec::new();
        let mut at = 0;
        let mut piece = [0; 4096];
        let piece = &mut piece[..self.grain];
        while message.len() <= limit {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self
                .inflate
                .decompress(&bytes[at..], piece, InflateFlush::SyncFlush);
            let read = usize::try_from(self.inflate.total_in() - read).expect("a piece");
            let written = usize::try_from(self.inflate.total_out() - written).expect("a piece");
            at += read;
            message.extend(&piece[..written]);
            match result {
                Err(_) => return (message, Came::ToAFault),
                // A last block (§7.2.3.4), behind which there may be another stream.
                Ok(Status::StreamEnd) => {
                    self.reset();
                    if at == tail || at == bytes.len() {
                        return (message, Came::ToTheEnd);
                    }
                }
                Ok(_) if at == bytes.len() && written < self.grain => {
                    return (message, Came::ToTheEnd);
                }
                Ok(_) if read == 0 && written == 0 => return (message, Came::ToAFault),
                Ok(_) => {}
            }
        }
        (message, Came::BeyondTheLimit)
    }

    fn reset(&mut self) {
        self.inflate = Inflate::new(false, self.window);
    }
}

/// The bytes to a server, as the fragments of messages: a cut above 127 ends a message.
fn receives(
    agreed: Direction,
    kind: Kind,
    how: u8,
    cuts: &[usize],
    mut bytes: &[u8],
) -> Option<ProtocolError> {
    let limit = [3000, 0, 1, 100][usize::from(how & 3)];
    let mut limits = Limits::DEFAULT;
    limits.max_message = u64::try_from(limit).expect("small");
    let mut ours = session(Role::Server, agreed, &limits);
    // Whatever was promised: ours bears with a peer that refers to more.
    let mut wide = Zlib::wide(Takeover::Kept);
    let mut message = Vec::new();
    let mut begun = false;
    for cut in cuts.iter().map(Some).chain([None]) {
        let len = cut.map_or(bytes.len(), |cut| bytes.len().min(cut & 127));
        let (fragment, rest) = bytes.split_at(len);
        bytes = rest;
        let last = cut.is_none_or(|cut| *cut > 127);
        let opcode = match (begun, kind) {
            (true, _) => 0,
            (false, Kind::Text) => 0x41,
            (false, Kind::Binary) => 0x42,
        };
        let frame = Frame {
            first: opcode | if last { Frame::FIN } else { 0 },
            mask: Some([0; 4]),
            payload: fragment.into(),
        }
        .encode();
        begun = !last;
        message.extend(fragment);
        if how & 4 == 0 {
            ours.push(&frame);
        } else {
            for byte in &frame {
                ours.push(&[*byte]);
                // An error is final, and looked at below.
                let _ = ours.ready();
            }
        }
        let step = ours.step();
        if !last && step == Ok(Step::NeedData) {
            continue;
        }
        let (full, came) = match last {
            true => wide.message(&message, limit),
            false => wide.inflate(&message, message.len(), limit),
        };
        message.clear();
        match step {
            Ok(step) => {
                let Step::Message(given) = step else {
                    panic!("{step:?}");
                };
                assert!(came == Came::ToTheEnd && full.len() <= limit, "{given:?}");
                assert_eq!((given.kind(), given.as_bytes()), (kind, &full[..]));
            }
            Err(error) => {
                let whole = last && came == Came::ToTheEnd && full.len() <= limit;
                let within = &full[..full.len().min(limit)];
                let not_text =
                    str::from_utf8(within).is_err_and(|cut| cut.error_len().is_some() || whole);
                match error {
                    // A byte beyond the limit is looked at.
                    ProtocolError::InvalidDeflate => {
                        let fault = came == Came::ToAFault && full.len() <= limit + 1;
                        assert!(fault, "{came:?} {}", full.len());
                    }
                    ProtocolError::MessageTooBig { .. } => assert!(full.len() > limit),
                    ProtocolError::InvalidUtf8 => assert!(kind == Kind::Text && not_text),
                    error => panic!("{error:?}"),
                }
                assert_eq!(ours.step(), Err(error));
                return Some(error);
            }
        }
    }
    None
}

thread_local! {
    /// Contexts that nothing is kept in: as a server with many connections has them.
    static POOL: RefCell<Vec<Compressor>> = const { RefCell::new(Vec::new()) };
}

/// The bytes as a message of a server, in fragments if there are cuts.
fn sends(agreed: Direction, kind: Kind, how: u8, cuts: &[usize], bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let message = match kind {
        Kind::Text => Message::Text(&text),
        Kind::Binary => Message::Binary(bytes),
    };
    let mut ours = session(Role::Server, agreed, &Limits::DEFAULT);
    POOL.with_borrow_mut(|pool| {
        let (_, outgoing) = ours.halves();
        let suits = pool
            .iter()
            .position(|context| outgoing.suits_compressor(context));
        if let Some(at) = suits {
            let back = outgoing.lend_compressor(pool.swap_remove(at));
            pool.extend(back);
        }
    });
    let mut theirs = session(Role::Client, agreed, &Limits::DEFAULT);
    // A byte at a time is slow, and of use only where a window is shorter than what was sent.
    let mut zlib = match bytes.len() > 200 {
        true => Zlib::narrow(agreed),
        false => Zlib::wide(agreed.takeover),
    };
    // No compressor of ours keeps to 8 bits: then nothing is compressed.
    let compresses = agreed.window >= WindowBits::CAN;
    // With takeover the second refers to the first.
    for _ in 0..=how & 1 {
        if cuts.is_empty() {
            ours.send(message).expect("room");
        } else {
            let (_, outgoing) = ours.halves();
            let mut rest = message.as_bytes();
            for cut in cuts {
                let part = rest.split_off(..rest.len().min(*cut)).expect("within");
                outgoing.send_part(kind, part, Part::More).expect("room");
            }
            outgoing.send_part(kind, rest, Part::Last).expect("room");
        }
        let unsent = ours.unsent().to_vec();
        ours.sent(unsent.len());
        let mut compressed = Vec::new();
        let mut rest = unsent.as_slice();
        while let Some((frame, len)) = Frame::decode(rest) {
            let first = rest.len() == unsent.len();
            assert_eq!(frame.first & 0x40 != 0, first && compresses);
            compressed.extend(frame.payload);
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        if compresses {
            let inflated = zlib.message(&compressed, message.as_bytes().len());
            let expected = (message.as_bytes().to_vec(), Came::ToTheEnd);
            assert_eq!(inflated, expected, "{agreed:?} {compressed:x?}");
        } else {
            assert_eq!(compressed, message.as_bytes());
        }
        theirs.push(&unsent);
        assert_eq!(theirs.step(), Ok(Step::Message(message)));
        assert_eq!(theirs.step(), Ok(Step::NeedData));
        if how & 2 != 0 {
            ours.release();
            theirs.release();
        }
    }
    POOL.with_borrow_mut(|pool| pool.extend(ours.halves().1.take_compressor()));
}
