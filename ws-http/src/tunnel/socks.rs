//! SOCKS5 (RFC 1928), and its user and password (RFC 1929).
//!
//! ```text
//!   ▶ 05 01 00 │ 05 02 00 02             which ways to say who we are
//!   ◀ 05 00    │ 05 02                   the one that is wanted
//!                ▶ 01 len user len password
//!                ◀ 01 00
//!   ▶ 05 01 00 03 len name port          whom to connect to
//!   ◀ 05 00 00 01 address port           connected, from there
//! ```

use std::net::IpAddr;

use super::error::{SocksReply, TunnelError};
use super::unsent::Unsent;
use crate::auth::Credentials;
use crate::host::bare;

const VERSION: u8 = 5;
/// "NO AUTHENTICATION REQUIRED"
const ANYBODY: u8 = 0;
/// "USERNAME/PASSWORD"
const PASSWORD: u8 = 2;

#[derive(Debug)]
pub(crate) struct Socks {
    stage: Stage,
    unsent: Unsent,
    /// What was received of the answer that is awaited.
    answer: Answer,
    credentials: Option<Credentials>,
    /// What is asked for, once we may.
    request: Vec<u8>,
}

/// Which answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Method,
    Password,
    Reply,
    Open,
}

/// The longest is a reply with a name of 255 bytes.
#[derive(Debug, Default)]
struct Answer(Vec<u8>);

