//! Compressed messages to send: RFC 7692 §7.2.1, over zlib in pure Rust. Feature `deflate`.
//!
//! ```text
//!   message ──▶ Compressor ──▶ … 00 00 FF FF      "Remove 4 octets (that are 0x00 0x00 0xff 0xff)
//!                              └── cut ──┘         from the tail end." (§7.2.1)
//! ```
//!
//! A context is made when the first message needs it, not when it is agreed on; one that is kept
//! for no later message can be lent by a pool.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;

use zlib_rs::{DeflateConfig, DeflateFlush};

use crate::assembly::lengthen;
use crate::error::SendError;
use crate::handshake::{Compression, Direction, Takeover, WindowBits};
use crate::header::Part;
use crate::role::Role;

/// The end of a message as the compressor writes it, and as it is not sent (§7.2.1).
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Settings of compression: how we compress, and what we ask of the peer.
///
/// ```
/// use ws_proto::{Deflate, handshake::Takeover};
///
/// let mut deflate = Deflate::default(); // sends with 4 KiB windows, each message by itself
/// deflate.min_len = 256;
/// // A server of many connections: a silent one should keep no window.
/// deflate.receive.takeover = Takeover::Off;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deflate {
    /// The window and takeover that this end compresses with; less, if less was agreed on. We do
    /// not ask the peer: a sender may always use less. Default: a window of 12 bits, and no
    /// takeover.
    pub send: Direction,
    /// The bounds that we ask the peer to keep. A server that cannot keep them does what it can,
    /// and a client is asked for a window only if it says that it supports that. Default:
    /// [`Direction::FULL`], which asks for nothing, as browsers do.
    ///
    /// A smaller window saves no memory here; turning takeover off does. With takeover, the window
    /// of 32 KiB and the state around it, 52 KiB in all, stay from the first compressed message
    /// until the connection ends; without, they are freed when the connection goes idle
    /// ([`release`](crate::Session::release)).
    pub receive: Direction,
    /// The effort: 1 (fast) to 9 (small). Default: 6.
    pub level: u8,
    /// The memory to compress with: 1 to 9, zlib's memory level. Default: 5.
    pub memory: u8,
    /// The shortest message that is compressed, in bytes. Default: 1 KiB; without takeover a
    /// shorter one hardly gets smaller.
    pub min_len: usize,
    /// The fate of a compression context that is kept between messages, when the connection goes
    /// idle ([`release`](crate::Session::release)). Default: it is dropped.
    pub when_idle: WhenIdle,
}

/// The fate of a compression context, kept between messages, when its connection goes idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenIdle {
    /// It is dropped: the next message is compressed on its own. What the peer sends may still
    /// refer to what it sent before, and so the window for receiving stays.
    Drop,
    /// It stays, and the memory with it.
    Keep,
}

impl Deflate {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = {
        let Some(window) = WindowBits::new(12) else {
            unreachable!()
        };
        Self {
            send: Direction {
                window,
                takeover: Takeover::Off,
            },
            receive: Direction::FULL,
            level: 6,
            memory: 5,
            min_len: 1024,
            when_idle: WhenIdle::Drop,
        }
    };

    /// The bounds that an end of this role negotiates within, for
    /// [`Offer::compression`](crate::handshake::Offer::compression) or [`Compression::agree`].
    #[must_use]
    pub const fn bounds(&self, role: Role) -> Compression {
        match role {
            Role::Server => Compression {
                server: self.send,
                client: self.receive,
            },
            Role::Client => Compression {
                server: self.receive,
                client: self.send,
            },
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether one message is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// If compression was agreed on, and the message is not too short for it.
    #[default]
    Auto,
    /// Never: it holds a secret next to something that others may choose, and its compressed length
    /// would reveal it (RFC 7692 §8). It leaves the context of other messages alone.
    Never,
}

/// The sending side's part of what was agreed on.
#[derive(Debug)]
pub(crate) struct Deflater {
    settings: Deflate,
    direction: Direction,
    context: Option<Compressor>,
    /// The message whose fragments are being sent is compressed.
    within: bool,
}

/// A compression context. Without context takeover (RFC 7692 §7.1.1) it keeps nothing between
/// messages, so one context can serve many connections with the same settings.
pub struct Compressor {
    zlib: zlib_rs::Deflate,
    encoding: Encoding,
    /// The output of the last piece: the first `len` bytes.
    out: Vec<u8>,
    len: usize,
}

/// Everything that the compressed form of a message depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    window: WindowBits,
    level: u8,
    memory: u8,
}

impl Encoding {
    /// The number of window sizes that our compressor supports.
    pub(crate) const WINDOWS: usize = (WindowBits::MAX.get() - WindowBits::CAN.get()) as usize + 1;

