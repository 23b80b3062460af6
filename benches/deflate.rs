//! The cost of permessage-deflate in a `Session` beyond zlib itself.

use std::hint::black_box;

use ws_bench::bare::{Compressor, Inflater, Setup, TAIL};
use ws_bench::messages::{Cycle, compressible};
use ws_bench::{Bench, Row, Way, ours};
use ws_proto::{Limits, Opcode, Session, Utf8};

fn main() {
    let mut bench = Bench::from_args("deflate");
    for (size, len) in [("1KiB", 1 << 10), ("64KiB", 64 << 10)] {
        for setup in Setup::ALL {
            let name = format!("compress/{size}, {setup}");
            bench.measure(Row::new(name, compressing(setup, len)));
        }
        for setup in Setup::ALL {
            let name = format!("inflate/{size}, {setup}");
            bench.measure(Row::new(name, inflating(setup, len)));
        }
    }
    bench.finish();
}

fn compressing(setup: Setup, len: usize) -> Vec<Way<'static>> {
    let (mut session, mut ours) = (server(setup), Cycle::new(compressible(len)));
    let (mut zlib, mut bare) = (Compressor::new(setup), Cycle::new(compressible(len)));
    vec![
        Way::new("bare", move || {
            black_box(zlib.compress(bare.turn().as_bytes()));
        }),
        Way::new("ws-proto", move || {
            session.send(&ours.turn()[..]).expect("nothing waits");
            let len = black_box(session.unsent()).len();
            session.sent(len);
        }),
        #[cfg(feature = "peers")]
        peer::compressing(setup, len),
    ]
}

fn inflating(setup: Setup, len: usize) -> Vec<Way<'static>> {
    let (mut session, mut text) = (server(setup), Cycle::new(frames(setup, len)));
    let (mut binary_session, mut binary) = (server(setup), Cycle::new(binary(setup, len)));
    let (mut zlib, mut bare) = (Inflater::new(setup), Cycle::new(payloads(setup, len)));
    let (mut tail_zlib, mut tail) = (Inflater::new(setup), bare.clone());
    let (mut checked_zlib, mut checked) = (Inflater::new(setup), bare.clone());
    vec![
        Way::new("bare", move || {
            black_box(zlib.inflate([bare.turn()]));
        }),
        // A message that was received is followed by the next, and not by its tail.
        Way::new("tail", move || {
            black_box(tail_zlib.inflate(received(tail.turn())));
        }),
        Way::new("binary", move || {
            let received = ours::receive(&mut binary_session, binary.turn());
            assert_eq!(received, Ok(1));
        }),
        // And text must be checked, however it was inflated.
        Way::new("checked", move || {
            let mut utf8 = Utf8::new();
            utf8.push(checked_zlib.inflate(received(checked.turn())))
                .and_then(|()| utf8.finish())
                .expect("text");
        }),
        Way::new("text", move || {
            let received = ours::receive(&mut session, text.turn());
            assert_eq!(received, Ok(1));
        }),
        #[cfg(feature = "peers")]
        peer::inflating(setup, len),
    ]
}

fn server(setup: Setup) -> Session {
    let (settings, agreed) = setup.agreed();
    let limits = Limits::default();
    Session::server(&limits.into()).compressed(&settings, &agreed)
}

/// The messages as a client sends them. The first refers to none before it, and so they can be
/// received in a circle.
fn frames(setup: Setup, len: usize) -> Vec<Vec<u8>> {
    let (settings, agreed) = setup.agreed();
    let limits = Limits::default();
    let mut client = Session::client(&limits.into(), [7; 32]).compressed(&settings, &agreed);
    let frame = |message: String| {
        client.send(&message[..]).expect("nothing waits");
        let frame = client.unsent().to_vec();
        client.sent(frame.len());
        frame
    };
    compressible(len).into_iter().map(frame).collect()
}

/// A payload and its tail, apart.
fn received(payload: &[u8]) -> [&[u8]; 2] {
    let (payload, tail) = payload.split_at(payload.len() - TAIL.len());
    [payload, tail]
}

/// The same, sent as binary messages.
fn binary(setup: Setup, len: usize) -> Vec<Vec<u8>> {
    let mut frames = frames(setup, len);
    for frame in &mut frames {
        frame[0] ^= Opcode::Text as u8 ^ Opcode::Binary as u8;
    }
    frames
}

/// The payloads of these frames, with the tail that is not sent.
fn payloads(setup: Setup, len: usize) -> Vec<Vec<u8>> {
    let mut zlib = Compressor::new(setup);
    let payload = |message: String| [zlib.compress(message.as_bytes()), &TAIL].concat();
    compressible(len).into_iter().map(payload).collect()
}

/// sockudo-ws, in memory. Its memory level is 8, whatever ours is.
#[cfg(feature = "peers")]
mod peer {
    use std::hint::black_box;

    use bytes::BytesMut;
    use sockudo_ws::{CompressedProtocol, DeflateConfig, Message};
    use ws_bench::Way;
    use ws_bench::bare::Setup;
    use ws_bench::messages::{Cycle, compressible};
    use ws_proto::handshake::Takeover;

    pub(crate) fn compressing(setup: Setup, len: usize) -> Way<'static> {
        let mut protocol = server(setup);
        let mut messages = Cycle::new(compressible(len).into_iter().map(Message::text));
        let mut out = BytesMut::new();
        Way::new("sockudo-ws", move || {
            let message = messages.turn();
            let encoded = protocol.encode_message(message, &mut out);
            encoded.expect("a message");
            black_box(&out[..]);
            out.clear();
        })
    }

    pub(crate) fn inflating(setup: Setup, len: usize) -> Way<'static> {
        let mut protocol = server(setup);
        let mut frames = Cycle::new(super::frames(setup, len));
        let (mut unread, mut messages) = (BytesMut::new(), Vec::new());
        Way::new("sockudo-ws", move || {
            unread.extend_from_slice(frames.turn());
            let processed = protocol.process_into(&mut unread, &mut messages);
            processed.expect("a client's frames");
            assert_eq!(black_box(&messages).len(), 1);
        })
    }

    fn server(setup: Setup) -> CompressedProtocol {
        let off = setup.takeover == Takeover::Off;
        let window = setup.window.try_into().expect("9 to 15");
        let config = DeflateConfig {
            server_max_window_bits: window,
            client_max_window_bits: window,
            server_no_context_takeover: off,
            client_no_context_takeover: off,
            compression_level: 6,
            compression_threshold: 0,
        };
        CompressedProtocol::server(1 << 20, 1 << 20, config)
    }
}