impl Socks {
    pub(crate) fn new(
        host: &str,
        port: u16,
        credentials: Option<&Credentials>,
    ) -> Result<Self, TunnelError> {
        let mut request = vec![VERSION, 1, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => {
                request.push(1);
                request.extend(ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                request.push(4);
                request.extend(ip.octets());
            }
            Err(_) => {
                let is_name = bare(host).is_some_and(|bare| bare.len() == host.len());
                let len = u8::try_from(host.len()).map_err(|_| TunnelError::Host)?;
                if !is_name || host.starts_with('[') {
                    return Err(TunnelError::Host);
                }
                request.extend([3, len]);
                request.extend(host.as_bytes());
            }
        }
        if port == 0 {
            return Err(TunnelError::Host);
        }
        request.extend(port.to_be_bytes());
        let methods = match credentials {
            Some(_) => vec![VERSION, 2, ANYBODY, PASSWORD],
            None => vec![VERSION, 1, ANYBODY],
        };
        Ok(Self {
            stage: Stage::Method,
            unsent: Unsent::new(methods),
            answer: Answer::default(),
            credentials: credentials.cloned(),
            request,
        })
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        self.unsent.rest()
    }

    pub(crate) fn sent(&mut self, len: usize) {
        self.unsent.sent(len);
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Byte by byte: the answers are short, and not one byte of what follows is the proxy's.
    pub(crate) fn receive(&mut self, input: &[u8]) -> Result<usize, TunnelError> {
        for (at, &byte) in input.iter().enumerate() {
            if self.is_open() {
                return Ok(at);
            }
            self.unsent.check()?;
            self.answer.0.push(byte);
            self.look()?;
        }
        Ok(input.len())
    }

    /// Deals with the answer, if it is whole.
    fn look(&mut self) -> Result<(), TunnelError> {
        let next = match (self.stage, &*self.answer.0) {
            (Stage::Method | Stage::Reply, [version, ..]) if *version != VERSION => {
                return Err(TunnelError::NotSocks);
            }
            (Stage::Method, [_, ANYBODY]) => self.ask(),
            (Stage::Method, [_, PASSWORD]) => self.identify()?,
            // "If the selected METHOD is X'FF', none of the methods listed by the client are
            // acceptable" (RFC 1928 §3); what was not offered is no better.
            (Stage::Method, [_, _]) => return Err(TunnelError::Method),
            // "A STATUS field of X'00' indicates success." (RFC 1929 §2)
            (Stage::Password, [_, 0]) => self.ask(),
            (Stage::Password, [_, _]) => return Err(TunnelError::Credentials),
            (Stage::Reply, [_, reply, ..]) if *reply != 0 => {
                return Err(TunnelError::Socks(SocksReply::new(*reply)));
            }
            (Stage::Reply, answer) if reply_len(answer)? == Some(answer.len()) => Stage::Open,
            _ => return Ok(()),
        };
        self.stage = next;
        self.answer.0.clear();
        Ok(())
    }

    fn ask(&mut self) -> Stage {
        self.unsent = Unsent::new(std::mem::take(&mut self.request));
        Stage::Reply
    }

    fn identify(&mut self) -> Result<Stage, TunnelError> {
        let own = self.credentials.take().ok_or(TunnelError::Method)?;
        let mut out = vec![1];
        for text in [own.user(), own.password()] {
            // `Credentials` has no longer ones.
            out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            out.extend(text.as_bytes());
        }
        self.unsent = Unsent::new(out);
        Ok(Stage::Password)
    }
}

/// How long a reply is, once it says which kind of address it has.
fn reply_len(answer: &[u8]) -> Result<Option<usize>, TunnelError> {
    match answer {
        [_, _, _, 1, ..] => Ok(Some(10)),
        [_, _, _, 4, ..] => Ok(Some(22)),
        [_, _, _, 3, len, ..] => Ok(Some(7 + usize::from(*len))),
        [_, _, _, 3] | [] | [_] | [_, _] | [_, _, _] => Ok(None),
        _ => Err(TunnelError::NotSocks),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::{Proxy, Tunnel, TunnelError};

    /// Plays the proxy: `▶` lines are what it must get, `◀` lines what it answers.
    fn play(proxy: &str, (host, port): (&str, u16), script: &str, piece: usize) -> String {
        let mut tunnel = Tunnel::new(&Proxy::parse(proxy).unwrap(), host, port).unwrap();
        let mut after = 0;
        for line in script.lines().map(str::trim) {
            let (side, hex) = line.split_once(' ').unwrap();
            let bytes: Vec<_> = hex
                .split(' ')
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect();
            if side == "▶" {
                assert_eq!(tunnel.unsent(), bytes, "{line}");
                tunnel.sent(1);
                assert_eq!(tunnel.unsent(), &bytes[1..], "{line}");
                continue;
            }
            tunnel.sent(usize::MAX);
            for piece in bytes.chunks(piece) {
                match tunnel.receive(piece) {
                    Ok(len) => after += piece.len() - len,
                    Err(error) => {
                        assert_eq!(tunnel.receive(piece), Err(error), "it stays so");
                        return error.to_string();
                    }
                }
            }
        }
        match tunnel.eof() {
            Ok(()) => format!("open, and {after}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn conversations() {
        let (plain, named) = ("socks5://p:1080", "socks5h://u:pw@p");
        let name = ("h", 443);
        let table = [
            (
                plain,
                name,
                "▶ 05 01 00\n◀ 05 00\n▶ 05 01 00 03 01 68 01 bb\n◀ 05 00 00 01 00 00 00 00 00 00",
                "open, and 0",
            ),
            (
                plain,
                ("127.0.0.1", 80),
                "▶ 05 01 00\n◀ 05 00\n▶ 05 01 00 01 7f 00 00 01 00 50\n◀ 05 00 00 01 00 00 00 00 00 00 81 00",
                "open, and 2",
            ),
            (
                plain,
                ("::1", 80),
                "▶ 05 01 00\n◀ 05 00\n▶ 05 01 00 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 50\n◀ 05 00 00 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 50",
                "open, and 0",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 00 00 03 02 61 62 00 50 99",
                "open, and 1",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 00 00 03 00 00 50",
                "open, and 0",
            ),
            (
                named,
                name,
                "▶ 05 02 00 02\n◀ 05 02\n▶ 01 01 75 02 70 77\n◀ 01 00\n▶ 05 01 00 03 01 68 01 bb\n◀ 05 00 00 01 00 00 00 00 00 00",
                "open, and 0",
            ),
            (
                named,
                name,
                "▶ 05 02 00 02\n◀ 05 00\n▶ 05 01 00 03 01 68 01 bb\n◀ 05 00 00 01 00 00 00 00 00 00",
                "open, and 0",
            ),
            (
                named,
                name,
                "◀ 05 02\n◀ 01 01",
                "the proxy rejected the credentials",
            ),
            (
                plain,
                name,
                "◀ 05 02",
                "the proxy asks for credentials, and none are set",
            ),
            (
                plain,
                name,
                "◀ 05 ff",
                "the proxy asks for credentials, and none are set",
            ),
            (
                named,
                name,
                "◀ 05 ff",
                "the proxy asks for credentials, and none are set",
            ),
            (
                named,
                name,
                "◀ 05 01",
                "the proxy asks for credentials, and none are set",
            ),
            (plain, name, "◀ 04", "the proxy does not speak SOCKS5"),
            (
                plain,
                name,
                "◀ 48 54 54 50",
                "the proxy does not speak SOCKS5",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 04",
                "the proxy does not speak SOCKS5",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 00 00 02",
                "the proxy does not speak SOCKS5",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 05",
                "the proxy did not connect: connection refused",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 02 00 01 00 00 00 00 00 00",
                "the proxy did not connect: not allowed by its rules",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 63",
                "the proxy did not connect: code 99",
            ),
            (
                plain,
                name,
                "◀ 05 00\n◀ 05 00 00 01 00 00 00 00 00",
                "the proxy closed the connection",
            ),
            (plain, name, "▶ 05 01 00", "the proxy closed the connection"),
            // An answer to the first question, and with it one to a question not yet written.
            (
                plain,
                name,
                "◀ 05 00 05 00 00 01 00 00 00 00 00 00",
                "the proxy answered before it was asked",
            ),
            (
                named,
                name,
                "◀ 05 02 01 00",
                "the proxy answered before it was asked",
            ),
        ];
        for (proxy, to, script, says) in table {
            for piece in [1, 2, 3, 100] {
                assert_eq!(play(proxy, to, script, piece), says, "{script} {piece}");
            }
        }
    }

    #[test]
    fn every_code_has_its_words() {
        let said: BTreeSet<_> = (1..=9)
            .map(|code| TunnelError::Socks(super::SocksReply::new(code)).to_string())
            .collect();
        assert_eq!(said.len(), 9, "{said:?}");
        assert_eq!(super::SocksReply::new(5).code(), 5);
    }
}
