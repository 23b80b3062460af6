//! Who stands between us and the client, and what is believed of what it says: `Forwarded`
//! (RFC 7239), or `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! ```text
//!   client ────────▶ proxy ───────────────────────────▶ proxy ─────────────────▶ we
//!   203.0.113.9      10.0.0.1: for=203.0.113.9          10.0.0.2: …, for=10.0.0.1
//! ```
//!
//! Each adds on the right whom it was asked by. What stands there is read from the right, as long
//! as those whom it names are trusted themselves: the first who is not is the client, and
//! everything to the left of it is what the client wrote.

use std::borrow::Cow;
use std::iter;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use thiserror::Error;

use crate::host::bare;
use crate::request::{Request, elements};

/// The addresses of trusted proxies, and which of their headers to believe. By default there are
/// none: anybody can send these headers.
///
/// A trusted proxy has to set these headers, or remove them: whatever it lets through from a client
/// is believed, too. So only one kind of header is believed at a time.
///
/// An address does not say which program connects from it. A browser on the machine of a trusted
/// proxy, `127.0.0.1` for example, connects from the same address, and a page can make it send any
/// of these headers. In that case use the [PROXY protocol](Self::proxy_protocol), which no page can
/// forge: it comes before the request, where a page cannot make a browser write anything.
///
/// ```
/// use ws_http::Trusted;
///
/// let trusted = Trusted::x_forwarded(["127.0.0.1", "10.0.0.0/8"])?;
/// assert!(trusted.contains("10.1.2.3".parse()?));
/// assert!(!trusted.contains("203.0.113.9".parse()?));
/// assert!(Trusted::x_forwarded(["proxy.example"]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    networks: Vec<Network>,
    way: Way,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Forwarded,
    XForwarded,
    ProxyProtocol,
}

/// All addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

/// The application gave something that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is neither an IP address nor a network, such as 10.0.0.0/8")]
pub struct InvalidNetwork {
    /// What was given.
    pub text: String,
}

impl Trusted {
    /// The most proxies that one request is traced through.
    pub const MAX_HOPS: usize = 32;

    /// Believes no proxy.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            networks: Vec::new(),
            way: Way::Forwarded,
        }
    }

    /// Believes the header `Forwarded` of these addresses and networks.
    ///
    /// # Errors
    ///
    /// One of them is neither an address nor a network.
    pub fn forwarded<S: AsRef<str>>(
        networks: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidNetwork> {
        Self::of(networks, Way::Forwarded)
    }

    /// Believes the headers `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` of these
    /// addresses and networks.
    ///
    /// # Errors
    ///
    /// One of them is neither an address nor a network.
    pub fn x_forwarded<S: AsRef<str>>(
        networks: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidNetwork> {
        Self::of(networks, Way::XForwarded)
    }

    /// Believes the PROXY protocol, in version 1 or 2, of these addresses and networks: connections
    /// from them begin with a [`ProxyHeader`](crate::ProxyHeader), and connections from elsewhere
    /// do not.
    ///
    /// # Errors
    ///
    /// One of them is neither an address nor a network.
    pub fn proxy_protocol<S: AsRef<str>>(
        networks: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidNetwork> {
        Self::of(networks, Way::ProxyProtocol)
    }

    fn of<S: AsRef<str>>(
        networks: impl IntoIterator<Item = S>,
        way: Way,
    ) -> Result<Self, InvalidNetwork> {
        let networks: Result<_, _> = (networks.into_iter())
            .map(|text| Network::parse(text.as_ref()))
            .collect();
        let networks = networks?;
        Ok(Self { networks, way })
    }

    /// Whether an address belongs to a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|own| own.contains(address))
    }

    /// Tells whether a connection from this address begins with a PROXY header, before anything
    /// else.
    #[must_use]
    pub fn sends_proxy_header(&self, peer: IpAddr) -> bool {
        self.way == Way::ProxyProtocol && self.contains(peer)
    }

    /// Notes in a request what a trusted proxy says of it.
    pub(crate) fn apply(&self, request: &mut Request) {
        let peer = request.peer_addr();
        if !self.contains(peer.ip()) {
            return;
        }
        let hops = match self.way {
            Way::Forwarded => forwarded(request.headers()),
            Way::XForwarded => x_forwarded(request.headers()),
            Way::ProxyProtocol => return,
        };
        let mut client = peer;
        let mut said = None;
        for hop in hops {
            if !self.contains(client.ip()) {
                break;
            }
            let from = hop.from;
            said = Some(hop);
            match from {
                Some(from) => client = from,
                // The proxy does not say: everything beyond it is hearsay.
                None => break,
            }
        }
        if let Some(hop) = said {
            let host = hop.host.filter(|host| bare(host).is_some());
            let host = host.map(Cow::into_owned);
            request.believe(client, host, hop.secure);
        }
    }
}

/// What one proxy says of the one that asked it.
#[derive(Debug, Default)]
struct Hop<'h> {
    from: Option<SocketAddr>,
    host: Option<Cow<'h, str>>,
    secure: Option<bool>,
}

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// From the last proxy to the first, and no more of them than are followed. Proto and host are
/// lists as long as that of addresses, or what the last proxy says.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let [addresses, hosts, protos] =
        [&FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO].map(|name| List::read(headers, name));
    let hop = |index| Hop {
        from: addresses.get(index).and_then(address),
        host: hosts.of(index, &addresses).map(Cow::Borrowed),
        secure: protos.of(index, &addresses).map(is_secure),
    };
    // Without addresses, the last proxy may still say the rest.
    (0..addresses.last.len().max(1)).map(hop).collect()
}

