//! What permessage-deflate costs in a `Session` beyond zlib itself.
//!
//! `bare` is the same zlib with the same parameters and what §7.2 of RFC 7692 asks for, and
//! nothing of WebSocket: no frame, no mask, no limit, no check of the text. One call for a
//! message, into a buffer that is large enough.

use std::hint::black_box;

use ws_bench::{Cycle, Effort, Way, messages};
use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{Deflate, Header, Limits, Message, Session, Step};
use zlib_rs::{DeflateConfig, DeflateFlush, Inflate, InflateFlush};

/// What stands behind each message in the compressed stream, and is not sent (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// How both ends compress.
#[derive(Clone, Copy)]
struct Setup {
    window: u8,
    memory: u8,
    takeover: Takeover,
}

const SETUPS: [Setup; 4] = {
    let setup = |window, memory, takeover| Setup {
        window,
        memory,
        takeover,
    };
    []
};

fn main() {}
