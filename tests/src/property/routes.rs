//! Which path leads where.

use std::net::Ipv4Addr;

use ws_http::http::Method;
use ws_http::{Hosts, Refusal, Route, Site};
use ws_proto::handshake;

/// A request leads to a path that matches it by a naive reading, whatever paths there are; to one of
/// them if any does; and for each parameter of it there is something.
///
/// The input is lines: paths, of which the first byte says whether there is a page or a WebSocket,
/// and at the end the target of a request.
///
/// # Panics
///
/// If not.
pub fn routes(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some((routes, target)) = text.rsplit_once('\n') else {
        return;
    };
    let mut site = Site::<&str, &str>::new();
    site.hosts = Hosts::any();
    let mut added = Vec::new();
    for line in routes.lines().take(16) {
        let Some(kind) = line.chars().next() else {
            continue;
        };
        let path = &line[kind.len_utf8()..];
        let taken = match u32::from(kind) % 2 {
            0 => site.page(Method::GET, path, path),
            _ => site.websocket(path, path),
        };
        if taken.is_ok() {
            added.push(path);
        }
    }

    for upgrade in ["", "Upgrade: websocket\r\n"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n");
        let Ok(parsed) = handshake::Request::parse(head.as_bytes()) else {
            return;
        };
        let peer = (Ipv4Addr::LOCALHOST, 1).into();
        let Ok(mut request) = site.receive(&parsed, peer, Ipv4Addr::LOCALHOST.into()) else {
            return;
        };
        let routed = site.route(&mut request);
        let path = request.path().to_owned();
        match routed {
            Ok(Route::Page(own) | Route::Socket(own)) => {
                assert!(matches(&encoded(own), &path), "{own} {path}");
                for name in names(own) {
                    assert!(request.path_param(name).is_some(), "{own} {name}");
                }
            }
            Err(Refusal::NotFound) => {
                let found = added.iter().find(|own| matches(&encoded(own), &path));
                assert_eq!(found, None, "{path}");
            }
            Err(refusal) => panic!("{refusal}: there is a page for GET"),
        }
    }
}

/// The names of the parameters.
fn names(path: &str) -> Vec<&str> {
    let path = path.split("{{").flat_map(|part| part.split('{').skip(1));
    let names = path.filter_map(|part| part.split_once('}'));
    names
        .map(|(name, _)| name.trim_start_matches('*'))
        .collect()
}

/// As a request has it: what no URI holds is percent-encoded.
fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'`' | 0x80.. => out += &format!("%{byte:02X}"),
            byte => out.push(byte.into()),
        }
    }
    out
}

/// Whether a path is one of a route: a parameter stands for at least one byte that is no slash, a
/// rest for at least one byte; braces that are doubled stand for themselves.
fn matches(route: &str, path: &str) -> bool {
    if let Some(rest) = route.strip_prefix("{{") {
        return path
            .strip_prefix('{')
            .is_some_and(|path| matches(rest, path));
    }
    if let Some(rest) = route.strip_prefix("}}") {
        return path
            .strip_prefix('}')
            .is_some_and(|path| matches(rest, path));
    }
    if route.starts_with("{*") {
        return !path.is_empty();
    }
    if let Some((_, rest)) = route
        .strip_prefix('{')
        .and_then(|text| text.split_once('}'))
    {
        let longest = path.find('/').unwrap_or(path.len());
        return (1..=longest)
            .filter(|at| path.is_char_boundary(*at))
            .any(|at| matches(rest, &path[at..]));
    }
    match (route.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some(own), Some(other)) if own == other => {
            matches(&route[own.len_utf8()..], &path[own.len_utf8()..])
        }
        _ => false,
    }
}
