//! What we write, read back by httparse.

/// Header lines: names and values.
pub type Lines = Vec<(String, String)>;

/// Method, target and header lines of what has to be one request.
///
/// # Panics
///
/// If it is not one.
#[must_use]
pub fn read_request(bytes: &[u8]) -> (String, String, Lines) {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    let len = request.parse(bytes).expect("a request").unwrap();
    assert_eq!((len, request.version), (bytes.len(), Some(1)), "one of 1.1");
    let (method, path) = (request.method.expect("one"), request.path.expect("one"));
    (method.into(), path.into(), lines(request.headers))
}

/// Status and header lines of what has to begin with a response, and what follows its head.
///
/// # Panics
///
/// If it is not one.
#[must_use]
pub fn read_response(bytes: &[u8]) -> (u16, Lines, &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut headers);
    let len = response.parse(bytes).expect("a response").unwrap();
    let code = response.code.expect("one");
    (code, lines(response.headers), &bytes[len..])
}

/// A line as it is read back: white space around a value is none of it (RFC 9110 §5.5).
#[must_use]
pub fn line(name: &str, value: &str) -> (String, String) {
    (name.into(), value.trim_matches([' ', '\t']).into())
}

/// The header lines of a client, with one more of its own.
#[must_use]
pub fn client_lines(host: &str, key: &str, own: Option<(&str, &str)>) -> Lines {
    let ours = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ];
    let lines = ours.into_iter().chain(own);
    lines.map(|(name, value)| line(name, value)).collect()
}

fn lines(headers: &[httparse::Header<'_>]) -> Lines {
    let text = |value| str::from_utf8(value).expect("we write text");
    let lines = headers.iter();
    lines.map(|own| line(own.name, text(own.value))).collect()
}

/// Nothing in it ends a line, steers a terminal, or turns the direction of writing.
///
/// # Panics
///
/// If something does.
#[track_caller]
pub fn assert_one_line(shown: &str) {
    let steers = |char: char| {
        char.is_control() && char != '\t'
            || matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.contains(steers), "{shown:?}");
}
