//! The last bytes of a connection that does not become a WebSocket.

use std::net::Shutdown;
use std::time::{Duration, SystemTime};

use ws_http::{Body, Refusal, Response};

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::stream::Stream;

/// The answer to clients that there is no room for.
pub(super) fn unavailable() -> Vec<u8> {
    encoded(&Refusal::Full.response(), Body::Send)
}

/// Answers a client that there is no room for.
pub(super) fn refuse(stream: &Stream) {
    answer_and_end(stream, &unavailable(), REFUSAL);
}

/// The time that a refused client has to read its answer.
pub(super) const REFUSAL: Duration = Duration::from_secs(1);

/// An answer as it travels now.
pub(super) fn encoded(answer: &Response, body: Body) -> Vec<u8> {
    answer.encode(body, SystemTime::now())
}

/// Writes the last bytes of a connection, and lets the peer read them.
pub(super) fn answer_and_end(stream: &Stream, answer: &[u8], patience: Duration) {
    let clock = Clock::system();
    let written = Deadline::after(&clock, patience)
        .write(stream, answer)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    if written.is_ok() {
        let mut dropped = 0;
        stream.linger(patience, |len| {
            dropped += len;
            dropped < DROPPED
        });
    }
}

/// The most that is read and dropped after an answer, in bytes: a little of what follows a refused
/// request may be there already, and nobody needs it.
const DROPPED: usize = 64 << 10;
