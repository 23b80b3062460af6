//! zlib driven bare: what RFC 7692 §7.2 asks for, and nothing of WebSocket.
//!
//! One call for a message, into a buffer that is large enough: no frame, no mask, no limit, no
//! check of the text. Nothing that compresses with this zlib can take less.

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{Deflate, Role};
use zlib_rs::{DeflateConfig, DeflateFlush, Inflate, InflateFlush};

/// The end of each message in the stream, which is not sent (§7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The longest message, in bytes.
const ROOM: usize = 80 << 10;

/// How hard zlib tries. Everybody's default.
const LEVEL: u8 = 6;

/// The parameters of zlib, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The base-2 logarithm of the window.
    pub window: u8,
    /// The memory level.
    pub memory: u8,
    /// Whether the window is kept between messages.
    pub takeover: Takeover,
}

impl Setup {
    /// Ours by default, and the most that can be agreed on; each with and without takeover.
    pub const ALL: [Self; 4] = [
        Self::new(12, 5, Takeover::Off),
        Self::new(12, 5, Takeover::Kept),
        Self::new(15, 8, Takeover::Off),
        Self::new(15, 8, Takeover::Kept),
    ];

    const fn new(window: u8, memory: u8, takeover: Takeover) -> Self {
        Self {
            window,
            memory,
            takeover,
        }
    }

    /// The same, as settings of ws-proto.
    ///
    /// # Panics
    ///
    /// If DEFLATE has no such window.
    #[must_use]
    pub fn agreed(self) -> (Deflate, Compression) {
        let window = WindowBits::new(self.window).expect("8 to 15");
        let takeover = self.takeover;
        let direction = Direction { window, takeover };
        let mut settings = Deflate::default();
        (settings.send, settings.receive) = (direction, direction);
        (settings.level, settings.memory) = (LEVEL, self.memory);
        settings.min_len = 0;
        (settings, settings.bounds(Role::Server))
    }
}

impl std::fmt::Display for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { window, memory, .. } = self;
        let takeover = match self.takeover {
            Takeover::Kept => "kept",
            Takeover::Off => "off",
        };
        write!(f, "window {window}/{memory} {takeover}")
    }
}

/// Compresses.
pub struct Compressor {
    zlib: zlib_rs::Deflate,
    takeover: Takeover,
    out: Vec<u8>,
}

impl Compressor {
    /// With nothing in its window.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let config = DeflateConfig {
            level: LEVEL.into(),
            mem_level: setup.memory.into(),
            window_bits: -i32::from(setup.window),
            ..DeflateConfig::default()
        };
        Self {
            zlib: zlib_rs::Deflate::new_with_config(config),
            takeover: setup.takeover,
            out: vec![0; ROOM],
        }
    }

    /// A message as it is sent.
    ///
    /// # Panics
    ///
    /// If zlib finds fault with it, which it never does.
    pub fn compress(&mut self, message: &[u8]) -> &[u8] {
        let before = self.zlib.total_out();
        self.zlib
            .compress(message, &mut self.out, DeflateFlush::SyncFlush)
            .expect("in order");
        let len = length(self.zlib.total_out() - before);
        if self.takeover == Takeover::Off {
            self.zlib.reset();
        }
        &self.out[..len - TAIL.len()]
    }
}

/// Inflates.
pub struct Inflater {
    zlib: Inflate,
    takeover: Takeover,
    out: Vec<u8>,
}

impl Inflater {
    /// With nothing in its window.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            zlib: Inflate::new(false, setup.window),
            takeover: setup.takeover,
            out: vec![0; ROOM],
        }
    }

    /// A message that was received, with its tail: in one piece, if it happens to stand there, or
    /// in two.
    ///
    /// # Panics
    ///
    /// If that is not what [`Compressor`] makes.
    pub fn inflate<const PIECES: usize>(&mut self, received: [&[u8]; PIECES]) -> &[u8] {
        let before = self.zlib.total_out();
        for piece in received {
            let written = length(self.zlib.total_out() - before);
            self.zlib
                .decompress(piece, &mut self.out[written..], InflateFlush::SyncFlush)
                .expect("in order");
        }
        let len = length(self.zlib.total_out() - before);
        if self.takeover == Takeover::Off {
            self.zlib.reset(false);
        }
        &self.out[..len]
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

fn length(count: u64) -> usize {
    usize::try_from(count).expect("a message fits in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::compressible;

    /// The two that are compared do the same work: ours sends what zlib makes, byte for byte.
    #[test]
    fn ours_sends_what_bare_zlib_makes_and_both_read_it() {
        use ws_proto::{Header, Limits, Message, Session, Step};
        for setup in Setup::ALL {
            for len in [1 << 10, 64 << 10] {
                let (settings, agreed) = setup.agreed();
                let limits = Limits::default();
                let mut server = Session::server(&limits.into()).compressed(&settings, &agreed);
                let mut client =
                    Session::client(&limits.into(), [0; 32]).compressed(&settings, &agreed);
                let (mut compressor, mut inflater) = (Compressor::new(setup), Inflater::new(setup));
                for message in compressible(len) {
                    let bare = compressor.compress(message.as_bytes()).to_vec();
                    server.send(&message[..]).unwrap();
                    let frame = server.unsent().to_vec();
                    server.sent(frame.len());
                    let (_, head) = Header::decode(&frame).unwrap().unwrap();
                    assert!(frame[head..] == bare, "{setup} {len}");

                    let received = [&bare[..], &TAIL].concat();
                    assert_eq!(inflater.inflate([&received]), message.as_bytes());
                    client.push(&frame);
                    assert_eq!(client.step(), Ok(Step::Message(Message::Text(&message))));
                }
            }
        }
    }
}
