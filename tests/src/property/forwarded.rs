//! What proxies say of a client: RFC 7239, and the headers that were there before it.

use std::net::{IpAddr, SocketAddr};

use ws_http::{Hosts, Request, Site, Trusted};
use ws_proto::handshake;

const OWN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 1);

/// The one header, or the three.
const NAMES: [&[&str]; 2] = [
    &["Forwarded"],
    &["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"],
];

/// What a client wrote changes nothing of what a trusted proxy adds to it; without a proxy's word
/// `X-Forwarded-For` and its neighbours say what a naive reading of them says; and of whom nothing
/// is believed, nothing is.
///
/// The input is a byte that chooses the way, and lines, each with a byte that chooses its header.
///
/// # Panics
///
/// If not.
pub fn forwarded(input: &[u8]) {
    let Some((&way, text)) = input.split_first() else {
        return;
    };
    let names = NAMES[usize::from(way % 2)];
    let networks = ["10.0.0.0/8", "::1"];
    let trusted = match way % 2 {
        0 => Trusted::forwarded(networks),
        _ => Trusted::x_forwarded(networks),
    };
    let trusted = trusted.expect("networks");
    let lines: Vec<(&str, &[u8])> = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_first())
        .map(|(choice, value)| (names[usize::from(*choice) % names.len()], value))
        .collect();

    let Some(said) = believed(&trusted, &lines) else {
        return;
    };
    if way % 2 == 1 {
        assert_eq!(said, naive(&lines), "{lines:?}");
    }
    let nobody = believed(&Trusted::none(), &lines).expect("it was read");
    assert_eq!(nobody, (OWN, Some("own".into()), false));

    // Each header that the proxy sends is one of the client's with its own element at the end.
    let added: &[&str] = match way % 2 {
        0 => &["for=203.0.113.9;proto=https;host=\"chat.example:1\""],
        _ => &["203.0.113.9", "https", "chat.example:1"],
    };
    let client = ("203.0.113.9:0".parse().expect("an address"), true);
    for at_the_end in [true, false] {
        let mut lines: Vec<_> = (lines.iter())
            .map(|(name, value)| (*name, value.to_vec()))
            .collect();
        for (name, element) in names.iter().zip(added) {
            match lines.iter_mut().rfind(|(own, _)| own == name) {
                Some((_, value)) if at_the_end => {
                    value.extend_from_slice(b", ");
                    value.extend_from_slice(element.as_bytes());
                }
                _ => lines.push((name, element.as_bytes().to_vec())),
            }
        }
        let lines: Vec<_> = (lines.iter())
            .map(|(name, value)| (*name, &value[..]))
            .collect();
        if let Some((peer, host, secure)) = believed(&trusted, &lines) {
            assert_eq!((peer, secure), client, "{lines:?}");
            assert_eq!(host.as_deref(), Some("chat.example:1"), "{lines:?}");
        }
    }
}

/// Who asks, for which host, and whether over TLS.
type Said = (SocketAddr, Option<String>, bool);

/// What a server believes of a request with these lines; `None` if it is no request.
fn believed(trusted: &Trusted, lines: &[(&str, &[u8])]) -> Option<Said> {
    let mut head = b"GET / HTTP/1.1\r\nHost: own\r\n".to_vec();
    for (name, value) in lines {
        head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    let parsed = handshake::Request::parse(&head).ok()?;
    let mut site = Site::<(), ()>::new();
    (site.hosts, site.trusted) = (Hosts::any(), trusted.clone());
    let request: Request = site.receive(&parsed, OWN, OWN.ip()).expect("it has a host");
    let host = request.host().map(Into::into);
    Some((request.peer_addr(), host, request.is_secure()))
}

/// All elements of a header, in their order.
fn list(lines: &[(&str, &[u8])], name: &str) -> Vec<String> {
    let values = lines.iter().filter(|(own, _)| *own == name);
    let elements = values.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    elements
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        // What is no text is no address and no host either.
        .map(|element| str::from_utf8(element).unwrap_or(" ").to_owned())
        .collect()
}

/// The chain is written out, and walked from its end.
fn naive(lines: &[(&str, &[u8])]) -> Said {
    let [addresses, protos, hosts] = [0, 1, 2].map(|at| list(lines, NAMES[1][at]));
    let is_trusted = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets()[0] == 10,
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    let said_of = |list: &[String], at: usize| match list.len() == addresses.len() {
        true => list.get(at).cloned(),
        false => list.last().cloned(),
    };
    let (mut client, mut told) = (OWN, (None, None));
    if addresses.is_empty() {
        told = (hosts.last().cloned(), protos.last().cloned());
    }
    let followed = addresses.iter().enumerate().rev().take(Trusted::MAX_HOPS);
    for (at, text) in followed {
        if !is_trusted(client.ip()) {
            break;
        }
        told = (said_of(&hosts, at), said_of(&protos, at));
        let bare = match text.starts_with('[') && text.ends_with(']') {
            true => &text[1..text.len() - 1],
            false => text,
        };
        let whole = bare.parse().ok();
        let with_port = || text.parse().ok();
        match whole.map(|ip| SocketAddr::new(ip, 0)).or_else(with_port) {
            Some(from) => client = from,
            None => break,
        }
    }
    let (host, proto) = told;
    let is_host = |host: &String| handshake::Origin::parse(&format!("http://{host}")).is_ok();
    let host = host.filter(is_host).unwrap_or_else(|| "own".into());
    let proto = proto.map(|proto| proto.to_ascii_lowercase());
    let secure = matches!(proto.as_deref(), Some("https" | "wss"));
    (client, Some(host), secure)
}
