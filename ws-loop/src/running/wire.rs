//! What each turn of a connection begins and ends with: buffers are lent, what waits is written.

use std::io;

use ws_proto::{Buffers, Outgoing, Session};

use crate::flags::Flags;
use crate::stream::{PIECES, Stream};

/// Lends the buffers to a session.
#[inline(always)]
pub(super) fn lend(session: &mut Session, buffers: &mut Buffers) {
    let (incoming, outgoing) = session.halves();
    incoming.attach(buffers);
    outgoing.attach(buffers);
}

/// Takes back what was lent. A session that has no memory for what is left over keeps its buffer,
/// and those after it have their own until one of them comes back.
#[inline(always)]
pub(super) fn take_back(session: &mut Session, buffers: &mut Buffers) {
    let (incoming, outgoing) = session.halves();
    incoming.detach(buffers);
    outgoing.detach(buffers);
}

/// Writes what waits, as much as the socket takes.
#[inline(always)]
pub(super) fn flush(outgoing: &mut Outgoing, stream: &Stream, flags: &mut Flags) -> io::Result<()> {
    loop {
        let written = match outgoing.unsent_whole() {
            Some([]) => return Ok(()),
            Some(bytes) => stream.write(bytes),
            None => write_pieces(outgoing, stream),
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => {
                outgoing.sent(len);
                if !outgoing.wants_write() {
                    return Ok(());
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    outgoing.sent(0);
                    flags.set(Flags::BLOCKED);
                    flags.set(Flags::UNSENT);
                    return Ok(());
                }
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
}

/// Writes what waits, unless the socket takes nothing.
#[inline(never)]
pub(super) fn flush_rest(
    outgoing: &mut Outgoing,
    stream: &Stream,
    flags: &mut Flags,
) -> io::Result<()> {
    if flags.has(Flags::BLOCKED) {
        return Ok(());
    }
    flush(outgoing, stream, flags)
}

/// Writes what does not lie in one piece.
#[inline(never)]
fn write_pieces(outgoing: &mut Outgoing, stream: &Stream) -> io::Result<usize> {
    let mut pieces = [&[][..]; PIECES];
    let count = outgoing.unsent_slices(&mut pieces);
    stream.write_pieces(pieces.get(..count).unwrap_or_default())
}
