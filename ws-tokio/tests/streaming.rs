//! Messages that are read and written in parts: `recv_reader`, `send_writer`.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use ws_proto::{Config, Session};
use ws_testkit::counting::{Counting, usage};
use ws_tokio::{CloseCode, Error, Kind, Message, SendError, WebSocket};

#[global_allocator]
static COUNTING: Counting = Counting;

/// Two ends that take messages of any length, over a pipe of so many bytes.
fn pair(pipe: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let mut config = Config::default();
    config.limits.max_message = u64::MAX;
    let (client, server) = tokio::io::duplex(pipe);
    let session = Session::client(&config, [7; 32]);
    let client = WebSocket::over(client, session);
    (client, WebSocket::over(server, Session::server(&config)))
}

/// A prime, so that no piece of a power of two looks like the next.
const PERIOD: u32 = 65_521;
const PIECE: usize = 1 << 16;

fn table() -> Vec<u8> {
    (0..PERIOD + (1 << 16))
        .map(|at| (at % PERIOD).wrapping_mul(0x9E37_79B1).to_be_bytes()[0])
        .collect()
}

fn at(position: u64) -> usize {
    usize::try_from(position % u64::from(PERIOD)).unwrap()
}

/// Writes so many bytes, none of which is like its neighbour.
async fn write(message: &mut (impl AsyncWriteExt + Unpin), len: u64) -> io::Result<()> {
    let (table, mut position) = (table(), 0);
    while position < len {
        let piece = usize::try_from(len - position).unwrap().min(PIECE);
        let from = at(position);
        position += message.write(&table[from..from + piece]).await? as u64;
    }
    Ok(())
}

/// Reads to the end, and fails if that is anything but what [`write`] writes.
async fn read(message: &mut (impl AsyncReadExt + Unpin), len: u64) -> io::Result<()> {
    let (table, mut room, mut position) = (table(), vec![0; PIECE], 0);
    while let some @ 1.. = message.read(&mut room).await? {
        let from = at(position);
        assert!(room[..some] == table[from..from + some], "at {position}");
        position += some as u64;
    }
    assert_eq!(position, len);
    Ok(())
}

/// Both ways, of whole connections and of halves: the most memory that it took.
fn there_and_back(len: u64) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let run = async {
        let (mut client, server) = pair(PIECE);
        let answering = async {
            let (mut reader, writer) = server.split();
            let mut message = reader.recv_reader().await?.expect("a message");
            read(&mut message, len).await?;
            drop(message);
            let mut answer = writer.send_writer(Kind::Binary);
            write(&mut answer, len).await?;
            answer.finish().await?;
            assert!(reader.recv().await?.is_none());
            Ok::<_, io::Error>(())
        };
        let asking = async {
            let mut message = client.send_writer(Kind::Binary);
            write(&mut message, len).await?;
            message.finish().await?;
            let mut answer = client.recv_reader().await?.expect("an answer");
            assert_eq!(answer.kind(), Kind::Binary);
            read(&mut answer, len).await?;
            drop(answer);
            client.close(CloseCode::NORMAL, "").await?;
            Ok::<_, io::Error>(())
        };
        tokio::try_join!(answering, asking)
    };
    let (done, used) = usage(|| runtime.block_on(run));
    done.unwrap();
    used.peak
}

/// Tables for the test, drafts, outboxes, inboxes: far from 64 MiB.
const MEMORY: usize = 4 << 20;

#[test]
fn long_messages_take_no_memory_that_grows_with_them() {
    let used = there_and_back(64 << 20);
    assert!(used < MEMORY, "{used}");
}

#[test]
#[ignore = "8 GiB through a pipe take 10 s: for the steps that take minutes"]
fn messages_of_four_gib_take_no_memory_that_grows_with_them() {
    // One more than a length of 32 bits counts.
    let used = there_and_back((4 << 30) + 1);
    assert!(used < MEMORY, "{used}");
}

#[tokio::test]
async fn a_message_that_is_dropped_half_read_makes_way_for_the_next() {
    let (mut client, server) = pair(1 << 20);
    let (mut reader, writer) = server.split();
    let long = "half".repeat(50_000);
    for read in [0, 1, 100_000] {
        for text in [&*long, "next", &*long, "next"] {
            client.send(text).await.unwrap();
            writer.send(text).await.unwrap();
        }
        for _ in 0..2 {
            let mut message = client.recv_reader().await.unwrap().expect("a message");
            message.read_exact(&mut vec![0; read]).await.unwrap();
            drop(message);
            assert_eq!(client.recv().await.unwrap(), Some(Message::Text("next")));
            let mut message = reader.recv_reader().await.unwrap().expect("a message");
            message.read_exact(&mut vec![0; read]).await.unwrap();
            drop(message);
            let mut message = reader.recv_reader().await.unwrap().expect("the next");
            let mut text = String::new();
            message.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "next");
            assert_eq!(message.read(&mut [0; 4]).await.unwrap(), 0);
        }
    }
}

