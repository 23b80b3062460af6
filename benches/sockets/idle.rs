//! Connections that do nothing: what opening, keeping and closing them takes.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// How many are kept at a time.
pub(crate) const CONNECTIONS: usize = 5000;

/// How many are opened or closed at a time.
const BATCH: usize = 50;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A Close 1000, masked with zeros.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xE8";

/// Sixteen bytes, and the header of their echo.
const MESSAGE: &[u8] = b"\x82\x90\0\0\0\0sixteen bytes  .";
const ECHO: usize = 2 + 16;

/// Open connections.
#[derive(Debug, Default)]
pub(crate) struct Idle(Vec<TcpStream>);

impl Idle {
    /// Opens `count` connections, some at a time.
    pub(crate) fn open(port: u16, count: usize) -> io::Result<Self> {
        let mut streams = Vec::with_capacity(count);
        while streams.len() < count {
            let batch = streams.len()..count.min(streams.len() + BATCH);
            for _ in batch.clone() {
                let mut stream = TcpStream::connect(("127.0.0.1", port))?;
                stream.write_all(REQUEST)?;
                streams.push(stream);
            }
            streams[batch].iter().try_for_each(read_answer)?;
        }
        Ok(Self(streams))
    }

    /// Makes each echo a message.
    pub(crate) fn echo(&self) -> io::Result<()> {
        for batch in self.0.chunks(BATCH) {
            for mut stream in batch {
                stream.write_all(MESSAGE)?;
            }
            for mut stream in batch {
                stream.read_exact(&mut [0; ECHO])?;
            }
        }
        Ok(())
    }

    /// Closes them in good order.
    pub(crate) fn close(self) -> io::Result<()> {
        let mut streams = self.0.into_iter();
        loop {
            let mut batch: Vec<_> = streams.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            for stream in &mut batch {
                stream.write_all(CLOSE)?;
            }
            for mut stream in batch {
                // Its Close, and perhaps the end of the stream: some leave that to the client.
                let _ = stream.read(&mut [0; 64])?;
            }
        }
    }
}

/// Reads up to the end of the head.
fn read_answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 1024];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => head.extend_from_slice(&piece[..len]),
        }
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(io::Error::other(String::from_utf8_lossy(&head)));
    }
    Ok(())
}
