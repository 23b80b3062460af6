//! The heads of the opening handshake, for `--verbose`, without the secrets in them.

use std::borrow::Cow;

use crate::text::Escaped;

/// The text that replaces a secret.
const REDACTED: &str = "[redacted]";

/// The lines of a head, safe to show.
pub(super) fn lines(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let mut shown = Vec::new();
    let mut secret = false;
    for (at, line) in text.trim_end_matches(['\r', '\n']).split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if at == 0 {
            without_parameters(line)
        } else if line.starts_with([' ', '\t']) && secret {
            // A folded line is obsolete; the secrets of a server that still folds are hidden too.
            REDACTED.into()
        } else {
            header(line, &mut secret)
        };
        shown.push(Escaped(&line).to_string());
    }
    shown
}

fn header<'a>(line: &'a str, secret: &mut bool) -> Cow<'a, str> {
    let Some((name, value)) = line.split_once(':') else {
        return line.into();
    };
    // A nonce and its digest: no secrets, and the `=` at their end is no parameter's.
    if ["sec-websocket-key", "sec-websocket-accept"].contains(&&*name.to_ascii_lowercase()) {
        *secret = false;
        return line.into();
    }
    *secret = is_secret(name) && !name.to_ascii_lowercase().starts_with("sec-websocket-");
    if *secret {
        return format!("{name}: {REDACTED}").into();
    }
    match without_parameters(value) {
        Cow::Borrowed(_) => line.into(),
        Cow::Owned(value) => format!("{name}:{value}").into(),
    }
}

/// Hides the values of secret parameters of the URLs in a text: `?access_token=…`.
fn without_parameters(text: &str) -> Cow<'_, str> {
    if !text.contains('=') {
        return text.into();
    }
    let mut out = String::new();
    for piece in text.split_inclusive(['?', '&', ' ', ';', '#']) {
        let end = piece.trim_end_matches(['?', '&', ' ', ';', '#']).len();
        match piece[..end].split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.extend([name, "=", REDACTED, &piece[end..]]);
            }
            _ => out.push_str(piece),
        }
    }
    out.into()
}

/// Whether a header or parameter of this name is likely to be a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "cookie",
        "authorization",
        "x-auth",
        "token",
        "secret",
        "passw",
        "credential",
        "key",
        "jwt",
        "session",
        "signature",
    ]
    .iter()
    .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A nonce may have any letters, `key` among them.
    #[test]
    fn the_key_of_the_handshake_is_shown_whatever_it_is() {
        for name in ["Sec-WebSocket-Key", "sec-websocket-accept"] {
            let line = format!("{name}: Rm0Lj4zXFdoInAHLfkEYNw==");
            let head = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
            assert_eq!(lines(head.as_bytes())[1], line);
        }
    }

    #[test]
    fn secrets_are_hidden() {
        let head = b"GET /chat?room=a&access_token=s3cret&x=1 HTTP/1.1\r\n\
            Host: example.com\r\n\
            Authorization: Bearer s3cret\r\n\
            proxy-authorization: Basic s3cret\r\n\
            Cookie: id=s3cret\r\n\
            X-Api-Key: s3cret\r\n\
            X-CSRF-Token:s3cret\r\n\
            Location: /there?Signature=s3cret\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Set-Cookie: s3cret\r\n s3cret\r\n\
            X-Trace: a=b\r\n\r\n";
        assert_eq!(
            lines(head),
            [
                "GET /chat?room=a&access_token=[redacted]&x=1 HTTP/1.1",
                "Host: example.com",
                "Authorization: [redacted]",
                "proxy-authorization: [redacted]",
                "Cookie: [redacted]",
                "X-Api-Key: [redacted]",
                "X-CSRF-Token: [redacted]",
                "Location: /there?Signature=[redacted]",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "Set-Cookie: [redacted]",
                "[redacted]",
                "X-Trace: a=b",
            ]
        );
    }

    #[test]
    fn heads_are_safe_to_show() {
        assert_eq!(
            lines(b"HTTP/1.1 200 \x1b[31mOK\r\nno colon\r\nX: \xFF\r\n\r\n"),
            ["HTTP/1.1 200 \\u{1b}[31mOK", "no colon", "X: \u{FFFD}"]
        );
    }
}
