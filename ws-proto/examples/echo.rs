//! A server that echoes, over anything that reads and writes: the opening handshake, the connection, and its end. Open
//! ws://127.0.0.1:9001/ in a client.
//!
//! There is no clock in it, and so neither a keepalive nor a deadline: `Session::check` is where one would be looked at.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;

use ws_proto::{AcceptStep, Accepting, Config, Session, Shutdown, Step};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:9001")?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept()?;
        match serve(socket) {
            Ok(()) => println!("{peer} has left"),
            Err(error) => println!("{peer} was lost: {error}"),
        }
    }
}

/// One connection, from its first byte to its last.
fn serve(mut socket: impl Read + Write) -> io::Result<()> {
    match open(&mut socket)? {
        Some(session) => echo(session, &mut socket),
        None => Ok(()),
    }
}

/// The opening handshake. There is no session if the request was refused, or never complete.
fn open(socket: &mut (impl Read + Write)) -> io::Result<Option<Session>> {
    let mut accepting = Accepting::new(&Config::default());
    loop {
        match accepting.step() {
            AcceptStep::NeedData => match socket.read(accepting.spare_mut()?)? {
                0 => accepting.eof(),
                len => accepting.filled(len),
            },
            AcceptStep::Request(asked) => {
                let request = asked.request();
                // Pages of other sites may not connect.
                match request.same_origin().and_then(|()| request.accept()) {
                    Ok(accept) => asked.accept(accept),
                    Err(error) => asked.refuse(error),
                }
            }
            AcceptStep::NeedWrite => {
                let len = written(socket.write(accepting.unsent())?)?;
                accepting.sent(len);
            }
            AcceptStep::Open(session) => return Ok(Some(session)),
            AcceptStep::Over(_why) => return Ok(None),
        }
    }
}

/// The connection.
fn echo(mut session: Session, socket: &mut (impl Read + Write)) -> io::Result<()> {
    loop {
        answer(&mut session)?;
        while session.wants_write() {
            let len = written(socket.write(session.unsent())?)?;
            session.sent(len);
        }
        match session.shutdown() {
            Shutdown::NotYet => {
                match socket.read(session.spare_mut().map_err(io::Error::other)?)? {
                    // The peer is gone and has not said so.
                    0 => session.eof().map_err(io::Error::other)?,
                    len => session.filled(len),
                }
            }
            // The last word is written. A socket would be shut down here as `shutdown` says, so that the peer has time
            // to read it: see `Shutdown`.
            _ => return Ok(()),
        }
    }
}

/// Handles everything that has been received.
fn answer(session: &mut Session) -> io::Result<()> {
    // A message is borrowed from the half that receives, and can be sent by the other while it is.
    let (incoming, outgoing) = session.halves();
    loop {
        match incoming.step(outgoing) {
            Ok(Step::Message(message)) => outgoing.send(message).map_err(io::Error::other)?,
            Ok(Step::Control(_)) => {} // it is answered already
            Ok(Step::NeedData | Step::Closed) => return Ok(()),
            Err(error) => {
                // The Close that tells the peer is among what is unsent.
                println!("the peer is at fault: {error}");
                return Ok(());
            }
        }
    }
}

/// A write of nothing would be tried for ever.
fn written(len: usize) -> io::Result<usize> {
    match len {
        0 => Err(ErrorKind::WriteZero.into()),
        len => Ok(len),
    }
}

#[test]
fn it_echoes() {
    /// What is read from it, a byte at a time, and what was written to it.
    struct Wire(&'static [u8], Vec<u8>);

    impl Read for &mut Wire {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut to[..1])
        }
    }

    impl Write for &mut Wire {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            self.1.write(&from[..1])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut wire = Wire(
        b"GET / HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
          \x81\x85\0\0\0\0Hello\x88\x80\0\0\0\0",
        Vec::new(),
    );
    serve(&mut wire).expect("a conversation");
    assert!(wire.1.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    assert!(wire.1.ends_with(b"\r\n\r\n\x81\x05Hello\x88\x00"));
}