    /// The index of this size among them.
    pub(crate) const fn place(self) -> usize {
        self.window.get().saturating_sub(WindowBits::CAN.get()) as usize
    }

    /// The memory that zlib takes for a context, in bytes, or a little more: its window, what is
    /// pending, and the hashes.
    const fn context_len(self) -> usize {
        (4 << self.window.get()) + (7 << (self.memory + 6)) + HASHES
    }
}

impl Deflater {
    pub(crate) fn new(settings: &Deflate, agreed: &Compression, role: Role) -> Self {
        Self {
            settings: *settings,
            direction: settings.send.and(match role {
                Role::Server => agreed.server,
                Role::Client => agreed.client,
            }),
            context: None,
            within: false,
        }
    }

    /// Whether a message of `len` bytes is to be compressed. A window that our compressor cannot
    /// keep to leaves messages as they are, which is always allowed (§6).
    pub(crate) fn wants(&self, len: usize, compress: Compress) -> bool {
        compress == Compress::Auto
            && len >= self.settings.min_len
            && self.direction.window >= WindowBits::CAN
    }

    /// Whether the fragments being sent are of a compressed message.
    pub(crate) const fn is_within(&self) -> bool {
        self.within
    }

    /// Compresses a piece of a message. The output goes out as one fragment; if it is not sent, or
    /// there was no memory, the context has to [forget](Self::forget).
    pub(crate) fn compress(&mut self, piece: &[u8], part: Part) -> Result<&[u8], SendError> {
        let (encoding, takeover) = (self.encoding(), self.direction.takeover);
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(Compressor::new(encoding)?),
        };
        context.compress(piece)?;
        self.within = part == Part::More;
        if part == Part::Last {
            context.cut_tail();
            if takeover == Takeover::Off {
                context.zlib.reset();
            }
        }
        debug_assert!(
            context.len <= context.out.len(),
            "the output lies in its buffer"
        );
        Ok(context.out.get(..context.len).unwrap_or_default())
    }

    /// Compresses a message by itself, for every connection that has agreed on the same.
    pub(crate) fn compress_alone(&mut self, message: &[u8]) -> Result<Vec<u8>, SendError> {
        self.forget();
        let alone = self.compress(message, Part::Last).and_then(|deflated| {
            let mut alone = Vec::new();
            alone.try_reserve_exact(deflated.len()).map_err(starved)?;
            alone.extend_from_slice(deflated);
            Ok(alone)
        });
        self.forget();
        alone
    }

    /// Whether lending it a context would be of use.
    pub(crate) fn lacks(&self) -> bool {
        self.context.is_none() && self.direction.takeover == Takeover::Off
    }

    /// Resets the window, because ours and the peer's no longer agree: one of the two has seen a
    /// message that the other has not.
    pub(crate) fn forget(&mut self) {
        self.within = false;
        if let Some(context) = &mut self.context {
            context.zlib.reset();
        }
    }

    /// The parameters that messages are compressed with here.
    pub(crate) fn encoding(&self) -> Encoding {
        Encoding {
            window: self.direction.window,
            level: self.settings.level.clamp(1, 9),
            memory: self.settings.memory.clamp(1, 9),
        }
    }

