//! The names that a server answers to: Host (RFC 9110 §7.2) against DNS rebinding.
//!
//! ```text
//!   page of evil.example, in a visitor's browser        evil.example is at 127.0.0.1 now
//!        └── GET / HTTP/1.1, Host: evil.example:9001 ──▶ the server on the visitor's machine
//! ```
//!
//! To the browser this looks like one site that talks to itself, so Origin and Host agree; only the
//! name, which is not the server's, gives the attack away. An IP address cannot be rebound, and
//! `localhost` is looked up nowhere.

use std::net::{IpAddr, Ipv4Addr};

use thiserror::Error;
use ws_proto::handshake::Origin;

use crate::refusal::{Refusal, clipped};

/// The hosts that a server answers for, pages and WebSockets alike; to any other it says 421
/// (RFC 9110 §15.5.20).
///
/// IP addresses and `localhost` are always among them. If names are given, only those are added. If
/// not, the listener decides: on a public address every name is accepted; on a loopback or private
/// address, or one that a provider shares (100.64.0.0/10), no other name is.
///
/// ```
/// use ws_http::Hosts;
///
/// let local = "127.0.0.1".parse()?;
/// assert!(Hosts::default().check("localhost:9001", local).is_ok());
/// let error = Hosts::default().check("evil.example:9001", local).unwrap_err();
/// assert_eq!(error.status(), 421);
///
/// let hosts = Hosts::named(["chat.example"])?;
/// assert!(hosts.check("Chat.Example:9001", local).is_ok());
/// assert!(Hosts::named(["https://chat.example"]).is_err()); // a name is no URL
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Rule);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Rule {
    /// Those of which the address that is listened at says that they are harmless.
    #[default]
    ByListener,
    /// In lower case.
    Named(Vec<String>),
    Any,
}

impl Hosts {
    /// Answers for these names, at whatever port, and for no others: `chat.example`.
    ///
    /// # Errors
    ///
    /// One of them is not a name: it has a scheme, a port or a path, or a `*`, which does not work
    /// as a wildcard.
    pub fn named<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, InvalidHost> {
        let names: Result<_, _> = names.into_iter().map(|name| parse(name.as_ref())).collect();
        Ok(Self(Rule::Named(names?)))
    }

    /// Answers for every name: for a server whose proxy checks the host.
    #[must_use]
    pub const fn any() -> Self {
        Self(Rule::Any)
    }

    /// Returns the address to pass to [`check`](Self::check): the listener's; or, if the server
    /// listens at all addresses and the connection came in at a loopback address (`local`), that
    /// one: only programs on this machine connect there, browsers among them.
    pub fn listener(own: IpAddr, local: impl FnOnce() -> Option<IpAddr>) -> IpAddr {
        if !own.is_unspecified() {
            return own;
        }
        let local = local().map(|local| local.to_canonical());
        local.filter(IpAddr::is_loopback).unwrap_or(own)
    }

    /// Checks a Host header, `host[:port]`, of a request that came in through a listener at this
    /// address.
    ///
    /// # Errors
    ///
    /// [`Refusal::Host`].
    pub fn check(&self, host: &str, listener: IpAddr) -> Result<(), Refusal> {
        let name = bare(host);
        let known = match &self.0 {
            Rule::Any => true,
            _ if name.as_deref().is_some_and(cannot_be_rebound) => true,
            Rule::ByListener => !is_local(listener),
            Rule::Named(names) => name.is_some_and(|name| names.contains(&name)),
        };
        known.then_some(()).ok_or_else(|| Refusal::Host {
            host: clipped(host),
        })
    }
}

/// The application gave something that is not the name of a host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is not the name of a host, such as chat.example, without scheme, port and star")]
pub struct InvalidHost {
    /// What was given.
    pub name: String,
}

fn parse(name: &str) -> Result<String, InvalidHost> {
    bare(name)
        .filter(|bare| bare.len() == name.len() && !bare.contains('*'))
        .ok_or_else(|| InvalidHost { name: name.into() })
}

/// The host of `host[:port]` in lower case, by the grammar that the core has for it; an IPv6
/// address is in brackets.
pub(crate) fn bare(authority: &str) -> Option<String> {
    let origin = format!("http://{authority}");
    let origin = Origin::parse(&origin).ok()?;
    Some(origin.host().to_ascii_lowercase())
}

