//! HTTP proxies: CONNECT (RFC 9110 §9.3.6).

use std::net::Ipv6Addr;

use http::StatusCode;
use ws_proto::Limits;
use ws_proto::handshake::{HeadError, Response, ResponseError, Scan};

use super::error::{MAX_HEAD, TunnelError};
use super::unsent::Unsent;
use crate::auth::Credentials;
use crate::host::bare;

/// How many interim answers may come before the one that counts (RFC 9110 §15.2).
const MAX_INTERIM: u8 = 8;

#[derive(Debug)]
pub(crate) struct Connect {
    unsent: Unsent,
    head: Head,
    interim: u8,
    open: bool,
}

/// An answer so far.
struct Head {
    scan: Scan,
    bytes: Vec<u8>,
    /// How long it may be: all of them together have a limit.
    limits: Limits,
}

impl Connect {
    pub(crate) fn new(
        host: &str,
        port: u16,
        credentials: Option<&Credentials>,
    ) -> Result<Self, TunnelError> {
        let host = match host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => host.into(),
        };
        let is_host = bare(&host).is_some_and(|bare| bare.len() == host.len());
        if !is_host || host.len() > 255 || port == 0 {
            return Err(TunnelError::Host);
        }
        let mut request = format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {}\r\n",
            crate::USER_AGENT
        )
        .into_bytes();
        if let Some(credentials) = credentials {
            request.extend(b"Proxy-Authorization: ");
            request.extend(credentials.basic().as_bytes());
            request.extend(b"\r\n");
        }
        request.extend(b"\r\n");
        Ok(Self {
            unsent: Unsent::new(request),
            head: Head::new(MAX_HEAD),
            interim: 0,
            open: false,
        })
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        self.unsent.rest()
    }

    pub(crate) fn sent(&mut self, len: usize) {
        self.unsent.sent(len);
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    pub(crate) fn receive(&mut self, input: &[u8]) -> Result<usize, TunnelError> {
        let mut taken = 0;
        while !self.open {
            let rest = input.get(taken..).unwrap_or_default();
            let Some((status, len)) = self.head.push(rest).map_err(fault)? else {
                return Ok(input.len());
            };
            taken += len;
            // "Any 2xx (Successful) response indicates that the sender (and all inbound proxies)
            // will switch to tunnel mode immediately after the response header section" (RFC 9110
            // §9.3.6)
            self.open = match status.as_u16() {
                200..=299 => {
                    // A refusal may come before all of the request was written; a connection
                    // cannot be there before it was asked for.
                    self.unsent.check()?;
                    true
                }
                // Nobody asked for another protocol.
                100 | 102..=199 if self.interim < MAX_INTERIM => {
                    self.interim += 1;
                    self.head = Head::new(self.head.left());
                    false
                }
                100 | 102..=199 => return Err(TunnelError::Http(ResponseError::TooManyInterim)),
                _ => return Err(TunnelError::Refused(status)),
            };
        }
        Ok(taken)
    }
}

impl Head {
    fn new(most: usize) -> Self {
        let mut limits = Limits::DEFAULT;
        (limits.max_head, limits.max_head_line) = (most, most);
        Self {
            scan: Scan::new(),
            bytes: Vec::new(),
            limits,
        }
    }

    /// The status, once the head is there, and how many bytes of the input belong to it.
    fn push(&mut self, input: &[u8]) -> Result<Option<(StatusCode, usize)>, ResponseError> {
        let before = self.bytes.len();
        // One more than may come is enough to see that it is too much.
        let room = (self.limits.max_head + 1).saturating_sub(before);
        self.bytes.extend(input.iter().take(room));
        let Some(len) = self.scan.advance(&self.bytes, &self.limits)? else {
            return Ok(None);
        };
        self.bytes.truncate(len);
        let status = Response::parse(&self.bytes)?.status();
        let status = StatusCode::from_u16(status).map_err(|_| ResponseError::StatusLine)?;
        Ok(Some((status, len.saturating_sub(before))))
    }

    /// How long those may be that follow it.
    const fn left(&self) -> usize {
        self.limits.max_head.saturating_sub(self.bytes.len())
    }
}