/// The end of a list, from its last element on: as many as are followed.
struct List<'h> {
    last: Vec<&'h [u8]>,
    len: usize,
}

impl<'h> List<'h> {
    fn read(headers: &'h HeaderMap, name: &HeaderName) -> Self {
        let mut elements = elements(headers, name).rev();
        let last: Vec<_> = elements.by_ref().take(Trusted::MAX_HOPS).collect();
        let len = last.len() + elements.count();
        Self { last, len }
    }

    fn get(&self, index: usize) -> Option<&'h str> {
        text(self.last.get(index)?)
    }

    /// What it says of an address: it has an element for each, or its last one is for all.
    fn of(&self, index: usize, addresses: &Self) -> Option<&'h str> {
        self.get(if self.len == addresses.len { index } else { 0 })
    }
}

/// (RFC 7239 §4), in the same order. What is not one of its elements says nothing.
fn forwarded(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    lines
        .flat_map(|line| parts(line.as_bytes(), b','))
        .filter(|element| *element != Some(b""))
        .take(Trusted::MAX_HOPS)
        .map(|element| element.and_then(text).map(Hop::parse).unwrap_or_default())
        .collect()
}

impl<'h> Hop<'h> {
    /// Parses an element of `Forwarded`: `for=…;host=…;proto=…`.
    fn parse(element: &'h str) -> Self {
        let mut hop = Self::default();
        let pairs = parts(element.as_bytes(), b';').flatten().filter_map(text);
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            let (name, value) = (name.trim(), unquoted(value));
            if name.eq_ignore_ascii_case("for") {
                hop.from = address(&value);
            } else if name.eq_ignore_ascii_case("host") {
                hop.host = Some(value);
            } else if name.eq_ignore_ascii_case("proto") {
                hop.secure = Some(is_secure(&value));
            }
        }
        hop
    }
}

