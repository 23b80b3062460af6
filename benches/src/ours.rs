//! ws-proto, driven as an adapter drives it.

use std::hint::black_box;

use ws_proto::{ProtocolError, Session, Step};

/// Reads `read` into a session, as much at a time as it takes; takes everything out of it that is
/// there then, and "writes" what that caused. Returns the number of messages.
///
/// # Errors
///
/// Whatever is wrong with the frames.
#[inline]
pub fn receive(session: &mut Session, mut read: &[u8]) -> Result<usize, ProtocolError> {
    let mut messages = 0;
    while !read.is_empty() {
        let spare = session.spare_mut()?;
        let len = spare.len().min(read.len());
        spare[..len].copy_from_slice(&read[..len]);
        session.filled(len);
        read = &read[len..];
        loop {
            match session.step()? {
                Step::Message(message) => {
                    black_box(message.as_bytes());
                    messages += 1;
                }
                Step::Control(event) => {
                    black_box(event);
                }
                Step::NeedData | Step::Closed => break,
            }
        }
        let len = session.unsent().len();
        if len > 0 {
            black_box(session.unsent());
            session.sent(len);
        }
    }
    Ok(messages)
}