/// Whether it is a limit, which is ours, that is passed.
const fn fault(error: ResponseError) -> TunnelError {
    match error {
        ResponseError::Head(
            HeadError::HeadTooLong { .. }
            | HeadError::FirstLineTooLong { .. }
            | HeadError::LineTooLong { .. },
        ) => TunnelError::TooLong,
        error => TunnelError::Http(error),
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Proxy, Tunnel};

    const PROXY: &str = "http://proxy.example:3128";

    /// What comes of an answer in pieces: how much of it was the proxy's own, or the error.
    fn answered(answer: &[u8], piece: usize) -> String {
        let mut tunnel = Tunnel::new(&Proxy::parse(PROXY).unwrap(), "h", 80).unwrap();
        tunnel.sent(usize::MAX);
        let mut taken = 0;
        for piece in answer.chunks(piece) {
            match tunnel.receive(piece) {
                Ok(len) => taken += len,
                Err(error) => {
                    assert_eq!(tunnel.receive(b"x"), Err(error), "it stays so");
                    assert_eq!(tunnel.eof(), Err(error), "it stays so");
                    assert!(!tunnel.is_open());
                    return error.to_string();
                }
            }
        }
        match tunnel.eof() {
            Ok(()) => format!("open after {taken}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_answer_opens_it_or_says_why_not() {
        let head = |len: usize| {
            let start = "HTTP/1.1 200 OK\r\na: ";
            let fill = "b".repeat(len - start.len() - 4);
            format!("{start}{fill}\r\n\r\n")
        };
        let just = head(Tunnel::MAX_HEAD);
        let long = head(Tunnel::MAX_HEAD + 1);
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let some = format!("{}HTTP/1.1 200 OK\r\n\r\n", interim.repeat(8));
        let many = format!("{}HTTP/1.1 200 OK\r\n\r\n", interim.repeat(9));
        // Together they are as long as may be, or a byte longer.
        let last = head(Tunnel::MAX_HEAD - 8 * interim.len());
        let together = format!("{}{last}", interim.repeat(8));
        let over = together.replacen("\r\na: ", "\r\naa: ", 1);
        let large = head(12_000).replace("200", "103").repeat(2);
        #[rustfmt::skip]
        let table = [
            ("HTTP/1.1 200 OK\r\n\r\n", "open after 19"),
            ("HTTP/1.0 200 Connection established\r\n\r\n\x16\x03", "open after 39"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", "open after 66"),
            ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 403 no\r\n\r\n", "open after 27"),
            (&just, "open after 16384"),
            (&some, "open after 219"),
            (&together, "open after 16384"),
            (&over, "the proxy's answer is too long (Tunnel::MAX_HEAD is 16384 bytes)"),
            (&large, "the proxy's answer is too long (Tunnel::MAX_HEAD is 16384 bytes)"),
            ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "the proxy answered with status 407"),
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno", "the proxy answered with status 502"),
            ("HTTP/1.1 302 Found\r\nLocation: http://a/\r\n\r\n", "the proxy answered with status 302"),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "the proxy answered with status 101"),
            (&long, "the proxy's answer is too long (Tunnel::MAX_HEAD is 16384 bytes)"),
            (&many, "the proxy's answer is not one of HTTP: more than 8 interim responses"),
            ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "the proxy's answer is not one of HTTP: the status line is malformed"),
            ("HTTP/1.1 200 OK\n\n", "the proxy's answer is not one of HTTP: a line ends in LF without CR"),
            (
                "\x05\x00",
                "the proxy's answer is not one of HTTP: a control character in the head",
            ),
            ("HTTP/1.1 200 OK\r\n", "the proxy closed the connection"),
            ("", "the proxy closed the connection"),
        ];
        for (answer, says) in table {
            for piece in [1, 2, 3, 7, 1000, 100_000] {
                assert_eq!(
                    answered(answer.as_bytes(), piece),
                    says,
                    "{answer:?} {piece}"
                );
            }
        }
    }

    #[test]
    fn nobody_is_connected_to_before_it_was_asked_for() {
        let table = [
            (
                "HTTP/1.1 200 OK\r\n\r\n",
                "the proxy answered before it was asked",
            ),
            (
                "HTTP/1.1 407 Who\r\n\r\n",
                "the proxy answered with status 407",
            ),
        ];
        for (answer, says) in table {
            let mut tunnel = Tunnel::new(&Proxy::parse(PROXY).unwrap(), "h", 80).unwrap();
            tunnel.sent(tunnel.unsent().len() - 1);
            let error = tunnel.receive(answer.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), says);
            assert!(!tunnel.is_open());
        }
    }

    #[test]
    fn a_request_names_the_host_and_port() {
        // (proxy, host, port, what is sent without User-Agent)
        let table = [
            (
                PROXY,
                "h",
                80,
                "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
            ),
            (
                PROXY,
                "::1",
                443,
                "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
            ),
            (
                "http://Aladdin:open%20sesame@p",
                "127.0.0.1",
                1,
                "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\
                 Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
            ),
        ];
        for (proxy, host, port, expected) in table {
            let mut tunnel = Tunnel::new(&Proxy::parse(proxy).unwrap(), host, port).unwrap();
            let mut sent = Vec::new();
            while let Some(&byte) = tunnel.unsent().first() {
                sent.push(byte);
                tunnel.sent(1);
            }
            let sent = String::from_utf8(sent).unwrap();
            let agent = format!("User-Agent: {}\r\n", crate::USER_AGENT);
            assert_eq!(sent.replace(&agent, ""), expected);
        }
        let long = "a".repeat(256);
        for (host, port) in [
            ("", 1),
            ("a b", 1),
            ("a:1", 1),
            ("a\r\nb", 1),
            (&long, 1),
            ("h", 0),
        ] {
            for proxy in [PROXY, "socks5://p"] {
                let tunnel = Tunnel::new(&Proxy::parse(proxy).unwrap(), host, port);
                assert_eq!(
                    tunnel.err(),
                    Some(crate::TunnelError::Host),
                    "{host} {port}"
                );
            }
        }
    }

    #[test]
    fn no_secret_is_shown() {
        for proxy in ["http://li:s3cret@p", "socks5://li:s3cret@p"] {
            let proxy = Proxy::parse(proxy).unwrap();
            let tunnel = Tunnel::new(&proxy, "h", 80).unwrap();
            let shown = format!("{proxy:?} {proxy} {tunnel:?}");
            assert!(
                !shown.contains("s3cret") && !shown.contains("bGk6"),
                "{shown}"
            );
        }
    }
}
