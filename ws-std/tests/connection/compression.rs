//! Compression between our own two ends. What others make of it is in the workspace's `tests`.
#![cfg(feature = "deflate")]

use std::sync::{Arc, Mutex};
use std::thread;

use ws_proto::Header;
use ws_std::{
    Client, CloseCode, Compress, Deflate, Direction, Error, Message, Server, Takeover, Tapped,
    WebSocket, WindowBits,
};

fn deflate(bits: u8, takeover: Takeover) -> Deflate {
    let window = WindowBits::new(bits).unwrap();
    let direction = Direction { window, takeover };
    let mut deflate = Deflate::default();
    deflate.min_len = 0;
    (deflate.send, deflate.receive) = (direction, direction);
    deflate
}

/// A server that echoes, compressed but for what begins with `plain`.
fn serve(deflate: Deflate) -> (String, impl FnOnce()) {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .deflate(deflate)
        .websocket("/echo", |mut ws, _| {
            ws.for_each(|message, tx| {
                let compress = match message.as_bytes().starts_with(b"plain") {
                    true => Compress::Never,
                    false => Compress::Auto,
                };
                tx.send_with(message, compress)
            })
        });
    let url = format!("ws://{}/echo", server.local_addr());
    let handle = server.handle();
    let running = thread::spawn(move || server.run());
    (url, move || {
        handle.shutdown();
        running.join().unwrap().unwrap();
    })
}

/// A client, and whether each frame that it received was compressed. Frames are read whole here:
/// each message is answered before the next is sent.
fn client(url: &str, deflate: Deflate) -> (WebSocket, Arc<Mutex<Vec<bool>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let compressed = Arc::clone(&seen);
    let left = Mutex::new(0_u64);
    let ws = Client::new(url)
        .deflate(deflate)
        .tap(move |tapped| {
            let Tapped::Received(bytes) = tapped else {
                return;
            };
            let mut left = left.lock().unwrap();
            if *left == 0 {
                let (header, len) = Header::decode(bytes).unwrap().unwrap();
                seen.lock().unwrap().push(header.rsv1());
                *left = header.payload_len() + len as u64;
            }
            *left -= bytes.len() as u64;
        })
        .connect()
        .unwrap();
    (ws, compressed)
}

fn echo(ws: &mut WebSocket, text: &str) {
    ws.send(text).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text(text)));
}

/// Words in an order that is not the same at any distance below the largest window.
fn text(len: usize) -> String {
    let mut random = 1_u64;
    let mut text = String::new();
    while text.len() < len {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text += ["alpha ", "beta ", "gamma ", "delta "][usize::try_from(random >> 62).unwrap()];
        text += &(random >> 40).to_string();
    }
    text
}

#[test]
fn each_message_is_compressed_or_not_as_it_was_said() {
    for takeover in [Takeover::Kept, Takeover::Off] {
        let (url, stop) = serve(deflate(15, takeover));
        let (mut ws, compressed) = client(&url, deflate(15, takeover));
        for round in 0..20 {
            let text = format!("{}{round}", ["plain ", "packed "][round % 2].repeat(50));
            ws.send_with(&text, [Compress::Never, Compress::Auto][round / 2 % 2])
                .unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Text(&text)));
        }
        let expected: Vec<bool> = (0..20).map(|round| round % 2 == 1).collect();
        assert_eq!(*compressed.lock().unwrap(), expected);
        ws.close(CloseCode::NORMAL, "").unwrap();
        stop();
    }
}

/// How many bytes the echo of a text takes, after those of whoever was connected before.
fn echoed(url: &str, bits: u8, text: &str) -> u64 {
    let received = Arc::new(Mutex::new(0));
    let count = Arc::clone(&received);
    let mut ws = Client::new(url)
        .deflate(deflate(bits, Takeover::Off))
        .tap(move |tapped| {
            if let Tapped::Received(bytes) = tapped {
                *count.lock().unwrap() += bytes.len() as u64;
            }
        })
        .connect()
        .unwrap();
    echo(&mut ws, text);
    drop(ws);
    Arc::into_inner(received).unwrap().into_inner().unwrap()
}

/// The contexts that a server's connections share are of different windows: what each gets is
/// what it would get alone, and refers to nothing beyond its window.
#[test]
fn connections_with_different_windows_share_no_context() {
    let text = text(100_000);
    let alone = |bits| {
        let (url, stop) = serve(deflate(15, Takeover::Off));
        let len = echoed(&url, bits, &text);
        stop();
        len
    };
    let (url, stop) = serve(deflate(15, Takeover::Off));
    for bits in [15, 9, 12, 15, 10, 9] {
        assert_eq!(echoed(&url, bits, &text), alone(bits), "{bits}");
    }
    stop();
}

#[test]
fn nothing_is_compressed_unless_both_want_it() -> Result<(), Error> {
    let (url, stop) = serve(deflate(15, Takeover::Kept));
    let mut ws = ws_std::connect(&*url).unwrap();
    assert!(ws.headers().get("sec-websocket-extensions").is_none());
    echo(&mut ws, &text(5_000));
    ws.close(CloseCode::NORMAL, "")?;
    stop();

    let plain = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/echo", |mut ws, _| {
            ws.for_each(|message, tx| tx.send(message))
        });
    let (url, handle) = (format!("ws://{}/echo", plain.local_addr()), plain.handle());
    let running = thread::spawn(move || plain.run());
    let (mut ws, compressed) = client(&url, deflate(15, Takeover::Kept));
    echo(&mut ws, &"text ".repeat(500));
    assert_eq!(*compressed.lock().unwrap(), [false]);
    ws.close(CloseCode::NORMAL, "")?;
    handle.shutdown();
    running.join().unwrap().unwrap();
    Ok(())
}