/// The parts between separators that no quotes are around, from the last to the first: the end is
/// the proxy's, and nothing that a client wrote before it, a quote that it left open for example,
/// changes where that begins. `None` is a rest with such a quote in it.
fn parts(text: &[u8], separator: u8) -> impl Iterator<Item = Option<&[u8]>> {
    let mut left = Some(text);
    iter::from_fn(move || {
        let text = left.take()?;
        let mut quoted = false;
        for (at, &byte) in text.iter().enumerate().rev() {
            let (before, after) = text.split_at(at);
            if byte == b'"' {
                // Backwards, the quote that closes comes first, and those in between are escaped;
                // before the one that opens is `=`.
                quoted = !quoted || before.ends_with(b"\\");
            } else if byte == separator && !quoted {
                left = Some(before);
                let part = after.strip_prefix(&[separator]).unwrap_or(after);
                return Some(Some(part.trim_ascii()));
            }
        }
        Some((!quoted).then_some(text.trim_ascii()))
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

fn is_secure(proto: &str) -> bool {
    ["https", "wss"]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(proto))
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(inner) if inner.contains('\\') => {
            let mut chars = inner.chars();
            let unescaped = iter::from_fn(|| match chars.next()? {
                '\\' => chars.next(),
                char => Some(char),
            });
            unescaped.collect::<String>().into()
        }
        Some(inner) => inner.into(),
        None => value.into(),
    }
}

/// An address with a port or without, one of version 6 in brackets or not.
fn address(text: &str) -> Option<SocketAddr> {
    let ip = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = ip.unwrap_or(text).parse().ok();
    let address = ip.map(|ip: IpAddr| SocketAddr::new(ip, 0));
    address.or_else(|| text.parse().ok())
}

impl Network {
    /// Parses an address, or one with `/` and how many of its bits count. What is of version 4 and
    /// written as of version 6 is of version 4, as addresses are that are looked at.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
            let all = if address.is_ipv4() { 32 } else { 128 };
            let is_number = |bits: &&str| bits.bytes().all(|byte| byte.is_ascii_digit());
            let bits = match bits {
                Some(bits) => Some(bits).filter(is_number)?.parse().ok()?,
                None => all,
            };
            // `::ffff:` is 96 bits.
            let own = match (address.to_canonical(), bits) {
                (canonical @ IpAddr::V4(_), 96..) if address.is_ipv6() => Self {
                    address: canonical,
                    bits: bits - 96,
                },
                _ => Self { address, bits },
            };
            (bits <= all).then_some(own)
        });
        parsed.ok_or_else(|| InvalidNetwork { text: text.into() })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (own, other, all) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let rest = all - self.bits;
        let first = |bits: u128| bits.checked_shr(rest).unwrap_or(0);
        first(own) == first(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    /// The client that is believed when 127.0.0.1 asks, its host, and whether it used TLS.
    fn believed(trusted: &Trusted, headers: &str) -> String {
        let mut request = request(&format!("GET / HTTP/1.1\nHost: own{headers}"));
        trusted.apply(&mut request);
        let secure = if request.is_secure() { " secure" } else { "" };
        format!(
            "{} {}{secure}",
            request.peer_addr(),
            request.host().unwrap()
        )
    }

    #[test]
    fn what_x_forwarded_says() {
        let trusted = Trusted::x_forwarded(["127.0.0.1", "10.0.0.0/8"]).unwrap();
        let table = [
            ("", "127.0.0.1:1 own"),
            ("\nX-Forwarded-For: 203.0.113.9", "203.0.113.9:0 own"),
            ("\nX-Forwarded-For: 203.0.113.9:77", "203.0.113.9:77 own"),
            ("\nX-Forwarded-For: 2001:db8::1", "[2001:db8::1]:0 own"),
            ("\nX-Forwarded-For: [2001:db8::1]:7", "[2001:db8::1]:7 own"),
            // What the client wrote is to the left.
            (
                "\nX-Forwarded-For: 1.1.1.1, 203.0.113.9",
                "203.0.113.9:0 own",
            ),
            (
                "\nX-Forwarded-For: 10.0.0.9, 203.0.113.9",
                "203.0.113.9:0 own",
            ),
            (
                "\nX-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 203.0.113.9",
                "203.0.113.9:0 own",
            ),
            // Through two of ours.
            (
                "\nX-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.1",
                "203.0.113.9:0 own",
            ),
            ("\nX-Forwarded-For: 10.0.0.2, 10.0.0.1", "10.0.0.2:0 own"),
            // What is no address ends it.
            ("\nX-Forwarded-For: unknown", "127.0.0.1:1 own"),
            ("\nX-Forwarded-For: 203.0.113.9, unknown", "127.0.0.1:1 own"),
            (
                "\nX-Forwarded-For: 203.0.113.9, x, 10.0.0.1",
                "10.0.0.1:0 own",
            ),
            ("\nX-Forwarded-For: 1.2.3.4.5", "127.0.0.1:1 own"),
            // Nor is what is no text; it takes none of its neighbours along.
            (
                "\nX-Forwarded-For: \u{e9}, 203.0.113.9",
                "203.0.113.9:0 own",
            ),
            ("\nX-Forwarded-For: 203.0.113.9, \u{e9}", "127.0.0.1:1 own"),
            (
                "\nX-Forwarded-Host: \u{e9}, chat.example\nX-Forwarded-Proto: \u{e9}, https",
                "127.0.0.1:1 chat.example secure",
            ),
            (
                "\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Host: evil.example, \u{e9}",
                "203.0.113.9:0 own",
            ),
            // Hosts and schemes.
            (
                "\nX-Forwarded-Host: chat.example:8443\nX-Forwarded-Proto: https",
                "127.0.0.1:1 chat.example:8443 secure",
            ),
            (
                "\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: HTTPS",
                "203.0.113.9:0 own secure",
            ),
            (
                "\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: http",
                "203.0.113.9:0 own",
            ),
            (
                "\nX-Forwarded-For: 203.0.113.9, 10.0.0.1\nX-Forwarded-Proto: https, http",
                "203.0.113.9:0 own secure",
            ),
            (
                "\nX-Forwarded-For: 203.0.113.9, 10.0.0.1\nX-Forwarded-Proto: https",
                "203.0.113.9:0 own secure",
            ),
            (
                "\nX-Forwarded-For: 1.1.1.1, 203.0.113.9\nX-Forwarded-Proto: https, http",
                "203.0.113.9:0 own",
            ),
            (
                "\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Host: evil.example, chat.example",
                "203.0.113.9:0 chat.example",
            ),
            ("\nX-Forwarded-Host: a b", "127.0.0.1:1 own"),
            // Another way of saying it.
            (
                "\nForwarded: for=203.0.113.9;proto=https;host=evil.example",
                "127.0.0.1:1 own",
            ),
        ];
        for (headers, expected) in table {
            assert_eq!(believed(&trusted, headers), expected, "{headers}");
            // Of others, and by others, nothing is believed.
            for nobody in [
                Trusted::none(),
                Trusted::x_forwarded(["10.0.0.0/8"]).unwrap(),
                Trusted::proxy_protocol(["127.0.0.1"]).unwrap(),
            ] {
                assert_eq!(believed(&nobody, headers), "127.0.0.1:1 own", "{headers}");
            }
        }
    }

    #[test]
    fn what_forwarded_says() {
        let trusted = Trusted::forwarded(["127.0.0.0/8", "10.0.0.0/8"]).unwrap();
        let table = [
            ("", "127.0.0.1:1 own"),
            ("\nForwarded: for=203.0.113.9", "203.0.113.9:0 own"),
            (
                "\nForwarded: For=\"203.0.113.9:77\"; Proto=https ;by=x",
                "203.0.113.9:77 own secure",
            ),
            (
                "\nForwarded: for=\"[2001:db8::1]:7\";host=\"chat.example:8443\"",
                "[2001:db8::1]:7 chat.example:8443",
            ),
            (
                "\nForwarded: for=1.1.1.1, for=203.0.113.9;host=b",
                "203.0.113.9:0 b",
            ),
            (
                "\nForwarded: for=1.1.1.1;host=a, for=203.0.113.9",
                "203.0.113.9:0 own",
            ),
            (
                "\nForwarded: for=203.0.113.9;host=a, for=10.0.0.1;host=b",
                "203.0.113.9:0 a",
            ),
            (
                "\nForwarded: for=203.0.113.9\nForwarded: for=10.0.0.1",
                "203.0.113.9:0 own",
            ),
            ("\nForwarded: for=unknown;host=a", "127.0.0.1:1 a"),
            ("\nForwarded: for=_hidden, for=10.0.0.1", "10.0.0.1:0 own"),
            ("\nForwarded: for=\"203.0.\\1\\13.9\"", "203.0.113.9:0 own"),
            ("\nForwarded: for=\"203.0.113.\\\\9\"", "127.0.0.1:1 own"),
            (
                "\nForwarded: for=203.0.113.9;by=\"a, for=1.1.1.1\"",
                "203.0.113.9:0 own",
            ),
            (
                "\nForwarded: for=203.0.113.9;by=\"a\\\", for=1.1.1.1;host=x\"",
                "203.0.113.9:0 own",
            ),
            // A quote that the client left open swallows nothing that a proxy adds.
            (
                "\nForwarded: for=1.1.1.1;proto=https;host=evil.example;by=\", for=203.0.113.9",
                "203.0.113.9:0 own",
            ),
            (
                "\nForwarded: for=1.1.1.1;by=\"a, for=\"[2001:db8::1]:7\";host=\"b\"",
                "[2001:db8::1]:7 b",
            ),
            (
                "\nForwarded: for=1.1.1.1;by=\"\\, for=203.0.113.9;by=\"a\\\\\"",
                "203.0.113.9:0 own",
            ),
            // What is left of it nobody answers for.
            (
                "\nForwarded: for=1.1.1.1;host=evil.example;by=\", for=10.0.0.1;host=b",
                "10.0.0.1:0 own",
            ),
            (
                "\nForwarded: for=1.1.1.1\nForwarded: proto=https;by=\"\nForwarded: for=10.0.0.1",
                "10.0.0.1:0 own",
            ),
            (
                "\nForwarded: x\";for=1.1.1.1;host=evil.example, for=10.0.0.1;host=b",
                "10.0.0.1:0 own",
            ),
            // What is no text neither.
            ("\nForwarded: \u{e9}, for=203.0.113.9", "203.0.113.9:0 own"),
            ("\nForwarded: for=1.1.1.1, for=\u{e9}", "127.0.0.1:1 own"),
            ("\nForwarded: for=203.0.113.9, ,", "203.0.113.9:0 own"),
            ("\nForwarded: ;;,", "127.0.0.1:1 own"),
            ("\nForwarded: for", "127.0.0.1:1 own"),
            ("\nForwarded: for=\"", "127.0.0.1:1 own"),
            (
                "\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: https",
                "127.0.0.1:1 own",
            ),
        ];
        for (headers, expected) in table {
            assert_eq!(believed(&trusted, headers), expected, "{headers}");
        }
    }

    #[test]
    fn a_chain_has_an_end() {
        let trusted = Trusted::x_forwarded(["0.0.0.0/0"]).unwrap();
        let chain: Vec<_> = (0..100).map(|at| format!("10.0.0.{at}")).collect();
        let headers = format!("\nX-Forwarded-For: {}", chain.join(","));
        let last = 100 - Trusted::MAX_HOPS;
        assert_eq!(believed(&trusted, &headers), format!("10.0.0.{last}:0 own"));
    }

    #[test]
    fn a_long_list_costs_no_more_than_is_followed() {
        let host = "h".repeat(10_000);
        let short = "1,".repeat(10_000);
        let headers = format!("\nX-Forwarded-For: {short}\nX-Forwarded-Host: {host}");
        let listed = request(&format!("GET / HTTP/1.1{headers}\nForwarded: {short}"));
        for hops in [x_forwarded(listed.headers()), forwarded(listed.headers())] {
            assert_eq!(hops.len(), Trusted::MAX_HOPS);
            let owned = |hop: &Hop<'_>| matches!(hop.host, Some(Cow::Owned(_)));
            assert!(!hops.iter().any(owned));
        }
    }

    #[test]
    fn networks() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.0/104", "10.255.0.1", true),
            ("::ffff:10.0.0.0/104", "11.0.0.1", false),
            ("10.1.2.3/31", "10.1.2.2", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "203.0.113.9", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::1", "::1", true),
        ];
        for (network, address, is_in) in table {
            let trusted = Trusted::forwarded([network]).unwrap();
            assert_eq!(
                trusted.contains(address.parse().unwrap()),
                is_in,
                "{network} {address}"
            );
        }
        for bad in [
            "",
            "proxy.example",
            "10.0.0.0/33",
            "::/129",
            "::ffff:10.0.0.0/129",
            "10.0.0.0/",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.1:80",
        ] {
            assert!(Trusted::forwarded(["::1", bad]).is_err(), "{bad}");
        }
    }
}
