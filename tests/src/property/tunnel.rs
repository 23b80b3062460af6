//! What proxies answer: CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928).

use ws_http::{Proxy, Tunnel, TunnelError};

use super::input::{cuts, pieces};

/// An answer in pieces opens what a naive reading of all of it says that it opens, after as many
/// bytes, or fails for a reason that stays; and nothing is open before it was asked for.
///
/// The input is a byte that chooses the proxy, one for the number of cuts, the cuts, and the
/// answer.
///
/// # Panics
///
/// If not.
pub fn tunnel(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let (cuts, answer) = cuts(input);
    let proxy = ["http://p", "socks5://p", "socks5://li:s3cret@p"][usize::from(choice) % 3];
    let expected = match choice % 3 {
        0 => connect(answer),
        kind => socks(answer, kind == 2),
    };
    let ask = || Tunnel::new(&Proxy::parse(proxy).expect("a proxy"), "h.example", 443);
    for cuts in [&cuts[..], &[1; 256]] {
        let mut tunnel = ask().expect("a host");
        let found = played(&mut tunnel, answer, cuts);
        // SOCKS5 has questions between its answers: an answer to one that comes with the one before
        // is one to nothing.
        if found != Err(TunnelError::Unasked) || choice.is_multiple_of(3) {
            assert_eq!(
                found.ok().flatten(),
                expected,
                "{answer:x?} cut at {cuts:?}"
            );
        }
        assert_eq!(tunnel.eof().is_ok(), tunnel.is_open());
    }
    let mut unasked = ask().expect("a host");
    let _ = unasked.receive(answer);
    assert!(!unasked.is_open());
}

/// After how many bytes it is open, if it is.
fn played(
    tunnel: &mut Tunnel,
    answer: &[u8],
    cuts: &[usize],
) -> Result<Option<usize>, TunnelError> {
    let (mut at, mut taken) = (0, 0);
    for len in pieces(answer.len(), cuts) {
        assert!(tunnel.unsent().len() <= 600);
        tunnel.sent(usize::MAX);
        match tunnel.receive(&answer[at..at + len]) {
            Ok(own) => {
                assert!(own <= len && (own == len || tunnel.is_open()));
                taken += own;
            }
            Err(error) => {
                assert_eq!(tunnel.receive(b"x"), Err(error), "it stays so");
                return Err(error);
            }
        }
        at += len;
    }
    Ok(tunnel.is_open().then_some(taken))
}

/// Heads of interim answers, and then one of success. That each is a head by the rules is for the
/// target `handshake_response`: here it is enough that `httparse` takes it.
fn connect(answer: &[u8]) -> Option<usize> {
    let mut at = 0;
    for interim in 0.. {
        let rest = &answer[at..];
        let len = rest.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
        let response = ws_proto::handshake::Response::parse(&rest[..len]).ok()?;
        at += len;
        match response.status() {
            200..=299 => return (at <= Tunnel::MAX_HEAD).then_some(at),
            100 | 102..=199 if interim < 8 => {}
            _ => return None,
        }
    }
    None
}

/// Two bytes that choose how we say who we are, two that take it, and a reply with an address.
fn socks(answer: &[u8], has_credentials: bool) -> Option<usize> {
    let mut at = match answer {
        [5, 0, ..] => 2,
        [5, 2, _, 0, ..] if has_credentials => 4,
        _ => return None,
    };
    let reply = &answer[at..];
    let len = match reply {
        [5, 0, _, 1, ..] => 4,
        [5, 0, _, 3, len, ..] => usize::from(*len) + 1,
        [5, 0, _, 4, ..] => 16,
        _ => return None,
    };
    at += 4 + len + 2;
    (at <= answer.len()).then_some(at)
}