// The client waits for the end of a server that nobody polls: on a clock that goes on by itself then.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_dropped_half_written_closes_only_if_something_has_left() {
    for halves in [false, true] {
        let (mut client, mut server) = pair(1 << 20);
        let mut message = server.send_writer(Kind::Text);
        message.write_all(b"nothing of this").await.unwrap();
        drop(message);
        server.send("whole").await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(Message::Text("whole")));
        let after = if halves {
            let (_reader, writer) = server.split();
            let mut message = writer.send_writer(Kind::Text);
            message.write_all(b"half").await.unwrap();
            message.flush().await.unwrap();
            let between = writer.clone().send("between").await.unwrap_err();
            assert!(matches!(between, Error::Send(SendError::MessageInProgress)));
            drop(message);
            writer.send("after").await.unwrap_err()
        } else {
            let mut message = server.send_writer(Kind::Text);
            message.write_all(b"half").await.unwrap();
            message.flush().await.unwrap();
            drop(message);
            server.send("after").await.unwrap_err()
        };
        assert!(matches!(after, Error::Send(SendError::Closed)), "{after:?}");
        let mut message = client.recv_reader().await.unwrap().expect("half of one");
        let mut bytes = Vec::new();
        let error = message.read_to_end(&mut bytes).await.unwrap_err();
        assert_eq!(
            (error.kind(), &*bytes),
            (io::ErrorKind::UnexpectedEof, &b"half"[..])
        );
        drop(message);
        let (code, reason) = client.peer_close().expect("a Close");
        assert_eq!(
            (code, &*reason),
            (CloseCode::INTERNAL, "message not finished")
        );
    }
}

#[tokio::test]
async fn what_is_no_text_is_not_written_as_text() {
    let (mut client, mut server) = pair(1 << 20);
    let mut message = client.send_writer(Kind::Text);
    let error = message.write_all(b"\xFF").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(error, Some(Error::Send(SendError::NotUtf8))));
    message.write_all(b"valid\xE4").await.unwrap();
    let error = message.finish().await.unwrap_err();
    assert!(matches!(error, Error::Send(SendError::NotUtf8)));
    // Nothing of it has left; and to shut a message down is to finish it.
    let mut message = client.send_writer(Kind::Text);
    message.write_all("你".as_bytes()).await.unwrap();
    message.shutdown().await.unwrap();
    message.shutdown().await.unwrap();
    drop(message);
    assert_eq!(server.recv().await.unwrap(), Some(Message::Text("你")));
}

/// Polls once: what comes of a future that another one is quicker than.
fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn reads_and_writes_that_are_dropped_lose_nothing() {
    const LEN: u64 = 300_000;
    let (mut client, mut server) = pair(7);
    let (table, mut written, mut received) = (table(), 0, 0);
    let mut message = client.send_writer(Kind::Binary);
    let mut write = || {
        if written < LEN {
            let piece = usize::try_from(LEN - written).unwrap().min(PIECE);
            let from = at(written);
            let wrote = once(message.write(&table[from..from + piece]));
            written += wrote.map_or(0, |wrote| wrote.unwrap() as u64);
        } else if let Some(finished) = once(message.shutdown()) {
            finished.unwrap();
        }
    };
    // Four go into the draft, and with the fifth the first seven bytes leave, of a header of 14.
    for _ in 0..5 {
        write();
    }
    for _ in 0..2 {
        assert!(once(server.recv_reader()).is_none());
        write();
    }
    let begun = once(server.recv_reader()).expect("its first bytes have come");
    let mut reader = begun.unwrap().expect("a message");
    let mut room = [0; 500];
    loop {
        // What a task may do in one go is bounded.
        tokio::task::yield_now().await;
        write();
        match once(reader.read(&mut room)) {
            None => {}
            Some(Ok(0)) => break,
            Some(read) => {
                let (read, from) = (read.unwrap(), at(received));
                assert!(room[..read] == table[from..from + read]);
                received += read as u64;
            }
        }
    }
    assert_eq!(received, LEN);
}
