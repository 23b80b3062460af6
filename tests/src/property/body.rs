//! The body of an answer: RFC 9112 §6.

use ws_http::http::{HeaderMap, HeaderValue, StatusCode, header};
use ws_http::{BodyError, BodyReader};

use super::input::{cuts, pieces};

/// A body in pieces is the one that a naive reading of all of it finds; what is kept of one that
/// breaks off is its beginning.
///
/// The input is a byte that chooses what the head says, one for the number of cuts, the cuts, and
/// the body.
///
/// # Panics
///
/// If not.
pub fn body(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let (cuts, bytes) = cuts(input);
    let mut headers = HeaderMap::new();
    let expected = match choice % 4 {
        0 => {
            headers.append(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
            chunked(bytes)
        }
        1 => {
            let len = usize::from(choice / 4);
            headers.append(header::CONTENT_LENGTH, HeaderValue::from(len));
            let cut_off = bytes.len() < len;
            let kept = bytes[..len.min(bytes.len())].to_vec();
            (kept, cut_off.then_some(BodyError::Truncated))
        }
        2 => (bytes.to_vec(), None),
        // The head says it in its own words.
        _ => return told(bytes),
    };
    for cuts in [&cuts[..], &[], &[1; 256]] {
        let mut body = BodyReader::new(StatusCode::BAD_GATEWAY, &headers).expect("a body");
        let mut at = 0;
        let mut result = Ok(());
        for len in pieces(bytes.len(), cuts) {
            let pushed = body.push(&bytes[at..at + len]);
            result = result.and(pushed);
            at += len;
        }
        let ended = body.eof();
        let result = result.and(ended);
        assert!(body.is_complete());
        assert_eq!(body.eof(), result, "it stays so");
        let found = (body.into_bytes(), result.err());
        assert_eq!(found, expected, "{bytes:x?} cut at {cuts:?}");
    }
}

/// Chunk after chunk, each found whole.
fn chunked(bytes: &[u8]) -> (Vec<u8>, Option<BodyError>) {
    let (mut kept, mut rest) = (Vec::new(), bytes);
    loop {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits = digits.count();
        let text = str::from_utf8(&rest[..digits.min(16)]).expect("digits");
        let (size, after) = (u64::from_str_radix(text, 16), &rest[digits..]);
        let size = match (size, after.first()) {
            _ if digits > 16 => return (kept, Some(BodyError::Size)),
            (_, None) => return (kept, Some(BodyError::Truncated)),
            (Ok(size), Some(b'\r' | b';' | b' ' | b'\t')) => size,
            _ => return (kept, Some(BodyError::Size)),
        };
        let line = after.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let extension = line.unwrap_or(after.len());
        if extension > BodyReader::MAX_EXTENSION {
            return (kept, Some(BodyError::Extension));
        }
        let after = match &after[extension..] {
            [] | [b'\r'] => return (kept, Some(BodyError::Truncated)),
            [b'\r', b'\n', after @ ..] => after,
            _ => return (kept, Some(BodyError::Size)),
        };
        if size == 0 {
            return (kept, None);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        kept.extend_from_slice(&after[..size.min(after.len())]);
        rest = match after.get(size..) {
            None | Some([] | [b'\r']) => return (kept, Some(BodyError::Truncated)),
            Some([b'\r', b'\n', rest @ ..]) => rest,
            Some(_) => return (kept, Some(BodyError::End)),
        };
    }
}

/// Where a body ends is said in one way or not at all.
fn told(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((choice, value)) = line.split_first() else {
            continue;
        };
        let name = match choice % 2 {
            0 => header::TRANSFER_ENCODING,
            _ => header::CONTENT_LENGTH,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let has = |name| headers.contains_key(name);
    let ways = (has(header::TRANSFER_ENCODING), has(header::CONTENT_LENGTH));
    let told = BodyReader::new(StatusCode::OK, &headers);
    match told {
        Ok(_) => assert_ne!(ways, (true, true)),
        Err(BodyError::Both) => assert_eq!(ways, (true, true)),
        Err(BodyError::Encoding) => assert_eq!(ways, (true, false)),
        Err(BodyError::Length) => assert_eq!(ways, (false, true)),
        Err(error) => panic!("{error} is no matter of the head"),
    }
}
