//! Reads whole bodies, up to a limit.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Buf;
use http_body::Body;

/// Reads a body, and of one with more than `limit` bytes one byte more than that: the caller sees
/// that it is too long.
pub(crate) async fn read<B: Body>(body: B, limit: u64) -> Result<Vec<u8>, B::Error> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(mut data) = frame?.into_data() else {
            continue; // trailers
        };
        while data.has_remaining() && read.len() as u64 <= limit {
            let most = limit.saturating_add(1).saturating_sub(read.len() as u64);
            let chunk = data.chunk();
            let len = usize::try_from(most).unwrap_or(usize::MAX).min(chunk.len());
            read.extend_from_slice(chunk.get(..len).unwrap_or_default());
            data.advance(len);
        }
        if read.len() as u64 > limit {
            break;
        }
    }
    Ok(read)
}
