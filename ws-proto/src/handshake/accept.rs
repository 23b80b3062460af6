//! The answer that opens the connection (§4.2.2 (5); RFC 8441 §5 over HTTP/2).

use core::fmt;

use super::deflate::Agreed;
use super::error::ArgumentError;
use super::fields::List;
use super::key::AcceptToken;
use super::syntax::{check_own_headers, is_token};
use super::value::{FieldValue, Text, write_fields};
use super::write::Writer;
use crate::error::NoRoom;

/// The response that opens the connection, from [`Request::accept`]: 101, or 200 to an extended
/// CONNECT.
///
/// [`encode`](Self::encode) writes it as HTTP/1.1; [`status`](Self::status) and
/// [`fields`](Self::fields) are for libraries that write heads themselves.
///
/// [`Request::accept`]: super::Request::accept
#[derive(Clone, Copy)]
#[must_use]
pub struct Accept<'a> {
    /// `None` of an extended CONNECT.
    token: Option<AcceptToken>,
    offered: List<'a>,
    protocol: Option<&'a str>,
    compression: Option<Agreed>,
    headers: &'a [(&'a str, &'a str)],
}

impl<'a> Accept<'a> {
    pub(super) const fn new(token: Option<AcceptToken>, offered: List<'a>) -> Self {
        Self {
            token,
            offered,
            protocol: None,
            compression: None,
            headers: &[],
        }
    }

    /// Chooses a subprotocol. Without this call, none is chosen.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ArgumentError::Protocol) if it is not a token, and
    /// [`UnofferedProtocol`](ArgumentError::UnofferedProtocol): "The value chosen MUST be
    /// derived from the client's handshake" (§4.2.2).
    pub fn protocol(self, protocol: &'a str) -> Result<Self, ArgumentError> {
        if !is_token(protocol.as_bytes()) {
            return Err(ArgumentError::Protocol);
        }
        let mut offered = self.offered.elements();
        if !offered.any(|offered| offered == protocol.as_bytes()) {
            return Err(ArgumentError::UnofferedProtocol);
        }
        Ok(Self {
            protocol: Some(protocol),
            ..self
        })
    }

    /// Sets the compression that was agreed on: see [`Compression::agree`]. Without this call there
    /// is none.
    ///
    /// [`Compression::agree`]: super::Compression::agree
    pub const fn compression(self, compression: Option<Agreed>) -> Self {
        Self {
            compression,
            ..self
        }
    }

    /// Sets the headers that the application adds, cookies for example.
    ///
    /// # Errors
    ///
    /// [`HeaderName`](ArgumentError::HeaderName),
    /// [`HeaderValue`](ArgumentError::HeaderValue) if one could break its line, and
    /// [`ReservedHeader`](ArgumentError::ReservedHeader) if it is one of the handshake's.
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Result<Self, ArgumentError> {
        check_own_headers(headers)?;
        Ok(Self { headers, ..self })
    }

    /// The status: 101, or 200 to an extended CONNECT.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self.token {
            Some(_) => 101,
            None => 200,
        }
    }

    /// The headers, in the order in which they are sent; those of the application come last.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, FieldValue<'a>)> + use<'a> {
        let upgrading = self.token.is_some();
        let own = [
            upgrading.then_some(("Upgrade", Text::Plain("websocket"))),
            upgrading.then_some(("Connection", Text::Plain("Upgrade"))),
            self.token
                .map(|token| ("Sec-WebSocket-Accept", Text::Token(token))),
            self.protocol
                .map(|protocol| ("Sec-WebSocket-Protocol", Text::Plain(protocol))),
            self.compression
                .map(|agreed| ("Sec-WebSocket-Extensions", Text::Agreed(agreed))),
        ];
        let added = self.headers.iter();
        own.into_iter()
            .flatten()
            .chain(added.map(|&(name, value)| (name, Text::Plain(value))))
            .map(|(name, text)| (name, text.into()))
    }

    /// Writes the response as HTTP/1.1 and returns its length in bytes: 129, and what was added.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `out` is shorter than the response.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        writer.put(match self.token {
            Some(_) => "HTTP/1.1 101 Switching Protocols\r\n",
            None => "HTTP/1.1 200 OK\r\n",
        });
        write_fields(&mut writer, self.fields());
        writer.finish()
    }
}

/// Shows the status and the names of the headers: values hold cookies, and subprotocols hold
/// tokens.
impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("status", &self.status())
            .field("headers", &Names(self))
            .finish()
    }
}

struct Names<'s, 'a>(&'s Accept<'a>);

impl fmt::Debug for Names<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.fields().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;

    /// The example of §1.2.
    const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
        Host: server.example.com\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    #[test]
    fn the_answer_is_the_one_of_the_rfc() {
        let accept = Request::parse(REQUEST).unwrap().accept().unwrap();
        let mut out = [0; 256];
        let len = accept.encode(&mut out).unwrap();
        assert_eq!(
            core::str::from_utf8(&out[..len]).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        assert_eq!(len, 129);

        let accept = accept
            .protocol("superchat")
            .unwrap()
            .headers(&[("A", "b c"), ("D", "")]);
        let len = accept.unwrap().encode(&mut out).unwrap();
        assert!(
            out[..len]
                .ends_with(b"xOo=\r\nSec-WebSocket-Protocol: superchat\r\nA: b c\r\nD: \r\n\r\n")
        );
        for short in 0..len {
            let needed = accept.unwrap().encode(&mut out[..short]);
            assert_eq!(needed, Err(NoRoom { needed: len }));
        }
    }

    #[test]
    fn only_a_subprotocol_that_was_offered() {
        let accept = Request::parse(REQUEST).unwrap().accept().unwrap();
        let chosen = |protocol| accept.protocol(protocol).map(drop);
        assert_eq!(chosen("chat"), Ok(()));
        assert_eq!(chosen("Chat"), Err(ArgumentError::UnofferedProtocol));
        assert_eq!(chosen("cha"), Err(ArgumentError::UnofferedProtocol));
        assert_eq!(chosen("chat, superchat"), Err(ArgumentError::Protocol));
        assert_eq!(chosen("chat\r\nX: y"), Err(ArgumentError::Protocol));
        assert_eq!(chosen(""), Err(ArgumentError::Protocol));
        assert_eq!(
            accept
                .headers(&[("Sec-WebSocket-Protocol", "chat")])
                .map(drop),
            Err(ArgumentError::ReservedHeader)
        );
    }

    #[test]
    fn an_accept_is_small() {
        assert!(size_of::<Accept<'_>>() <= 160);
    }
}