    /// Takes the context out, if nothing is kept in it.
    pub(crate) fn take(&mut self) -> Option<Compressor> {
        if self.within || self.direction.takeover == Takeover::Kept {
            return None;
        }
        let mut context = self.context.take()?;
        // A large message leaves a large buffer, which the next user may not need.
        if context.out.len() > KEPT {
            (context.out, context.len) = (Vec::new(), 0);
        }
        Some(context)
    }

    /// Whether a context compresses as it was agreed on here.
    pub(crate) fn suits(&self, context: &Compressor) -> bool {
        context.encoding == self.encoding()
    }

    /// Uses a context that nothing is kept in, if it suits and is needed.
    pub(crate) fn lend(&mut self, context: Compressor) -> Option<Compressor> {
        if !self.suits(&context) || !self.lacks() {
            return Some(context);
        }
        self.context.replace(context)
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.context.as_ref().map_or(0, |context| {
            context.encoding.context_len() + context.out.capacity()
        })
    }

    /// Gives the memory back. Later messages cannot refer to earlier ones then, which costs size
    /// and breaks nothing.
    pub(crate) fn release(&mut self) {
        let kept =
            self.direction.takeover == Takeover::Kept && self.settings.when_idle == WhenIdle::Keep;
        if !self.within && !kept {
            self.context = None;
        }
    }
}

impl Compressor {
    fn new(encoding: Encoding) -> Result<Self, SendError> {
        ask_for(encoding.context_len()).map_err(starved)?;
        let config = DeflateConfig {
            level: encoding.level.into(),
            mem_level: encoding.memory.into(),
            // Negative: without zlib's header around it.
            window_bits: -i32::from(encoding.window.get()),
            ..DeflateConfig::default()
        };
        Ok(Self {
            zlib: zlib_rs::Deflate::new_with_config(config),
            encoding,
            out: Vec::new(),
            len: 0,
        })
    }

    /// Leaves the piece, compressed and flushed, in `out`.
    fn compress(&mut self, mut piece: &[u8]) -> Result<(), SendError> {
        let mut len = 0;
        // DEFLATE's worst is a little more than it was given; the loop covers the rest.
        let mut room = piece.len() + piece.len() / 64 + 64;
        loop {
            lengthen(&mut self.out, len + room).map_err(starved)?;
            let (read, written) = (self.zlib.total_in(), self.zlib.total_out());
            // The pointers are valid, and the flush is one that can be asked for, so zlib finds no
            // fault; a full buffer is not a fault.
            let _ = self
                .zlib
                .compress(piece, &mut self.out[len..], DeflateFlush::SyncFlush);
            let read = usize_of(self.zlib.total_in() - read);
            let written = usize_of(self.zlib.total_out() - written);
            piece = &piece[read..];
            len += written;
            // A buffer that is not full holds all there is.
            if len < self.out.len() {
                break;
            }
            room = self.out.len();
        }
        self.len = len;
        Ok(())
    }

    /// "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end." An empty message
    /// leaves the one byte 00 (§7.2.3.6).
    fn cut_tail(&mut self) {
        self.len = self.len.saturating_sub(TAIL.len());
        if let (0, Some(first)) = (self.len, self.out.first_mut()) {
            *first = 0;
            self.len = 1;
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// The most of an output buffer that stays with a context for its next user, in bytes.
const KEPT: usize = 64 << 10;

/// The memory of a context beyond its window and what is pending: a little more than zlib takes, in
/// bytes.
const HASHES: usize = (128 << 10) + (8 << 10);

/// Asks for memory that is about to be taken in one piece by code that cannot fail softly: zlib
/// panics without it. Another thread may take it in between.
pub(crate) fn ask_for(len: usize) -> Result<(), TryReserveError> {
    let mut asked = Vec::<u8>::new();
    asked.try_reserve_exact(len)?;
    // Or the compiler sees that nobody uses it, and does not ask.
    core::hint::black_box(&mut asked);
    Ok(())
}

fn starved(_: TryReserveError) -> SendError {
    SendError::OutOfMemory
}

/// The number of bytes moved by one call, which fits its type.
pub(crate) fn usize_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
