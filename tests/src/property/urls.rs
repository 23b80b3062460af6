//! URLs that somebody else writes: where a redirect leads (RFC 9110 §15.4), and which proxy is asked.

use ws_http::http::StatusCode;
use ws_http::{Proxies, Proxy, RedirectError, Redirects};
use ws_proto::handshake::{Scheme, Uri};

/// A redirect leads where the algorithm of RFC 3986 says, to a WebSocket, never from TLS to none,
/// and says whether that is the same origin; a proxy is what it says that it is, without its
/// password.
///
/// The input is a byte that chooses, and lines: a URL and a Location, or a proxy and `no_proxy`.
///
/// # Panics
///
/// If not.
pub fn urls(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let Some((first, second)) = text.split_once('\n') else {
        return;
    };
    match choice % 2 {
        0 => redirect(first, second),
        _ => proxy(first, second),
    }
}

fn redirect(from: &str, location: &str) {
    let mut redirects = Redirects::follow();
    let next = redirects.next(from, StatusCode::FOUND, Some(location));
    let Ok(from) = Uri::parse(from) else {
        return assert!(matches!(next, Err(RedirectError::Url(_))));
    };
    let expected = resolved(&from, location.trim());
    let led = match next {
        Ok(led) => led.expect("302 is a redirect"),
        Err(RedirectError::Insecure) => {
            let to = Uri::parse(&expected).expect("a URL");
            return assert_eq!((from.scheme(), to.scheme()), (Scheme::Wss, Scheme::Ws));
        }
        Err(RedirectError::Url(_)) => return assert!(Uri::parse(&expected).is_err(), "{expected}"),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(led.url, expected);
    let to = Uri::parse(&led.url).expect("it was parsed");
    assert!(from.scheme() == Scheme::Ws || to.scheme() == Scheme::Wss);
    let origin = |uri: &Uri<'_>| {
        let host = uri.host().to_ascii_lowercase();
        format!("{}://{host}:{}", uri.scheme(), uri.port())
    };
    assert_eq!(led.same_origin, origin(&from) == origin(&to));
}

/// RFC 3986 §5.2.2, as it stands there; the schemes of pages are those of WebSockets.
fn resolved(base: &Uri<'_>, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    let (hierarchy, query) = match reference.split_once('?') {
        Some((hierarchy, query)) => (hierarchy, Some(query)),
        None => (reference, None),
    };
    let scheme = hierarchy
        .split_once(':')
        .filter(|(scheme, _)| !scheme.is_empty() && !scheme.contains('/'));
    let (scheme, part) = match scheme {
        Some((scheme, part)) => (Some(scheme), part),
        None => (None, hierarchy),
    };
    let authority = part.strip_prefix("//").map(|part| match part.find('/') {
        Some(at) => part.split_at(at),
        None => (part, ""),
    });
    let own = base.resource_name();
    let (authority, path, query) = match (scheme, authority) {
        (_, Some((authority, path))) => (Some(authority), without_dots(path), query),
        (Some(_), None) => (None, without_dots(part), query),
        (None, None) if part.is_empty() => {
            let query = query.or_else(|| own.query());
            (Some(base.authority()), own.path().into(), query)
        }
        (None, None) if part.starts_with('/') => {
            (Some(base.authority()), without_dots(part), query)
        }
        (None, None) => {
            let folder = own.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = without_dots(&format!("{folder}/{part}"));
            (Some(base.authority()), path, query)
        }
    };
    let scheme = match scheme {
        None => base.scheme().to_string(),
        Some(own) if own.eq_ignore_ascii_case("http") => "ws".into(),
        Some(own) if own.eq_ignore_ascii_case("https") => "wss".into(),
        Some(own) => own.into(),
    };
    // Without an authority two slashes at the start of a path would be taken for one (§3.3).
    let path = match authority {
        None if path.starts_with("//") => format!("/.{path}"),
        _ => path,
    };
    let authority = authority.map_or(String::new(), |authority| format!("//{authority}"));
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}:{authority}{path}{query}")
}

/// RFC 3986 §5.2.4, with its two buffers.
fn without_dots(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if let Some(rest) = input
            .strip_prefix("../")
            .or_else(|| input.strip_prefix("./"))
        {
            input = rest.into();
        } else if input.starts_with("/./") {
            input.drain(..2);
        } else if input == "/." {
            input = "/".into();
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let start = usize::from(input.starts_with('/'));
            let end = input[start..]
                .find('/')
                .map_or(input.len(), |at| at + start);
            output += &input[..end];
            input.drain(..end);
        }
    }
    output
}

fn proxy(text: &str, no_proxy: &str) {
    let parsed = Proxy::parse(text);
    if let Ok(proxy) = &parsed {
        let shown = proxy.to_string();
        let again = Proxy::parse(&shown).expect("what is shown is a proxy");
        assert_eq!((again.kind(), again.port()), (proxy.kind(), proxy.port()));
        assert!(again.host() == proxy.host() && again.credentials().is_none());
        assert!(!shown.contains(['@', ' ', '\r', '\n']));
    }
    let proxies = Proxies::of(|name| match name {
        "http_proxy" => Some(text.into()),
        "no_proxy" => Some(no_proxy.into()),
        _ => None,
    });
    for url in [
        "ws://chat.example/",
        "ws://10.1.2.3:81/",
        "ws://[2001:db8::1]/",
    ] {
        let _ = proxies.proxy(&Uri::parse(url).expect("a URL"));
    }
    // For this machine there is none, whatever anybody says.
    for url in ["ws://localhost:81/", "ws://127.0.0.1/", "ws://[::1]/"] {
        let none = proxies.proxy(&Uri::parse(url).expect("a URL"));
        assert_eq!(none, Ok(None));
    }
}
