//! A connection as others know it: a stream and a sink, halves, parts.

use crate::common::pair_over;
use futures_util::{SinkExt, StreamExt, future};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use ws_tokio::{
    CloseCode, Config, Error, Message, MessageBuf, ProtocolError, SendError, Session, WebSocket,
};

fn text(text: &str) -> MessageBuf {
    MessageBuf::Text(text.into())
}

#[tokio::test]
async fn a_stream_is_forwarded_into_a_sink() {
    let (client, server) = pair_over(7, &Config::default());
    let echoing = tokio::spawn(async move {
        let (sink, stream) = <WebSocket<_> as StreamExt>::split::<MessageBuf>(server);
        stream.forward(sink).await
    });
    let (mut sink, stream) = <WebSocket<_> as StreamExt>::split::<String>(client);
    let sending = tokio::spawn(async move {
        for number in 0..1000 {
            SinkExt::send(&mut sink, number.to_string()).await.unwrap();
        }
        SinkExt::<String>::close(&mut sink).await.unwrap();
    });
    let received: Vec<_> = stream.map(Result::unwrap).collect().await;
    let sent: Vec<_> = (0..1000).map(|number| text(&number.to_string())).collect();
    assert_eq!(received, sent);
    sending.await.unwrap();
    echoing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_sink_that_is_ready_takes_a_message_of_any_length() {
    let mut config = Config::default();
    config.limits.max_unsent = 10;
    let (mut client, mut server) = pair_over(7, &config);
    let lens = [0, 9, 10, 11, 1000, 3];
    let sending = tokio::spawn(async move {
        for len in lens {
            future::poll_fn(|cx| SinkExt::<Vec<u8>>::poll_ready_unpin(&mut client, cx))
                .await
                .unwrap();
            client.start_send_unpin(vec![7; len]).unwrap();
        }
        SinkExt::<Vec<u8>>::flush(&mut client).await.unwrap();
        client
    });
    for len in lens {
        let received = server.next().await.unwrap().unwrap();
        assert_eq!(received, MessageBuf::Binary(vec![7; len]));
    }
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_stream_ends_after_its_error() {
    let (mut peer, server) = tokio::io::duplex(100);
    let mut server = WebSocket::over(server, Session::server(&Config::default()));
    peer.write_all(b"\x81\x82\0\0\0\0hi\x81\x02hi")
        .await
        .unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), text("hi"));
    let error = server.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::MaskMissing)));
    assert!(server.next().await.is_none());
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[..4], *b"\x88\x1c\x03\xea");
}

#[tokio::test]
async fn several_tasks_send_and_receive_at_once() {
    let (client, server) = pair_over(64, &Config::default());
    let (mut writing, mut reading) = (Vec::new(), Vec::new());
    for ws in [client, server] {
        let (mut reader, writer) = ws.split();
        for writer in [writer.clone(), writer] {
            writing.push(tokio::spawn(async move {
                for number in 0..2000_u32 {
                    writer.send(&number.to_be_bytes()).await.unwrap();
                }
            }));
        }
        reading.push(tokio::spawn(async move {
            let mut sum = 0_u64;
            for _ in 0..4000 {
                let message = reader.recv().await.unwrap().unwrap();
                let bytes = message.as_bytes().try_into().unwrap();
                sum += u64::from(u32::from_be_bytes(bytes));
            }
            assert_eq!(sum, 2 * (0..2000).sum::<u64>());
            reader
        }));
    }
    for task in writing {
        task.await.unwrap();
    }
    let mut readers = Vec::new();
    for task in reading {
        readers.push(task.await.unwrap());
    }
}