/// No name server says where these are.
fn cannot_be_rebound(host: &str) -> bool {
    host == "localhost" || host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

/// Whether only this machine, or those of a private network, can connect to an address.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            // Those of providers and of private overlays (RFC 6598 §7).
            let is_shared = ip.to_bits() >> 22 == Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22;
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: [&str; 11] = [
        "127.0.0.1",
        "127.1.2.3",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.254",
        "fd00::1",
        "fe80::1",
    ];
    const PUBLIC: [&str; 7] = [
        "0.0.0.0",
        "::",
        "203.0.113.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "2001:db8::1",
    ];

    #[test]
    fn a_listener_at_all_addresses_is_a_loopback_one_to_who_came_in_by_that() {
        // (where we listen, where it came in, what it is)
        let table = [
            ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
            ("::", "::ffff:127.0.0.1", "127.0.0.1"),
            ("::", "::1", "::1"),
            ("0.0.0.0", "10.0.0.1", "0.0.0.0"),
            ("10.0.0.1", "127.0.0.1", "10.0.0.1"),
        ];
        for (own, local, expected) in table {
            let [own, local, expected] = [own, local, expected].map(|text| text.parse().unwrap());
            assert_eq!(
                Hosts::listener(own, || Some(local)),
                expected,
                "{own} {local}"
            );
            assert_eq!(Hosts::listener(own, || None), own);
        }
        // The system is asked only if need be.
        let own = "127.0.0.1".parse().unwrap();
        assert_eq!(Hosts::listener(own, || panic!("asked")), own);
    }

    #[test]
    fn addresses_and_localhost_are_known_and_names_only_in_public() {
        // (Host, known at a local listener, at a public one, where `chat.example` is named)
        let table = [
            ("localhost", true, true, true),
            ("LocalHost:9001", true, true, true),
            ("127.0.0.1", true, true, true),
            ("127.0.0.1:9001", true, true, true),
            ("192.168.1.1:80", true, true, true),
            ("203.0.113.1", true, true, true),
            ("[::1]", true, true, true),
            ("[2001:DB8::1]:9001", true, true, true),
            ("chat.example", false, true, true),
            ("CHAT.example:9001", false, true, true),
            ("evil.example", false, true, false),
            ("evil.example:9001", false, true, false),
            ("chat.example.", false, true, false),
            ("chat.example.evil.example", false, true, false),
            ("evil-chat.example", false, true, false),
            ("localhost.", false, true, false),
            ("localhost.evil.example", false, true, false),
            ("evil.localhost", false, true, false),
            ("127.0.0.1.evil.example", false, true, false),
            ("127.1", false, true, false),
            ("2130706433", false, true, false),
            ("0x7f.0.0.1", false, true, false),
            ("%6cocalhost", false, true, false),
            ("[::1].evil.example", false, true, false),
            ("localhost:x", false, true, false),
            ("localhost@evil.example", false, true, false),
            ("evil.example/localhost", false, true, false),
            ("", false, true, false),
        ];
        let named = Hosts::named(["chat.EXAMPLE"]).unwrap();
        for (host, local, public, by_name) in table {
            let known =
                |hosts: &Hosts, address: &str| hosts.check(host, address.parse().unwrap()).is_ok();
            for address in LOCAL {
                assert_eq!(known(&Hosts::default(), address), local, "{host} {address}");
                assert_eq!(known(&named, address), by_name, "{host} {address}");
                assert!(known(&Hosts::any(), address), "{host} {address}");
            }
            for address in PUBLIC {
                assert_eq!(
                    known(&Hosts::default(), address),
                    public,
                    "{host} {address}"
                );
                assert_eq!(known(&named, address), by_name, "{host} {address}");
            }
        }
    }

    #[test]
    fn a_misspelt_name_is_an_error_when_it_is_given() {
        for name in [
            "",
            " chat.example",
            "chat.example:443",
            "https://chat.example",
            "chat.example/",
            "a b",
            "*",
            "*.chat.example",
            "*.example:1",
            "[::1",
            "a@b",
            "张.example",
            "chat.example\r\n",
        ] {
            assert!(Hosts::named(["chat.example", name]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_refusal_names_the_host() {
        let local = "127.0.0.1".parse().unwrap();
        let error = Hosts::default().check("evil.example:9001", local);
        assert_eq!(
            error.unwrap_err().to_string(),
            "host evil.example:9001 is not one of this server's"
        );
    }
}
