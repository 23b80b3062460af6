//! A TCP connection carried by a WebSocket: what comes on the one goes out on the other.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use ws_std::{CloseCode, Error, WebSocket, Writer};

/// The most bytes of a message.
const PIECE: usize = 16 << 10;

/// Moves bytes both ways, as binary messages, until either end is over; the other is then closed. A
/// WebSocket has no half-closed state: the end of one direction is the end of both. `message` hears
/// of every message that comes.
pub(crate) fn carry(ws: WebSocket, tcp: TcpStream, message: impl Fn()) -> Result<(), Error> {
    let (mut reader, writer) = ws.split();
    let (from, up) = (tcp.try_clone().map_err(Error::Io)?, writer.clone());
    let thread = thread::Builder::new()
        .name("ws-bridge".into())
        .spawn(move || send(from, &up))
        .map_err(Error::Io)?;
    let ended = loop {
        match reader.recv() {
            Ok(Some(received)) => {
                message();
                if (&tcp).write_all(received.as_bytes()).is_err() {
                    let _ = writer.close(CloseCode::GOING_AWAY, "");
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // The other thread reads until then.
    let _ = tcp.shutdown(Shutdown::Both);
    let _ = thread.join();
    ended
}

/// Sends what comes on the TCP connection, and closes at its end.
fn send(mut from: TcpStream, writer: &Writer) {
    let mut piece = vec![0; PIECE];
    let code = loop {
        match from.read(&mut piece) {
            Ok(0) => break CloseCode::NORMAL,
            Ok(len) => {
                if writer.send(&piece[..len]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break CloseCode::GOING_AWAY,
        }
    };
    let _ = writer.close(code, "");
}
