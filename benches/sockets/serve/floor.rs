//! The least that a server can do: the bytes of an echo are read, unmasked and written, and nothing is
//! checked.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

use ws_proto::handshake::{Request, Scan};
use ws_proto::{Header, Limits, Mask, Opcode};

use super::listen;

/// The least that is read at a time; two messages, if they are longer.
const BUFFER: usize = 64 << 10;

/// Echoes messages that are all binary and `size` bytes long, in one frame each.
pub(super) fn serve(size: usize) -> io::Result<()> {
    for stream in listen()?.incoming() {
        let stream = stream?;
        // A client that breaks off is done.
        thread::spawn(move || echo(stream, size));
    }
    Ok(())
}

fn echo(mut stream: TcpStream, size: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    answer(&mut stream)?;
    let header = Header::new(Opcode::Binary, size as u64).map_err(io::Error::other)?;
    let header = header.encode();
    let start = header.as_ref().len() + MASK;
    let mut buffer = vec![0; BUFFER.max(2 * (start + size))];
    let mut answers = Vec::new();
    let mut end = 0;
    loop {
        let len = stream.read(&mut buffer[end..])?;
        end += len;
        let mut frames = buffer[..end].chunks_exact_mut(start + size);
        for frame in &mut frames {
            let (head, payload) = frame.split_at_mut(start);
            let [.., a, b, c, d] = *head else {
                return Ok(());
            };
            let _ = Mask::new([a, b, c, d]).apply(payload);
            // The header of the answer fits in, because it has no mask.
            head[MASK..].copy_from_slice(header.as_ref());
            if size < LARGE {
                answers.extend_from_slice(&frame[MASK..]);
            } else {
                stream.write_all(&frame[MASK..])?;
            }
        }
        let rest = frames.into_remainder().len();
        stream.write_all(&answers)?;
        answers.clear();
        buffer.copy_within(end - rest..end, 0);
        end = rest;
        if len == 0 || end > 0 && buffer[0] == CLOSE {
            return Ok(());
        }
    }
}

/// The length of the mask in a client's frame.
const MASK: usize = 4;
/// From here on an answer is written from where it lies.
const LARGE: usize = 32 << 10;
/// The first byte of a Close.
const CLOSE: u8 = 0x88;

/// The opening handshake.
fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let (mut head, mut scan) = (Vec::new(), Scan::new());
    let mut piece = [0; 1024];
    loop {
        let len = stream.read(&mut piece)?;
        head.extend_from_slice(&piece[..len]);
        let request = Request::parse_prefix(&mut scan, &head, &Limits::DEFAULT);
        if let Some((request, _)) = request.map_err(io::Error::other)? {
            let mut out = [0; 512];
            let accept = request.accept().map_err(io::Error::other)?;
            let len = accept.encode(&mut out).map_err(io::Error::other)?;
            return stream.write_all(&out[..len]);
        }
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