#[tokio::test]
async fn what_a_writer_queues_the_waiting_reader_writes() {
    let (mut client, server) = pair_over(7, &Config::default());
    let (mut reader, writer) = server.split();
    let reading = tokio::spawn(async move { reader.recv().await.map(|got| got.is_some()) });
    tokio::task::yield_now().await;
    for _ in 0..10 {
        writer.queue("it does not wait").unwrap();
    }
    for _ in 0..10 {
        let received = client.recv().await.unwrap();
        assert_eq!(received, Some(Message::Text("it does not wait")));
    }
    client.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(!reading.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_queue_that_is_full_says_so() {
    let mut config = Config::default();
    config.limits.max_unsent = 100;
    let (_client, server) = pair_over(7, &config);
    let (_reader, writer) = server.split();
    let error = loop {
        if let Err(error) = writer.queue("sixteen bytes, 16") {
            break error;
        }
    };
    assert!(matches!(error, Error::Send(SendError::Full { limit: 100 })));
    assert!(!writer.has_room() && writer.unsent_len() >= 100);
}

#[tokio::test]
async fn a_reader_that_is_dropped_ends_the_connection() {
    let (mut client, server) = pair_over(100, &Config::default());
    let (reader, writer) = server.split();
    writer.send("one").await.unwrap();
    drop(reader);
    assert!(matches!(
        writer.queue("two"),
        Err(Error::Send(SendError::Closed))
    ));
    assert!(matches!(
        writer.send("two").await,
        Err(Error::Send(SendError::Closed))
    ));
    assert_eq!(client.recv().await.unwrap(), Some(Message::Text("one")));
    assert_eq!(client.recv().await.unwrap(), None);
    assert_eq!(
        client.peer_close(),
        Some((CloseCode::GOING_AWAY, String::new()))
    );
}

#[tokio::test]
async fn a_writer_that_waits_learns_that_the_reader_was_dropped() {
    let (_client, server) = pair_over(7, &Config::default());
    let (reader, writer) = server.split();
    let sending = tokio::spawn(async move { writer.send("more than seven bytes").await });
    tokio::task::yield_now().await;
    drop(reader);
    let sent = sending.await.unwrap();
    assert!(
        matches!(sent, Err(Error::Send(SendError::Closed))),
        "{sent:?}"
    );
}

#[tokio::test]
async fn an_abort_wakes_everybody() {
    let (mut client, server) = pair_over(7, &Config::default());
    let (mut reader, writer) = server.split();
    let other = writer.clone();
    let reading = tokio::spawn(async move { reader.recv().await.map(|got| got.is_some()) });
    let sending = tokio::spawn(async move { other.send("more than seven bytes").await });
    tokio::task::yield_now().await;
    writer.abort();
    assert!(matches!(reading.await.unwrap(), Err(Error::Io(_))));
    assert!(matches!(sending.await.unwrap(), Err(Error::Io(_))));
    let error = client.recv().await.unwrap_err();
    assert!(matches!(
        error,
        Error::Protocol(ProtocolError::UnexpectedEof)
    ));
}

#[tokio::test]
async fn halves_become_one_again_and_lose_nothing() {
    let (mut client, server) = pair_over(100, &Config::default());
    client.feed("one").await.unwrap();
    client.feed("two").await.unwrap();
    client.flush().await.unwrap();
    let (mut reader, writer) = server.split();
    assert_eq!(reader.recv().await.unwrap(), Some(Message::Text("one")));

    let other = reader.writer();
    let error = reader.reunite(writer).expect_err("another writer is left");
    let (reader, writer) = error.into_halves();
    let (stranger, _) = pair_over(1, &Config::default()).0.split();
    let error = stranger.reunite(writer).expect_err("they are of two");
    let (_, writer) = error.into_halves();
    drop(other);
    let mut server = reader.reunite(writer).unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Message::Text("two")));
    server.send("three").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(Message::Text("three")));
}

#[tokio::test]
async fn parts_go_on_over_another_stream() {
    let (mut client, mut server) = pair_over(100, &Config::default());
    client.feed("one").await.unwrap();
    client.feed("two").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Message::Text("one")));
    server.feed("unsent").await.unwrap();
    let (stream, session) = server.into_parts().unwrap();
    let mut server = WebSocket::over(stream, session);
    assert_eq!(server.recv().await.unwrap(), Some(Message::Text("two")));
    server.flush().await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(Message::Text("unsent")));
}

#[tokio::test]
async fn a_stream_that_holds_back_what_is_written_is_flushed() {
    // As TLS may do.
    let (client, server) = tokio::io::duplex(7);
    let [client, server] = [client, server].map(BufStream::new);
    let mut client = WebSocket::over(client, Session::client(&Config::default(), [7; 32]));
    let mut server = WebSocket::over(server, Session::server(&Config::default()));
    let echoing = tokio::spawn(async move {
        while let Some((message, mut reply)) = server.recv_reply().await.unwrap() {
            reply.queue(message).unwrap();
        }
        server.peer_close()
    });
    for message in ["hello", "", "more than seven bytes"] {
        client.send(message).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(Message::Text(message)));
    }
    client.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(
        echoing.await.unwrap(),
        Some((CloseCode::NORMAL, String::new()))
    );
}

#[tokio::test]
async fn a_connection_that_is_dropped_takes_its_leave() {
    let (mut client, mut server) = pair_over(100, &Config::default());
    server.feed("last").await.unwrap();
    drop(server);
    assert_eq!(client.recv().await.unwrap(), Some(Message::Text("last")));
    assert_eq!(client.recv().await.unwrap(), None);
    assert_eq!(
        client.peer_close(),
        Some((CloseCode::GOING_AWAY, String::new()))
    );
    // What is over stays over.
    assert_eq!(client.recv().await.unwrap(), None);
    assert!(matches!(
        client.send("late").await,
        Err(Error::Send(SendError::Closed))
    ));
    client.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(client.get_ref().is_none() && client.into_parts().is_none());
}

#[tokio::test]
async fn the_future_of_each_method_can_go_to_another_thread() {
    fn sends<T: Send>(value: T) -> T {
        value
    }
    let (mut client, server) = pair_over(100, &Config::default());
    drop(sends(client.recv()));
    drop(sends(client.recv_reply()));
    drop(sends(client.send("hi")));
    drop(sends(client.close(CloseCode::NORMAL, "")));
    let (mut reader, writer) = sends(server).split();
    drop(sends(reader.recv()));
    drop(sends(writer.send("hi")));
    drop(sends(writer));
}
