//! Secrets: the one rule for what logs, traces and errors hide.
//!
//! Nobody can tell from a value whether it is a secret. Names can: those of headers, and those of the
//! parameters of a URL. What is hidden by mistake is a nuisance, what is shown by mistake a leak.

use std::borrow::Cow;

/// The text that stands for a secret.
pub const REDACTED: &str = "[redacted]";

/// Parts of the names of secrets.
const PARTS: [&str; 11] = [
    "cookie",
    "authorization",
    "token",
    "secret",
    "passw",
    "credential",
    "key",
    "jwt",
    "session",
    "signature",
    "bearer",
];

/// Whole words of such names: as parts of others they are harmless.
const WORDS: [&str; 8] = ["auth", "sig", "pwd", "pass", "pw", "code", "otp", "sid"];

/// The longest subprotocol that is shown, in bytes: those that are agreed on are short, and tokens
/// that travel as one are not.
const SUBPROTOCOL: usize = 32;

/// Whether a header or a parameter of this name is likely to hold a secret.
///
/// ```
/// use ws_http::is_secret;
///
/// assert!(is_secret("X-Api-Key") && is_secret("access_token") && is_secret("auth"));
/// assert!(!is_secret("author") && !is_secret("room"));
/// ```
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|char: char| !char.is_ascii_alphanumeric());
    PARTS.iter().any(|part| name.contains(part)) || words.any(|word| WORDS.contains(&word))
}

/// Returns a text in which the values of secret parameters in URLs are replaced by [`REDACTED`].
///
/// ```
/// use ws_http::without_secrets;
///
/// let shown = without_secrets("/chat?room=7&access_token=s3cret");
/// assert_eq!(shown, "/chat?room=7&access_token=[redacted]");
/// ```
#[must_use]
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains('=') {
        return text.into();
    }
    let separators = ['?', '&', ' ', ';', '#'];
    let mut out = String::new();
    for piece in text.split_inclusive(separators) {
        let (pair, end) = piece.split_at(piece.trim_end_matches(separators).len());
        match pair.split_once('=') {
            Some((name, _)) if is_secret(&decoded(name)) => {
                out.extend([name, "=", REDACTED, end]);
            }
            _ => out.push_str(piece),
        }
    }
    out.into()
}

/// Returns the value of a header in a form that may be shown: secrets are replaced by [`REDACTED`].
///
/// ```
/// use ws_http::shown_header;
///
/// assert_eq!(shown_header("Authorization", "Bearer s3cret"), "[redacted]");
/// assert_eq!(shown_header("Location", "/?sig=s3cret"), "/?sig=[redacted]");
/// assert_eq!(shown_header("Host", "chat.example"), "chat.example");
/// ```
#[must_use]
pub fn shown_header<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match &*name.to_ascii_lowercase() {
        // A nonce and its digest: no secrets, and the `=` at their end is no parameter's.
        "sec-websocket-key" | "sec-websocket-accept" => value.into(),
        "sec-websocket-protocol" => without_tokens(value),
        name if is_secret(name) => REDACTED.into(),
        _ => without_secrets(value),
    }
}

/// A list of subprotocols without those that are tokens: a browser has no other place for one.
fn without_tokens(list: &str) -> Cow<'_, str> {
    let is_token = |name: &str| name.trim().len() > SUBPROTOCOL || is_secret(name);
    if !list.split(',').any(is_token) {
        return list.into();
    }
    let shown = list.split(',').map(|name| match is_token(name) {
        true => REDACTED,
        false => name.trim(),
    });
    shown.collect::<Vec<_>>().join(", ").into()
}

/// A name without the percent-encoding that would hide it.
fn decoded(name: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(name).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        let secret = [
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "Proxy-Authorization",
            "X-Auth",
            "X-Auth-User",
            "Auth",
            "auth",
            "sig",
            "pwd",
            "pw",
            "code",
            "otp",
            "sid",
            "X-Amz-Signature",
            "access_token",
            "id-token",
            "apiKey",
            "client_secret",
            "password",
            "passwd",
            "JWT",
        ];
        for name in secret {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "Host",
            "room",
            "name",
            "author",
            "WWW-Authenticate",
            "encode",
            "design",
            "Server",
            "inside",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn parameters_are_hidden_wherever_they_stand() {
        let table = [
            ("/", "/"),
            ("/?a=b", "/?a=b"),
            ("/?sig=s3cret", "/?sig=[redacted]"),
            ("/?a=b&pwd=s3cret&c=d", "/?a=b&pwd=[redacted]&c=d"),
            ("/?a=b;auth=s3cret", "/?a=b;auth=[redacted]"),
            ("/?%61uth=s3cret", "/?%61uth=[redacted]"),
            ("/?code=s3=cret", "/?code=[redacted]"),
            (
                "GET /?token=s3cret HTTP/1.1",
                "GET /?token=[redacted] HTTP/1.1",
            ),
            ("/#token=s3cret", "/#token=[redacted]"),
        ];
        for (text, shown) in table {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn headers_are_shown_without_secrets() {
        let long = "s3cret".repeat(6);
        let offered = format!("chat, {long}");
        let table = [
            ("Host", "h", "h"),
            ("Cookie", "id=s3cret", "[redacted]"),
            ("Auth", "s3cret", "[redacted]"),
            ("Location", "/?code=s3cret", "/?code=[redacted]"),
            (
                "Sec-WebSocket-Key",
                "Rm0Lj4zXFdoInAHLfkEYNw==",
                "Rm0Lj4zXFdoInAHLfkEYNw==",
            ),
            ("Sec-WebSocket-Protocol", "chat,superchat", "chat,superchat"),
            ("Sec-WebSocket-Protocol", &offered, "chat, [redacted]"),
            ("sec-websocket-protocol", "bearer-s3cret", "[redacted]"),
        ];
        for (name, value, shown) in table {
            assert_eq!(shown_header(name, value), shown, "{name}");
        }
    }
}
