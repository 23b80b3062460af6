//! A request on a connection of its own, and everything that comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::common::PATIENCE;

/// Sends all of it.
pub(crate) fn send(server: SocketAddr, bytes: &[u8], place: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect(place);
    stream.set_read_timeout(Some(PATIENCE)).expect(place);
    stream.set_write_timeout(Some(PATIENCE)).expect(place);
    stream.write_all(bytes).expect(place);
    stream
}

/// Everything up to the end of the stream, which is no reset.
pub(crate) fn received(mut stream: TcpStream, place: &str) -> Vec<u8> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect(place);
    received
}

/// The status, the head and the body of what has to be one response that closes.
pub(crate) fn refusal(received: &[u8], place: &str) -> (u16, String, String) {
    let text = str::from_utf8(received).expect(place);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{place}: no head in {text:?}"));
    let status = head.split(' ').nth(1).expect(place).parse().expect(place);
    let lines: Vec<_> = head.lines().collect();
    assert!(lines.contains(&"Connection: close"), "{place}\n{head}");
    let length = format!("Content-Length: {}", body.len());
    assert!(lines.contains(&length.as_str()), "{place}\n{text}");
    (status, head.into(), body.into())
}
