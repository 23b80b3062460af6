//! *Drafting*: a message that is written in parts arrives as one message, or the peer learns that it
//! will not.

#![cfg(feature = "alloc")]

use crate::support::End;
use crate::support::session::{drain, step};
use ws_proto::{CloseCode, Draft, Kind, Limits, Part, SendError};
use ws_testkit::Got;

#[test]
fn drafting_joins_what_is_written_and_cuts_what_is_long() {
    let bytes: Vec<u8> = (0..600_000_u32).map(|at| at.to_be_bytes()[2]).collect();
    for end in End::BOTH {
        for piece in [1 << 10, 99_999, 600_000] {
            let mut limits = Limits::default();
            let mut session = end.session(&limits);
            let (_, outgoing) = session.halves();
            let (mut draft, mut rest, mut parts) = (Draft::new(Kind::Binary), &*bytes, 1);
            while !rest.is_empty() {
                match draft.write(&rest[..piece.min(rest.len())]).unwrap() {
                    0 => {
                        assert!(draft.is_full());
                        assert_eq!(draft.len(), Draft::MAX);
                        draft.send(outgoing, Part::More).unwrap();
                        parts += 1;
                    }
                    len => rest = &rest[len..],
                }
            }
            draft.send(outgoing, Part::Last).unwrap();
            // No more fragments than needed.
            assert_eq!(parts, bytes.len().div_ceil(Draft::MAX));
            limits.max_fragments = 3;
            let mut peer = end.other().session(&limits);
            peer.push(&drain(&mut session));
            assert!(step(&mut peer) == Ok(Some(Got::Binary(bytes.clone()))));
        }
    }
}

#[test]
fn drafting_takes_no_text_that_is_none() {
    let mut session = End::Server.session(&Limits::default());
    let (_, outgoing) = session.halves();
    let mut draft = Draft::new(Kind::Text);
    let you = "你".as_bytes();
    assert_eq!(draft.write(&you[..1]), Ok(1));
    assert_eq!(draft.write(b"a"), Err(SendError::NotUtf8));
    // It is as it was.
    assert_eq!(draft.send(outgoing, Part::Last), Err(SendError::NotUtf8));
    assert_eq!(draft.send(outgoing, Part::More), Ok(()));
    assert_eq!(draft.write(&you[1..]), Ok(2));
    assert_eq!(draft.send(outgoing, Part::Last), Ok(()));
    assert_eq!(drain(&mut session), b"\x01\x01\xE4\x80\x02\xBD\xA0");
}

#[test]
fn drafting_does_not_go_on_with_the_message_of_another() {
    let mut session = End::Server.session(&Limits::default());
    let (_, outgoing) = session.halves();
    let [mut one, mut other] = [Kind::Binary; 2].map(Draft::new);
    one.send(outgoing, Part::More).unwrap();
    assert_eq!(other.write(b"other"), Ok(5));
    let refused = other.send(outgoing, Part::More);
    assert_eq!(refused, Err(SendError::MessageInProgress));
    one.send(outgoing, Part::Last).unwrap();
    other.send(outgoing, Part::Last).unwrap();
    assert_eq!(drain(&mut session), b"\x02\0\x80\0\x82\x05other");
}

#[test]
fn drafting_that_stops_ends_the_connection_only_if_it_has_begun() {
    let mut session = End::Server.session(&Limits::default());
    let (_, outgoing) = session.halves();
    let mut draft = Draft::new(Kind::Binary);
    draft.write(b"nothing of this").unwrap();
    assert_eq!(draft.abandon(), None);
    let mut draft = Draft::new(Kind::Binary);
    draft.send(outgoing, Part::Last).unwrap();
    assert_eq!(draft.abandon(), None);
    let mut draft = Draft::new(Kind::Binary);
    draft.write(b"half").unwrap();
    draft.send(outgoing, Part::More).unwrap();
    let close = draft.abandon();
    assert!(close.is_some());
    outgoing.close(close).unwrap();
    assert_eq!(outgoing.send("more"), Err(SendError::Closed));
    let mut peer = End::Client.session(&Limits::default());
    peer.push(&drain(&mut session));
    assert_eq!(step(&mut peer), Ok(Some(Got::Binary(Vec::new()))));
    let closed = step(&mut peer).unwrap();
    assert!(matches!(closed, Some(Got::Close(..))), "{closed:?}");
    assert_eq!(peer.peer_close().unwrap().code(), CloseCode::INTERNAL);
}
