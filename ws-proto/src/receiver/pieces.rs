//! The payload of a data frame that comes in pieces, and the message that it belongs to (RFC 6455
//! §5.4, §8.1).

use crate::error::ProtocolError;
use crate::header::{Kind, Part};
use crate::mask::Mask;
use crate::message::{Chunk, Event, Received};
use crate::payload::within;
use crate::utf8::Utf8;

/// How the payload of a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Deflated,
}

/// The rest of a data frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) remaining: u64,
    /// Rotated for the next byte.
    pub(super) mask: Option<Mask>,
    pub(super) part: Part,
}

/// A message of which some has been received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    pub(super) kind: Kind,
    pub(super) coding: Coding,
    /// Payload bytes declared so far, over all fragments.
    pub(super) len: u64,
    pub(super) fragments: u32,
    pub(super) utf8: Utf8,
}

/// Reads what there is of the payload of `frame`, a frame of `message`, from `input[start..]`. A
/// piece is an event as soon as it is there: unmasked in place and, if it is text, checked as far
/// as it goes.
pub(super) fn receive_payload<'b>(
    message: &mut Partial,
    frame: &mut Frame,
    input: &'b mut [u8],
    start: usize,
) -> Result<Received<'b>, ProtocolError> {
    let available = input.len() - start;
    let len = usize::try_from(frame.remaining).map_or(available, |all| all.min(available));
    // Nothing has arrived: not an event. An empty frame is one, because a message may end with it.
    if len == 0 && frame.remaining > 0 {
        return Ok(Received {
            consumed: start,
            event: None,
        });
    }
    let end = start + len;
    let payload = within(input, start, end);
    frame.remaining -= len as u64;
    let part = if frame.remaining == 0 {
        frame.part
    } else {
        Part::More
    };
    let (kind, coding) = (message.kind, message.coding);
    // Compressed text is checked when it is inflated.
    let text = kind == Kind::Text && coding == Coding::Plain;
    let mut ascii = false;
    // The key is rotated for the next piece of the frame.
    frame.mask = frame.mask.map(|mask| {
        if text {
            let (after, is_ascii) = mask.apply_to_text(payload);
            ascii = is_ascii;
            after
        } else {
            mask.apply(payload)
        }
    });
    if text {
        // Unmasking has seen whether all is ASCII, which is valid wherever a character may begin.
        if !(ascii && message.utf8.is_at_boundary()) {
            message.utf8.push(payload)?;
        }
        if part == Part::Last {
            message.utf8.finish()?;
        }
    }
    let chunk = Chunk {
        kind,
        payload,
        part,
    };
    Ok(Received {
        consumed: end,
        event: Some(match coding {
            Coding::Plain => Event::Chunk(chunk),
            Coding::Deflated => Event::Deflated(chunk),
        }),
    })
}
