//! The heads of the opening handshake, for `--verbose`, without the secrets in them.

use std::borrow::Cow;

use ws_std::ws_http::{REDACTED, shown_header, without_secrets};

use crate::text::Escaped;

/// The lines of a head, safe to show.
pub(super) fn lines(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let mut shown = Vec::new();
    let mut secret = false;
    for (at, line) in text.trim_end_matches(['\r', '\n']).split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if at == 0 {
            without_secrets(line)
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
    let text = value.trim_start();
    let shown = shown_header(name, text);
    *secret = shown == REDACTED;
    if shown == text {
        line.into()
    } else {
        format!("{name}: {shown}").into()
    }
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
            Sec-WebSocket-Protocol: chat, s3crets3crets3crets3crets3crets3cret\r\n\
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
                "Sec-WebSocket-Protocol: chat, [redacted]",
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
