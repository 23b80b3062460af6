//! Strings of anyone's in whatever writes them.

use std::net::{Ipv4Addr, SocketAddr};

use ws_http::Url;
use ws_proto::handshake::Uri;

use crate::written::{self, Asking};

/// Any string in whatever writes one makes one line that is read back as it was meant, or is
/// refused: hosts, targets, URLs, origins, subprotocols, headers, reasons, and what is logged.
///
/// The input is a byte that chooses what writes, and the string; what is not UTF-8 of it is
/// replaced.
///
/// # Panics
///
/// If not.
pub fn builders(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let text = &*String::from_utf8_lossy(text);
    match choice % 6 {
        0 => written::in_a_request(text, &mut |_, _| {}),
        1 => written::in_an_answer(text, &mut |_, _| {}),
        2 => written::in_what_is_refused(text, &mut |_, _| {}),
        3 => written::in_a_close(text, &mut |_, _| {}),
        4 => written::in_an_origin(text, &mut |_, _| {}),
        _ => in_a_client(text),
    }
}

/// A client refuses what the core would, before it connects.
fn in_a_client(text: &str) {
    let mut by_the_core = Vec::new();
    written::in_a_request(text, &mut |place, taken| by_the_core.push((place, taken)));
    // Nothing is sent there.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    for asking in Asking::with(address, text) {
        let taken = asking.is_taken();
        let place = by_the_core.iter().find(|(place, _)| *place == asking.place);
        if let Some((place, by_the_core)) = place {
            assert_eq!(taken, *by_the_core, "{place}");
        } else if taken {
            // Blanks are escaped, and nothing else.
            let text = format!("ws://{address}{}", asking.target);
            let url = Url::parse(&text).expect(asking.place);
            assert_eq!(url.as_str(), text.replace(' ', "%20"), "{}", asking.place);
            assert!(Uri::parse(url.as_str()).is_ok(), "{}", asking.place);
            let ends_a_word = |char: char| char.is_control() || char == ' ';
            assert!(!url.as_str().contains(ends_a_word));
        }
    }
}
