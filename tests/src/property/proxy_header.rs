//! The PROXY protocol: what a load balancer says before the first byte of its client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ws_http::ProxyHeader;

use super::input::{cuts, pieces};

/// A header in pieces is the one that a naive reading of all of it finds, and not a byte more is
/// taken of what follows.
///
/// The input is a byte for the number of cuts, the cuts, and the bytes.
///
/// # Panics
///
/// If not.
pub fn proxy_header(input: &[u8]) {
    let (cuts, input) = cuts(input);
    let expected = naive(input);
    for cuts in [&cuts[..], &[], &[1; 300]] {
        let mut header = ProxyHeader::new();
        let (mut at, mut taken, mut failed) = (0, 0, false);
        for len in pieces(input.len(), cuts) {
            let piece = &input[at..at + len];
            at += len;
            let received = header.receive(piece);
            if let Err(error) = received {
                assert_eq!(header.receive(b"P"), Err(error), "it stays so");
                failed = true;
                break;
            }
            taken += received.unwrap_or_default();
        }
        let found = match (failed, header.is_complete()) {
            (true, _) => Naive::Wrong,
            (false, true) => Naive::Complete(header.client(), taken),
            (false, false) => Naive::Short,
        };
        assert_eq!(found, expected, "{input:x?} cut at {cuts:?}");
        assert_eq!(header.eof().is_ok(), header.is_complete());
    }
}

#[derive(Debug, PartialEq)]
enum Naive {
    /// The client, and how long the header is.
    Complete(Option<SocketAddr>, usize),
    Short,
    Wrong,
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn naive(input: &[u8]) -> Naive {
    let starts = |word: &[u8]| input.iter().zip(word).all(|(own, other)| own == other);
    if starts(b"PROXY ") {
        line(input)
    } else if starts(SIGNATURE) {
        binary(input)
    } else {
        Naive::Wrong
    }
}

fn line(input: &[u8]) -> Naive {
    let most = &input[..input.len().min(ProxyHeader::MAX_LINE)];
    let Some(end) = most.iter().position(|byte| *byte == b'\n') else {
        return match most.len() == ProxyHeader::MAX_LINE {
            true => Naive::Wrong,
            false => Naive::Short,
        };
    };
    let client = || {
        let line = str::from_utf8(most[..end].strip_suffix(b"\r")?).ok()?;
        let mut words = line.split(' ').skip(1);
        let family = words.next()?;
        if family == "UNKNOWN" {
            return Some(None);
        }
        let [from, to] = [words.next()?, words.next()?].map(|word| word.parse::<IpAddr>());
        let ports = [words.next()?, words.next()?].map(|word| match word.starts_with('+') {
            true => None,
            false => word.parse::<u16>().ok(),
        });
        let (from, to) = (from.ok()?, to.ok()?);
        let fits = match family {
            "TCP4" => from.is_ipv4() && to.is_ipv4(),
            "TCP6" => from.is_ipv6() && to.is_ipv6(),
            _ => false,
        };
        let [Some(port), Some(_)] = ports else {
            return None;
        };
        (fits && words.next().is_none()).then(|| Some(SocketAddr::new(from, port)))
    };
    client().map_or(Naive::Wrong, |client| Naive::Complete(client, end + 1))
}

fn binary(input: &[u8]) -> Naive {
    if input.get(12).is_some_and(|byte| byte & 0xfe != 0x20) {
        return Naive::Wrong;
    }
    let Some(fixed) = input.get(..16) else {
        return Naive::Short;
    };
    let len = usize::from(fixed[14]) << 8 | usize::from(fixed[15]);
    let addresses = match (fixed[12], fixed[13]) {
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        _ => 0,
    };
    if len < addresses {
        return Naive::Wrong;
    }
    let Some(rest) = input.get(16..16 + len) else {
        return Naive::Short;
    };
    let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    let client = match addresses {
        12 => {
            let ip: [u8; 4] = rest[..4].try_into().expect("four bytes");
            Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port(8)))
        }
        36 => {
            let ip: [u8; 16] = rest[..16].try_into().expect("16 bytes");
            Some(SocketAddr::new(Ipv6Addr::from(ip).into(), port(32)))
        }
        _ => None,
    };
    Naive::Complete(client, 16 + len)
}
