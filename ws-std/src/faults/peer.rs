//! The other end: it says and hears what the plan has, and writes down every byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::common::PATIENCE;
use ws_proto::Header;
use ws_proto::handshake::{Compression, Request};

/// A step of the peer's part.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Say(Vec<u8>),
    /// Waits for so many frames more.
    Hear(usize),
    /// Waits for a request for an upgrade, and accepts it, within these bounds of compression.
    Accept(Option<Compression>),
    /// Waits for a request, and answers this.
    Answer(Vec<u8>),
    /// Ends its side of the stream.
    End,
}

/// Plays its part until the stream ends, and gives everything that it read.
pub(crate) fn play(mut stream: TcpStream, acts: &[Act]) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut heard = Heard::default();
    for act in acts {
        let done = match act {
            Act::Say(bytes) => stream.write_all(bytes).is_ok(),
            Act::Hear(frames) => heard.frames(&mut stream, *frames),
            Act::Accept(compression) => heard.head(&mut stream).is_some_and(|head| {
                let mut out = [0; 1024];
                let request = Request::parse(head).unwrap();
                let agreed = compression.and_then(|ours| ours.agree(request.extensions()).unwrap());
                let accept = request.accept().unwrap().compression(agreed);
                let len = accept.encode(&mut out).unwrap();
                stream.write_all(&out[..len]).is_ok()
            }),
            Act::Answer(bytes) => {
                heard.head(&mut stream).is_some() && stream.write_all(bytes).is_ok()
            }
            Act::End => stream.shutdown(Shutdown::Write).is_ok(),
        };
        if !done {
            break;
        }
    }
    while heard.more(&mut stream) {}
    heard.bytes
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    /// The length of what has been looked at.
    at: usize,
}

impl Heard {
    /// Reads on. At the end of the stream, or a reset, there is no more.
    fn more(&mut self, stream: &mut TcpStream) -> bool {
        let mut piece = [0; 16 << 10];
        match stream.read(&mut piece) {
            Ok(len) => {
                self.bytes.extend(&piece[..len]);
                len > 0
            }
            Err(error) => {
                assert!(!crate::stream::is_timeout(&error), "nobody ends the stream");
                false
            }
        }
    }

    fn head(&mut self, stream: &mut TcpStream) -> Option<&[u8]> {
        loop {
            if let Some(len) = end_of_head(&self.bytes) {
                self.at = len;
                return Some(&self.bytes[..len]);
            }
            if !self.more(stream) {
                return None;
            }
        }
    }

    /// Whether so many frames have come whole.
    fn frames(&mut self, stream: &mut TcpStream, frames: usize) -> bool {
        if self.at == 0 && self.bytes.is_empty() && !self.more(stream) {
            return false;
        }
        if self.at == 0 && self.bytes.starts_with(b"H") && self.head(stream).is_none() {
            return false;
        }
        for _ in 0..frames {
            loop {
                let rest = &self.bytes[self.at..];
                if let Some((header, start)) = Header::decode(rest).unwrap()
                    && rest.len() as u64 - start as u64 >= header.payload_len()
                {
                    self.at += start + usize::try_from(header.payload_len()).unwrap();
                    break;
                }
                if !self.more(stream) {
                    return false;
                }
            }
        }
        true
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

/// The bytes received, made comparable: payloads unmasked, keys and what else differs from run to
/// run blank. It may be cut anywhere; of a header that is, nothing is kept.
pub(crate) fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut plain = bytes.to_vec();
    let mut whole = head_len(bytes);
    for name in [&b"Sec-WebSocket-Key: "[..], b"Date: "] {
        let mut lines = plain[..whole].windows(name.len());
        if let Some(at) = lines.position(|line| line == name) {
            let value = plain[at + name.len()..whole].iter_mut();
            value
                .take_while(|byte| **byte != b'\r')
                .for_each(|byte| *byte = b'?');
        }
    }
    for frame in frames(bytes) {
        whole = frame.end.min(bytes.len());
        if let Some(mask) = frame.header.mask() {
            plain[frame.payload - 4..frame.payload].fill(b'?');
            let _ = mask.apply(&mut plain[frame.payload..whole]);
        }
    }
    plain.truncate(whole);
    plain
}

/// The start of the last frame.
pub(crate) fn last_frame(plain: &[u8]) -> usize {
    let last = frames(plain).last().map(|frame| frame.start);
    last.unwrap_or(plain.len())
}

/// The length of the head, if there is one, or of the answer that is not an upgrade.
fn head_len(bytes: &[u8]) -> usize {
    // No frame begins like that.
    if !bytes.starts_with(b"G") && !bytes.starts_with(b"H") {
        return 0;
    }
    match end_of_head(bytes) {
        Some(len) if bytes.starts_with(b"G") || bytes.starts_with(b"HTTP/1.1 101") => len,
        _ => bytes.len(),
    }
}

/// A frame, and where its parts are; it may be cut after its header.
struct Frame {
    header: Header,
    start: usize,
    payload: usize,
    end: usize,
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let (mut frames, mut start) = (Vec::new(), head_len(bytes));
    while let Some(rest) = bytes.get(start..)
        && let Some((header, len)) = Header::decode(rest).unwrap()
    {
        let payload = start + len;
        let end = payload + usize::try_from(header.payload_len()).unwrap();
        frames.push(Frame {
            header,
            start,
            payload,
            end,
        });
        start = end;
    }
    frames
}
