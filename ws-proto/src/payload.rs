//! The payload of a frame, where it lies in the input (RFC 6455 §5.2, §5.3).

use crate::header::{Header, Kind};
use crate::mask::Mask;
use crate::message::Message;
use crate::utf8::{self, InvalidUtf8};

/// Unmasks the payload of a whole message, and checks it if it is text.
#[inline(always)]
pub(crate) fn hand_out(
    kind: Kind,
    mask: Option<Mask>,
    payload: &mut [u8],
) -> Result<Message<'_>, InvalidUtf8> {
    if let Some(mask) = mask {
        let _ = mask.apply(payload);
    }
    Ok(match kind {
        Kind::Binary => Message::Binary(payload),
        Kind::Text => Message::Text(utf8::validate(payload)?),
    })
}

/// The length of the payload, if all of it lies in `input` after the header.
#[inline]
pub(crate) fn whole_payload(header: &Header, input: &[u8], size: usize) -> Option<usize> {
    let len = usize::try_from(header.payload_len()).ok()?;
    (len <= input.len() - size).then_some(len)
}

/// The part of the input up to an end that was compared with its length before, without a panic.
#[inline]
pub(crate) fn within(input: &mut [u8], start: usize, end: usize) -> &mut [u8] {
    debug_assert!(
        start <= end && end <= input.len(),
        "{start}..{end} of {}",
        input.len()
    );
    input.get_mut(start..end).unwrap_or_default()
}

#[inline]
pub(crate) fn unmask(mask: Option<Mask>, payload: &mut [u8]) -> &[u8] {
    if let Some(mask) = mask {
        let _ = mask.apply(payload);
    }
    payload
}

/// The most that a message of up to `max` bytes may take compressed: DEFLATE's worst case is an
/// eighth more. The inflated length is counted as it comes.
pub(crate) const fn max_deflated(max: u64) -> u64 {
    max.saturating_add(max / 8).saturating_add(1024)
}
