//! Keepalive and deadlines, on a clock that goes as fast as everybody waits.

use std::time::Duration;

use crate::common::{pair_over, polled};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;
use ws_tokio::{CloseCode, Config, Error, Message, Session, TimedOut, WebSocket};

const PING: &[u8] = b"\x89\x00";

/// A server, and the bytes of its peer.
fn server(pipe: usize) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (peer, server) = tokio::io::duplex(pipe);
    (
        peer,
        WebSocket::over(server, Session::server(&Config::default())),
    )
}

fn client(pipe: usize) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (peer, client) = tokio::io::duplex(pipe);
    (
        peer,
        WebSocket::over(client, Session::client(&Config::default(), [0; 32])),
    )
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[track_caller]
fn assert_timed_out<T: std::fmt::Debug>(result: Result<T, Error>, as_what: TimedOut) {
    match result {
        Err(Error::TimedOut(timed_out)) if timed_out == as_what => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_then_given_up() {
    let (mut peer, mut server) = server(100);
    let begun = Instant::now();
    let pinged = async {
        let mut ping = [0; 2];
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!((&ping[..], begun.elapsed().as_secs()), (PING, 20));
        // And then nothing more, before the stream ends.
        assert_eq!(peer.read(&mut ping).await.unwrap(), 0);
    };
    let (received, ()) = tokio::join!(server.recv(), pinged);
    assert_timed_out(received, TimedOut::Pong);
    assert_eq!(begun.elapsed().as_secs(), 40);
    // The first failure is the error of every later call.
    assert_timed_out(server.recv().await, TimedOut::Pong);
    assert_timed_out(server.send("hello").await, TimedOut::Pong);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_lives_and_is_pinged_on_a_grid() {
    let (mut peer, mut server) = server(100);
    let begun = Instant::now();
    let peering = async {
        for at in [20, 40, 60] {
            let mut ping = [0; 2];
            peer.read_exact(&mut ping).await.unwrap();
            assert_eq!((&ping[..], begun.elapsed().as_secs()), (PING, at));
            tokio::time::sleep(secs(3)).await;
            peer.write_all(b"\x8a\x80\0\0\0\0").await.unwrap();
        }
        peer.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    };
    let (received, ()) = tokio::join!(server.recv(), peering);
    assert_eq!(received.unwrap(), Some(Message::Text("hi")));
}

#[tokio::test(start_paused = true)]
async fn the_timer_wakes_whichever_task_waits() {
    let (_peer, mut server) = server(100);
    let begun = Instant::now();
    for _ in 0..3 {
        // Each task arms the timer, waits a little, and leaves.
        (server,) = tokio::spawn(async move {
            let waited = tokio::time::timeout(secs(1), server.recv()).await;
            assert!(waited.is_err());
            (server,)
        })
        .await
        .unwrap();
    }
    let waiting = tokio::spawn(async move { server.recv().await.map(|got| got.is_some()) });
    assert_timed_out(waiting.await.unwrap(), TimedOut::Pong);
    assert_eq!(begun.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_nobody_takes_ends() {
    let (_peer, mut server) = server(7);
    let begun = Instant::now();
    assert_timed_out(server.send("more than seven bytes").await, TimedOut::Pong);
    assert!(begun.elapsed() <= secs(41), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_a_little_now_and_then_is_waited_for() {
    let (mut peer, mut server) = server(7);
    let message = "x".repeat(100);
    let taking = async {
        for _ in 0..14 {
            tokio::time::sleep(secs(15)).await;
            peer.read_exact(&mut [0; 7]).await.unwrap();
        }
    };
    let (sent, ()) = tokio::join!(server.send(&message), taking);
    sent.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_one_pong_timeout_though_nobody_reads() {
    let (_peer, server) = server(7);
    let (mut reader, writer) = server.split();
    let begun = Instant::now();
    assert_timed_out(writer.send("more than seven bytes").await, TimedOut::Pong);
    assert_eq!(begun.elapsed().as_secs(), 20);
    assert_timed_out(reader.recv().await, TimedOut::Pong);
    assert_timed_out(writer.queue("no more"), TimedOut::Pong);
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_a_peer_that_takes_a_little_now_and_then() {
    let (mut peer, server) = server(7);
    let (_reader, writer) = server.split();
    let message = "x".repeat(100);
    let taking = async {
        for _ in 0..14 {
            tokio::time::sleep(secs(15)).await;
            peer.read_exact(&mut [0; 7]).await.unwrap();
        }
    };
    let (sent, ()) = tokio::join!(writer.send(&message), taking);
    sent.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends() {
    for (peer, mut ws) in [server(100), client(100)] {
        let begun = Instant::now();
        assert_timed_out(ws.close(CloseCode::NORMAL, "").await, TimedOut::Close);
        assert_eq!(begun.elapsed().as_secs(), 10);
        drop(peer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_floods_does_not_keep_a_close_from_ending() {
    let (mut peer, mut server) = server(1000);
    let flooding = tokio::spawn(async move {
        while peer.write_all(b"\x81\x82\0\0\0\0hi").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let begun = Instant::now();
    assert_timed_out(server.close(CloseCode::NORMAL, "").await, TimedOut::Close);
    assert_eq!(begun.elapsed().as_secs(), 10);
    flooding.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_by_a_writer_is_timed_while_the_reader_waits() {
    let (_peer, server) = server(100);
    let (mut reader, writer) = server.split();
    let begun = Instant::now();
    let closing = tokio::spawn(async move {
        tokio::time::sleep(secs(3)).await;
        writer.close(CloseCode::NORMAL, "").unwrap();
    });
    assert_timed_out(reader.recv().await, TimedOut::Close);
    assert_eq!(begun.elapsed().as_secs(), 13);
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_after_the_end_is_left() {
    // It broke a rule, and reads and stays.
    let (mut peer, mut ours) = server(100);
    let begun = Instant::now();
    peer.write_all(b"\x81\x02hi").await.unwrap();
    assert!(matches!(ours.recv().await, Err(Error::Protocol(_))));
    assert_eq!(begun.elapsed().as_secs(), 10);

    // A server that has closed, and does not end its stream.
    let (mut peer, mut ours) = client(100);
    let begun = Instant::now();
    peer.write_all(b"\x88\x00").await.unwrap();
    assert_eq!(ours.recv().await.unwrap(), None);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn time_begins_with_the_connection_and_not_with_the_first_call() {
    let (mut peer, mut server) = server(100);
    tokio::time::sleep(secs(19)).await;
    let begun = Instant::now();
    let mut ping = [0; 2];
    let (_, read) = tokio::join!(polled(2, server.recv()), peer.read_exact(&mut ping));
    read.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_of_ours_stay_together_for_an_hour() {
    let (mut client, mut server) = pair_over(100, &Config::default());
    let serving = tokio::spawn(async move {
        let received = server.recv_owned().await.unwrap().unwrap();
        server.send(&received).await.unwrap();
        assert_eq!(server.recv().await.unwrap(), None);
    });
    let waited = tokio::time::timeout(secs(3600), client.recv()).await;
    assert!(waited.is_err());
    client.send("still there?").await.unwrap();
    assert_eq!(
        client.recv().await.unwrap(),
        Some(Message::Text("still there?"))
    );
    client.close(CloseCode::NORMAL, "").await.unwrap();
    serving.await.unwrap();
}

/// What the peer of a server or of a client writes to close.
const CLOSES: [&[u8]; 2] = [b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"];

#[tokio::test(start_paused = true)]
async fn lingering_has_the_rest_of_the_close_timeout() {
    for (end, closes) in [server, client].into_iter().zip(CLOSES) {
        let (mut peer, mut ws) = end(100);
        let begun = Instant::now();
        let peering = async {
            tokio::time::sleep(secs(6)).await;
            peer.write_all(closes).await.unwrap();
        };
        let (closed, ()) = tokio::join!(ws.close(CloseCode::NORMAL, ""), peering);
        closed.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_told_of_its_error_has_one_close_timeout() {
    for end in [server, client] {
        let (mut peer, mut ws) = end(100);
        let begun = Instant::now();
        let peering = async {
            tokio::time::sleep(secs(3)).await;
            peer.write_all(&[0xFF; 2]).await.unwrap();
            // It does not listen, and goes on.
            for _ in 0..9 {
                tokio::time::sleep(secs(1)).await;
                peer.write_all(&[0xFF; 50]).await.unwrap();
            }
        };
        let (received, ()) = tokio::join!(ws.recv(), peering);
        assert!(matches!(received, Err(Error::Protocol(_))));
        assert_eq!(begun.elapsed().as_secs(), 13);
    }
}
