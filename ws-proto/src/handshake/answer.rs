//! An answer by the application that opens nothing: a demand for credentials, a redirect, a page
//! (§4.2.2 (2) to (4)).

use core::fmt::Write as _;

use super::error::ArgumentError;
use super::refusal::reason;
use super::syntax::check_own_headers;
use super::write::Writer;
use crate::error::NoRoom;

/// A response to a request: a redirect, a demand for credentials, a page. A request that breaks a
/// rule of the handshake has an answer [of its own](super::RequestError::encode_refusal).
///
/// ```
/// use ws_proto::handshake::Answer;
///
/// let answer = Answer::new(401)?
///     .headers(&[("WWW-Authenticate", "Basic"), ("Content-Type", "text/plain")])?
///     .body(b"who are you?\n");
/// let mut out = [0; 512];
/// let len = answer.encode("GET", &mut out).expect("room enough");
/// assert!(out[..len].starts_with(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"));
/// assert!(out[..len].ends_with(b"\r\nContent-Length: 13\r\n\r\nwho are you?\n"));
/// # Ok::<(), ws_proto::handshake::ArgumentError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Answer<'a> {
    status: u16,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Makes a response without headers and body.
    ///
    /// # Errors
    ///
    /// [`Status`](ArgumentError::Status) if it is not final, from 200 to 599.
    pub const fn new(status: u16) -> Result<Self, ArgumentError> {
        match status {
            200..=599 => Ok(Self {
                status,
                headers: &[],
                body: &[],
            }),
            _ => Err(ArgumentError::Status),
        }
    }

    /// Sets the headers, except for those that say how the response travels.
    ///
    /// # Errors
    ///
    /// As [`Accept::headers`](super::Accept::headers).
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Result<Self, ArgumentError> {
        check_own_headers(headers)?;
        Ok(Self { headers, ..self })
    }

    /// Sets the body.
    pub const fn body(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Writes the answer to a request of that method, and returns its length in bytes. It says
    /// `Connection: close`: close the connection after it.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `out` is shorter than the answer.
    pub fn encode(&self, method: &str, out: &mut [u8]) -> Result<usize, NoRoom> {
        let Self {
            status,
            headers,
            body,
        } = *self;
        let mut writer = Writer::new(out);
        // Writing to a `Writer` cannot fail: it counts on past its end.
        let _ = write!(writer, "HTTP/1.1 {status} {}\r\n", reason(status));
        writer.put("Connection: close\r\n");
        for (name, value) in headers {
            for text in [name, ": ", value, "\r\n"] {
                writer.put(text);
            }
        }
        // "A server MUST NOT send a Content-Length header field in any response with a status code
        // of 1xx (Informational) or 204 (No Content)." (RFC 9110 §8.6)
        if status != 204 {
            let _ = write!(writer, "Content-Length: {}\r\n", body.len());
        }
        writer.put("\r\n");
        // (RFC 9110 §6.4.1, §9.3.2)
        if !matches!(status, 204 | 304) && method != "HEAD" {
            writer.put_bytes(body);
        }
        writer.finish()
    }
}

impl core::fmt::Debug for Answer<'_> {
    /// Shows neither the values of headers nor the body.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        write!(f, "Answer {{ status: {}, headers: ", self.status)?;
        f.debug_list().entries(names).finish()?;
        write!(f, ", body: {} bytes }}", self.body.len())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::String;
    use std::vec;

    use super::*;
    use crate::handshake::Response;

    fn encoded(answer: Answer<'_>, method: &str) -> String {
        let needed = answer.encode(method, &mut []).unwrap_err().needed;
        let mut out = vec![0; needed];
        assert_eq!(answer.encode(method, &mut out), Ok(needed));
        let short = answer.encode(method, &mut vec![0; needed - 1]);
        assert_eq!(short, Err(NoRoom { needed }));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_answer_is_a_whole_response_that_closes() {
        let headers = [("Location", "/x"), ("Set-Cookie", "a=1")];
        let answer = Answer::new(302).unwrap().headers(&headers).unwrap();
        let text = encoded(answer.body(b"there\n"), "GET");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "there\n");
        let head = format!("{head}\r\n\r\n");
        let response = Response::parse(head.as_bytes()).unwrap();
        assert_eq!((response.status(), response.reason()), (302, "Found"));
        let headers = ["Connection", "location", "set-cookie", "Content-Length"];
        let values = headers.map(|name| response.header(name).unwrap());
        assert_eq!(values, ["close", "/x", "a=1", "6"]);
    }

    #[test]
    fn what_has_no_content_is_sent_without() {
        for (status, method, length, body) in [
            (200, "GET", "\r\nContent-Length: 1\r\n", "x"),
            (200, "HEAD", "\r\nContent-Length: 1\r\n", ""),
            (304, "GET", "\r\nContent-Length: 1\r\n", ""),
            (204, "GET", "", ""),
            (299, "GET", "HTTP/1.1 299 \r\n", "x"),
        ] {
            let text = encoded(Answer::new(status).unwrap().body(b"x"), method);
            assert!(text.contains(length), "{text}");
            assert_eq!(text.contains("Content-Length"), status != 204, "{text}");
            assert_eq!(text.split_once("\r\n\r\n").unwrap().1, body, "{status}");
        }
    }

    #[test]
    fn a_answer_is_final_and_does_not_say_how_it_travels() {
        for status in [0, 99, 100, 101, 199, 600, 999, 1000, u16::MAX] {
            assert!(matches!(Answer::new(status), Err(ArgumentError::Status)));
        }
        for (name, error) in [
            ("Content-Length", ArgumentError::ReservedHeader),
            ("connection", ArgumentError::ReservedHeader),
            ("Transfer-Encoding", ArgumentError::ReservedHeader),
            ("a b", ArgumentError::HeaderName),
        ] {
            let headers = [(name, "5")];
            let answer = Answer::new(200).unwrap().headers(&headers);
            assert_eq!(answer.unwrap_err(), error, "{name}");
        }
    }

    #[test]
    fn quiet_what_is_shown_of_a_answer_has_no_values() {
        let headers = [("Set-Cookie", "id=s3cret")];
        let answer = Answer::new(200).unwrap().headers(&headers).unwrap();
        assert_eq!(
            format!("{:?}", answer.body(b"s3cret")),
            "Answer { status: 200, headers: [\"Set-Cookie\"], body: 6 bytes }"
        );
    }
}
