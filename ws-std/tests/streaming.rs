//! Messages that are read and written in parts: `recv_reader`, `send_writer`.

mod common;

use std::io::{self, Read, Write};
use std::sync::mpsc;

use common::{PATIENCE, run, server};
use ws_std::{Client, CloseCode, Error, Kind, Message, MessageWriter, SendError, WebSocket};
use ws_testkit::counting::{Counting, usage};

#[global_allocator]
static COUNTING: Counting = Counting;

const GIB: u64 = 1 << 30;

/// So many bytes, none of which is like its neighbour, and what came of them.
struct Numbers {
    at: u64,
    end: u64,
}

/// A prime, so that no piece of a power of two looks like the next.
const PERIOD: u32 = 65_521;

impl Numbers {
    const fn new(end: u64) -> Self {
        Self { at: 0, end }
    }

    fn table() -> Vec<u8> {
        (0..PERIOD + (1 << 16))
            .map(|at| (at % PERIOD).wrapping_mul(0x9E37_79B1).to_be_bytes()[0])
            .collect()
    }

    fn write_to(mut self, message: &mut MessageWriter<'_>) -> io::Result<()> {
        let table = Self::table();
        while self.at < self.end {
            let from = usize::try_from(self.at % u64::from(PERIOD)).unwrap();
            let len = usize::try_from(self.end - self.at).unwrap().min(1 << 16);
            let len = message.write(&table[from..from + len])?;
            self.at += len as u64;
        }
        Ok(())
    }

    fn read_from(mut self, message: &mut impl Read) -> io::Result<()> {
        let (table, mut room) = (Self::table(), vec![0; 1 << 16]);
        loop {
            let len = message.read(&mut room)?;
            if len == 0 {
                assert_eq!(self.at, self.end);
                return Ok(());
            }
            let from = usize::try_from(self.at % u64::from(PERIOD)).unwrap();
            assert!(room[..len] == table[from..from + len], "at {}", self.at);
            self.at += len as u64;
        }
    }
}

/// Sends a message of `len` bytes to a server that reads it and says it back, and returns the most
/// memory that either took.
fn there_and_back(len: u64) -> [usize; 2] {
    let (tell, told) = mpsc::channel();
    let server = server()
        .max_message(u64::MAX)
        .websocket("/", move |mut ws, _| {
            let (done, used) = usage(|| {
                let mut message = ws.recv_reader()?.expect("a message");
                assert_eq!(message.kind(), Kind::Binary);
                Numbers::new(len).read_from(&mut message)?;
                drop(message);
                let mut answer = ws.send_writer(Kind::Binary);
                Numbers::new(len).write_to(&mut answer)?;
                answer.finish()
            });
            done?;
            tell.send(used.peak).unwrap();
            ws.for_each(|message, tx| tx.send(message))
        });
    let running = run(server);
    let client = Client::new(running.url("/")).max_message(u64::MAX);
    let mut ws = client.connect().unwrap();
    let (done, used) = usage(|| {
        let mut message = ws.send_writer(Kind::Binary);
        Numbers::new(len).write_to(&mut message)?;
        message.finish()?;
        let mut answer = ws.recv_reader()?.expect("an answer");
        Numbers::new(len).read_from(&mut answer)
    });
    done.unwrap();
    assert_eq!(echoed(&mut ws, "whole"), "whole");
    ws.close(CloseCode::NORMAL, "").unwrap();
    [used.peak, told.recv_timeout(PATIENCE).unwrap()]
}

fn echoed(ws: &mut WebSocket, text: &str) -> String {
    ws.send(text).unwrap();
    let answer = ws.recv().unwrap().expect("an answer");
    answer.as_text().expect("text").into()
}

/// Tables for the test, a draft, an outbox, an inbox: far from 64 MiB.
const MEMORY: usize = 2 << 20;

#[test]
fn long_messages_take_no_memory_that_grows_with_them() {
    let used = there_and_back(GIB / 16);
    assert!(used.iter().all(|used| *used < MEMORY), "{used:?}");
}

#[test]
#[ignore = "8 GiB through a socket take 10 s: for the steps that take minutes"]
fn messages_of_four_gib_take_no_memory_that_grows_with_them() {
    // One more than a length of 32 bits counts.
    let used = there_and_back(4 * GIB + 1);
    assert!(used.iter().all(|used| *used < MEMORY), "{used:?}");
}

