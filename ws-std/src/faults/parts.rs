//! The peer's part in each conversation.

#[cfg(feature = "deflate")]
use ws_proto::{Deflate, Role};

use super::common::{pattern, upgrade};
use super::peer::Act;
use Act::{Accept, Answer, End, Hear, Say};

pub(super) fn visitor() -> Vec<Act> {
    let mut first = upgrade("/", "").into_bytes();
    // Right after the request.
    first.extend(frame(0x81, b"hello", MASKED));
    let fragments = [
        frame(0x01, b"frag", MASKED),
        frame(0x89, b"between", MASKED),
        frame(0x00, b"men", MASKED),
        frame(0x80, b"ted", MASKED),
    ];
    vec![
        Say(first),
        Hear(1),
        Say(frame(0x89, b"are you there", MASKED)),
        Hear(1),
        Say(fragments.concat()),
        Hear(2),
        Say(frame(0x82, &pattern(40_000), MASKED)),
        Hear(1),
        Say(frame(0x81, b"", MASKED)),
        Hear(1),
        Say(close(1000, "that is all", MASKED)),
    ]
}

pub(super) fn listener() -> Vec<Act> {
    vec![
        Say(upgrade("/", "").into()),
        Hear(5),
        Say([frame(0x8a, b"marco", MASKED), frame(0x81, b"polo", MASKED)].concat()),
        Hear(1),
        Say([
            // It crossed our Close.
            frame(0x82, &pattern(10_000), MASKED),
            close(1001, "bye", MASKED),
        ]
        .concat()),
    ]
}

pub(super) fn oracle() -> Vec<Act> {
    let mut acts = vec![Accept(None)];
    acts.extend(answers());
    acts
}

fn answers() -> Vec<Act> {
    vec![
        // Without being asked.
        Say(frame(0x81, b"welcome", UNMASKED)),
        Hear(1),
        Say(frame(0x81, b"yes", UNMASKED)),
        Hear(1),
        Say(frame(0x82, &pattern(70_000), UNMASKED)),
        Hear(1),
        Say(frame(0x81, b"no", UNMASKED)),
        Hear(2),
        Say(close(1000, "", UNMASKED)),
        End,
    ]
}

pub(super) fn leaver() -> Vec<Act> {
    vec![
        Accept(None),
        Say(frame(0x81, b"one", UNMASKED)),
        Hear(1),
        Say([
            frame(0x81, b"two", UNMASKED),
            close(1001, "I have to go", UNMASKED),
        ]
        .concat()),
        Hear(2),
        End,
    ]
}

pub(super) fn batch() -> Vec<Act> {
    let mut batch = Vec::new();
    for len in [0, 1, 10, 125, 126, 1000, 33_000, 5, 66_000, 200] {
        batch.extend(frame(0x82, &pattern(len), MASKED));
    }
    vec![
        Say(batch),
        Hear(10),
        Say(frame(0x89, b"still there", MASKED)),
        Hear(1),
        Say(frame(0x81, b"last", MASKED)),
        Hear(1),
        Say(close(1000, "", MASKED)),
    ]
}

pub(super) fn other_two() -> Vec<Act> {
    vec![
        Say(frame(0x82, &pattern(20_000), MASKED)),
        Say(frame(0x81, b"over there", MASKED)),
        Hear(5),
        Say(close(1000, "done", MASKED)),
    ]
}

pub(super) fn member() -> Vec<Act> {
    vec![
        Hear(4),
        Say(frame(0x81, b"heard", MASKED)),
        Say(close(1000, "", MASKED)),
    ]
}

/// The part of a peer that has to open the connection first.
pub(super) fn served(mut acts: Vec<Act>) -> Vec<Act> {
    acts.insert(0, Say(upgrade("/", "").into()));
    acts
}

pub(super) fn round_trips() -> Vec<Act> {
    let trip = |len| [Say(frame(0x82, &pattern(len), MASKED)), Hear(1)];
    let mut acts: Vec<_> = (1..=20).flat_map(|at| trip(at * at * 10)).collect();
    acts.push(Say(close(4000, "home", MASKED)));
    acts
}

pub(super) fn violation() -> Vec<Act> {
    let mut acts = served(vec![Say(frame(0x81, b"well", MASKED)), Hear(1)]);
    acts.push(Say(frame(0x83, b"what?", MASKED)));
    acts
}

/// Goes on sending what was refused by its header.
pub(super) fn too_large() -> Vec<Act> {
    let mut large = b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0".to_vec();
    large.extend(pattern(50_000));
    served(vec![Say(frame(0x81, b"well", MASKED)), Hear(1), Say(large)])
}

/// Ends its stream within a message, and without a Close.
pub(super) fn vanishing() -> Vec<Act> {
    let mut acts = vec![Accept(None)];
    acts.extend(answers().into_iter().take(3));
    acts.push(Say(b"\x02\x7f\0\0\0\0\0\x01\0\0".to_vec()));
    acts.extend([Say(pattern(30_000)), End]);
    acts
}

pub(super) fn refusal() -> Vec<Act> {
    let mut answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5000\r\n\r\n".to_vec();
    answer.extend(pattern(5000));
    vec![Answer(answer), End]
}

#[cfg(feature = "deflate")]
pub(super) fn compressing() -> Vec<Act> {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    vec![
        Say(upgrade("/", offer).into()),
        Say(frame(0xc1, HELLO, MASKED)),
        Hear(1),
        // Not compressed, but the answer is.
        Say(frame(0x82, &pattern(100_000), MASKED)),
        Hear(1),
        Say(close(1000, "", MASKED)),
    ]
}

#[cfg(feature = "deflate")]
pub(super) fn inflating() -> Vec<Act> {
    let mut acts = vec![
        Accept(Some(Deflate::default().bounds(Role::Server))),
        Say(frame(0xc1, HELLO, UNMASKED)),
    ];
    acts.extend(answers().split_off(1));
    acts
}

fn close(code: u16, reason: &str, masked: bool) -> Vec<u8> {
    let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
    frame(0x88, &payload, masked)
}

/// A frame with this first byte.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    ws_testkit::frame(first, masked.then_some(ws_testkit::KEY), payload)
}

const MASKED: bool = true;

const UNMASKED: bool = false;

/// "Hello", compressed: RFC 7692 §7.2.3.1.
#[cfg(feature = "deflate")]
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