#[test]
fn text_is_read_as_it_was_written() {
    let server = server().websocket("/", |ws, _| {
        let (mut reader, writer) = ws.split();
        while let Some(mut message) = reader.recv_reader()? {
            let mut answer = writer.send_writer(message.kind());
            io::copy(&mut message, &mut answer)?;
            answer.finish()?;
        }
        Ok::<_, Error>(())
    });
    let running = run(server);
    let mut ws = running.connect();
    let said = "so long, 你 ".repeat(9000);
    for len in [0, 1, 12, said.len()] {
        let mut message = ws.send_writer(Kind::Text);
        // In pieces that cut characters; one leaves early.
        for (at, piece) in said.as_bytes()[..len].chunks(1111).enumerate() {
            message.write_all(piece).unwrap();
            if at == 3 {
                message.flush().unwrap();
            }
        }
        message.finish().unwrap();
        let mut answer = ws.recv_reader().unwrap().expect("an answer");
        assert_eq!(answer.kind(), Kind::Text);
        let mut text = String::new();
        answer.read_to_string(&mut text).unwrap();
        assert!(text == said[..len]);
    }
    assert_eq!(echoed(&mut ws, "short"), "short");
    ws.close(CloseCode::NORMAL, "").unwrap();
    assert!(ws.recv_reader().unwrap().is_none());
}

#[test]
fn a_message_that_is_dropped_half_read_makes_way_for_the_next() {
    let running = run(common::echo());
    let mut ws = running.connect();
    let long = "half".repeat(50_000);
    for read in [0, 1, 100_000] {
        ws.send(&*long).unwrap();
        let mut message = ws.recv_reader().unwrap().expect("an answer");
        message.read_exact(&mut vec![0; read]).unwrap();
        drop(message);
        assert_eq!(echoed(&mut ws, "next"), "next");
        // And for one that is read in parts, too.
        ws.send(&*long).unwrap();
        let mut message = ws.recv_reader().unwrap().expect("an answer");
        message.read_exact(&mut vec![0; read]).unwrap();
        drop(message);
        ws.send("next").unwrap();
        let mut message = ws.recv_reader().unwrap().expect("the next");
        let mut text = String::new();
        message.read_to_string(&mut text).unwrap();
        assert_eq!(text, "next");
        // After its end nothing comes.
        assert_eq!(message.read(&mut [0; 4]).unwrap(), 0);
    }
}

#[test]
fn a_message_that_is_dropped_half_written_closes_only_if_something_has_left() {
    let (tell, told) = mpsc::channel();
    let server = server().websocket("/", move |mut ws, _| {
        while let Some(message) = ws.recv()? {
            assert_eq!(message, Message::Text("whole"));
        }
        tell.send(ws.peer_close()).unwrap();
        Ok::<_, Error>(())
    });
    let running = run(server);
    let mut ws = running.connect();
    let mut message = ws.send_writer(Kind::Text);
    message.write_all(b"nothing of this").unwrap();
    drop(message);
    ws.send("whole").unwrap();
    let another = ws.writer();
    let mut message = ws.send_writer(Kind::Text);
    message.write_all(b"half").unwrap();
    message.flush().unwrap();
    let other = another.send("between").unwrap_err();
    assert!(
        matches!(other, Error::Send(SendError::MessageInProgress)),
        "{other:?}"
    );
    drop(message);
    let after = ws.send("after").unwrap_err();
    assert!(matches!(after, Error::Send(SendError::Closed)), "{after:?}");
    // The server waits for the end of the stream.
    drop((another, ws));
    let (code, reason) = told.recv_timeout(PATIENCE).unwrap().expect("a Close");
    assert_eq!(
        (code, &*reason),
        (CloseCode::INTERNAL, "message not finished")
    );
}

#[test]
fn what_is_no_text_is_not_written_as_text() {
    let running = run(common::echo());
    let mut ws = running.connect();
    let mut message = ws.send_writer(Kind::Text);
    let error = message.write_all(b"\xFF").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(error, Some(Error::Send(SendError::NotUtf8))));
    message.write_all(b"valid\xE4").unwrap();
    let error = message.finish().unwrap_err();
    assert!(matches!(error, Error::Send(SendError::NotUtf8)));
    // Nothing of it has left.
    assert_eq!(echoed(&mut ws, "next"), "next");
}

#[test]
fn a_peer_that_closes_within_its_message_is_an_error_of_the_read() {
    let server = server().websocket("/", |mut ws, _| {
        let mut message = ws.send_writer(Kind::Binary);
        message.write_all(b"half")?;
        message.flush()?;
        drop(message);
        while ws.recv()?.is_some() {}
        Ok::<_, Error>(())
    });
    let running = run(server);
    let mut ws = running.connect();
    let mut message = ws.recv_reader().unwrap().expect("half a message");
    let mut bytes = Vec::new();
    let error = message.read_to_end(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(bytes, b"half");
    drop(message);
    let (code, reason) = ws.peer_close().expect("a Close");
    assert_eq!(
        (code, &*reason),
        (CloseCode::INTERNAL, "message not finished")
    );
    assert!(ws.recv().unwrap().is_none());
}
