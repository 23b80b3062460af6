//! Clients that last: connections one after the other, and their end from another task.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{polled, within};
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use ws_tokio::ws_http::{Backoff, Ended, Request, Response, StatusCode};
use ws_tokio::{
    Client, CloseCode, ConnectError, Error, Message, Reconnect, Server, Transport, WebSocket,
};

type Own = WebSocket<TcpStream>;

/// One that does not wait.
fn eager() -> Backoff {
    let mut backoff = Backoff::DEFAULT;
    backoff.most = Duration::ZERO;
    backoff
}

fn reconnect(address: SocketAddr) -> Reconnect {
    let client = Client::new(format!("ws://{address}/"));
    client.reconnect().backoff(eager())
}

/// Runs a server whose hook and handler are told how many requests and connections there were
/// before.
async fn serving<F, E>(
    hook: impl Fn(usize) -> Option<Response> + Send + Sync + 'static,
    handler: impl Fn(usize, Own, Request) -> F + Send + Sync + 'static,
) -> SocketAddr
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let (asked, opened) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let next = |count: &AtomicUsize| count.fetch_add(1, Ordering::SeqCst);
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.hook(move |_| hook(next(&asked)));
    let server = server.websocket("/", move |ws, request| handler(next(&opened), ws, request));
    let address = server.local_addr();
    tokio::spawn(server.run());
    address
}

/// One that closes every connection.
async fn closing(code: u16) -> SocketAddr {
    let handler =
        move |_, mut ws: Own, _| async move { ws.close(CloseCode::new(code).unwrap(), "").await };
    serving(|_| None, handler).await
}

/// Receives to the end, and drops it.
async fn to_its_end(mut ws: WebSocket<Transport>) -> (Vec<String>, Option<u16>) {
    let mut heard = Vec::new();
    while let Ok(Some(message)) = within(ws.recv()).await {
        heard.push(message.as_text().unwrap().to_owned());
    }
    (heard, ws.peer_close().map(|(code, _)| code.get()))
}

#[tokio::test]
async fn a_connection_follows_one_that_ended_in_a_way_that_may_go_better() {
    let busy = |asked| {
        let busy = Response::text("").with_status(StatusCode::SERVICE_UNAVAILABLE);
        (asked == 4).then_some(busy)
    };
    let handler = |opened, mut ws: Own, _| async move {
        let codes = [1001, 1012, 1013, 1000_u16];
        match opened {
            // An end without a Close.
            0 => drop(ws.into_parts()),
            at => ws.close(CloseCode::new(codes[at - 1]).unwrap(), "").await?,
        }
        Ok::<_, Error>(())
    };
    let address = serving(busy, handler).await;
    let waits = Arc::new(AtomicUsize::new(0));
    let counted = waits.clone();
    let mut connections = reconnect(address).on_wait(move |_, wait| {
        assert_eq!(wait, Duration::ZERO);
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let mut ends = Vec::new();
    while let Some(ws) = within(connections.next()).await {
        ends.push(to_its_end(ws.unwrap()).await.1);
    }
    let codes = [None, Some(1001), Some(1012), Some(1013), Some(1000)];
    assert_eq!(ends, codes);
    assert_eq!(waits.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn what_will_be_as_wrong_the_next_time_is_the_end() {
    // A Close of the peer's, our own, one of a connection in two halves.
    let address = closing(1008).await;
    let mut connections = reconnect(address);
    to_its_end(within(connections.next()).await.unwrap().unwrap()).await;
    assert!(within(connections.next()).await.is_none());
    assert!(within(connections.next()).await.is_none());

    let mut connections = reconnect(address);
    let ws = within(connections.next()).await.unwrap().unwrap();
    let (mut reader, writer) = ws.split();
    assert_eq!(within(reader.recv()).await.unwrap(), None);
    drop((reader, writer));
    assert!(within(connections.next()).await.is_none());

    let handler = |_, mut ws: Own, _| async move { ws.recv().await.map(drop) };
    let address = serving(|_| None, handler).await;
    let mut connections = reconnect(address);
    let mut ws = within(connections.next()).await.unwrap().unwrap();
    within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    drop(ws);
    assert!(within(connections.next()).await.is_none());

    // A refusal.
    let refusing = |_| Some(Response::text("").with_status(StatusCode::FORBIDDEN));
    let handler = |_, _: Own, _| async { Ok::<_, Error>(()) };
    let mut connections = reconnect(serving(refusing, handler).await);
    let error = within(connections.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    assert!(within(connections.next()).await.is_none());
}

#[tokio::test]
async fn the_application_may_judge_what_is_tried_again() {
    let missing = |_| Some(Response::text("").with_status(StatusCode::NOT_FOUND));
    let handler = |_, _: Own, _| async { Ok::<_, Error>(()) };
    let mut tries = 0;
    let connections = reconnect(serving(missing, handler).await).retry_if(move |how| {
        assert_eq!(how, Ended::Status(StatusCode::NOT_FOUND));
        tries += 1;
        tries < 3
    });
    assert_eq!(within(connections.count()).await, 1);
}

#[tokio::test]
async fn a_server_that_says_when_it_is_back_is_believed() {
    let busy = |_| {
        let busy = Response::text("").with_status(StatusCode::SERVICE_UNAVAILABLE);
        Some(busy.header("retry-after", "120"))
    };
    let handler = |_, _: Own, _| async { Ok::<_, Error>(()) };
    let connections = reconnect(serving(busy, handler).await);
    let stop = connections.stop_handle();
    let connections = connections.on_wait(move |error, wait| {
        assert!(matches!(error, Some(ConnectError::Refused(_))));
        assert_eq!(wait, Duration::from_secs(120));
        stop.stop();
    });
    assert_eq!(within(connections.count()).await, 0);
}

/// The waits are those of the policy, to the millisecond, and the first attempt is made at once.
#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_it_says() {
    let begun = Instant::now();
    let (tell, mut told) = mpsc::unbounded_channel();
    let connections = Client::new("ws://localhost/").reconnect();
    let stop = connections.stop_handle();
    let waits = Arc::new(Mutex::new(Vec::new()));
    let noted = waits.clone();
    let connections = connections
        .before_each(move |_| {
            tell.send(begun.elapsed()).unwrap();
            async { Err(io::ErrorKind::ConnectionRefused.into()) }
        })
        .on_wait(move |error, wait| {
            assert!(matches!(error, Some(ConnectError::Hook(_))));
            let mut waits = noted.lock().unwrap();
            waits.push(wait);
            if waits.len() == 8 {
                stop.stop();
            }
        });
    assert_eq!(connections.count().await, 0);
    let mut at = Duration::ZERO;
    let waits = waits.lock().unwrap().clone();
    for wait in &waits[..7] {
        let attempt = told.recv().await.unwrap();
        let late = attempt - at;
        assert!(late <= Duration::from_millis(2), "{attempt:?}, {at:?}");
        at = attempt + *wait;
    }
    // They double: the seventh is of 30 s at least.
    assert!(at > Duration::from_secs(30), "{at:?}");
}

#[tokio::test]
async fn each_attempt_has_what_the_hook_makes_of_it_and_each_connection_what_is_sent_first() {
    let handler = |_, mut ws: Own, request: Request| async move {
        let token = request.header("authorization").unwrap().to_owned();
        let first = ws.recv_owned().await?.unwrap();
        let first = first.as_message().as_text().unwrap().to_owned();
        ws.send(&*format!("{token} {first}")).await?;
        ws.close(CloseCode::GOING_AWAY, "").await
    };
    let address = serving(|_| None, handler).await;
    let mut tokens = 0;
    let mut connections = reconnect(address)
        .before_each(move |client| {
            tokens += 1;
            async move {
                match tokens {
                    // Who gives tokens is not there.
                    2 => Err(io::ErrorKind::ConnectionRefused.into()),
                    _ => Ok(client.header("Authorization", tokens.to_string())),
                }
            }
        })
        .first(|mut ws| async {
            ws.send("subscribe").await?;
            Ok(ws)
        });
    for heard in ["1 subscribe", "3 subscribe", "4 subscribe"] {
        let ws = within(connections.next()).await.unwrap().unwrap();
        assert_eq!(to_its_end(ws).await.0, [heard]);
    }
}

#[tokio::test]
async fn a_connection_for_which_what_is_sent_first_fails_has_ended() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = move |_, mut ws: Own, _| {
        let tell = tell.clone();
        async move {
            let heard = ws.recv_owned().await?;
            tell.send((heard.is_some(), ws.peer_close().map(|(code, _)| code.get())))?;
            ws.recv().await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        }
    };
    let mut tries = 0;
    let mut connections = reconnect(serving(|_| None, handler).await).first(move |mut ws| {
        tries += 1;
        async move {
            match tries {
                // A Ping has 125 bytes at most.
                1 => ws.ping(&[0; 126]).await?,
                _ => ws.send("subscribe").await?,
            }
            Ok(ws)
        }
    });
    let _open = within(connections.next()).await.unwrap().unwrap();
    let mut both = [told.recv().await.unwrap(), told.recv().await.unwrap()];
    both.sort();
    assert_eq!(both, [(false, Some(1001)), (true, None)]);
}

/// What was asked to close is to be asked for by the task that has it.
#[tokio::test]
async fn a_connection_that_is_still_open_is_given_up_for_the_next() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = move |_, mut ws: Own, _| {
        let tell = tell.clone();
        async move {
            let end = ws.recv().await.map(drop);
            tell.send(ws.peer_close().map(|(code, _)| code.get()))
                .unwrap();
            end
        }
    };
    let address = serving(|_| None, handler).await;
    let mut connections = reconnect(address);
    // Dropped, it says so at once.
    drop(within(connections.next()).await.unwrap().unwrap());
    assert_eq!(told.recv().await.unwrap(), Some(1001));
    let mut held = within(connections.next()).await.unwrap().unwrap();
    let _next = within(connections.next()).await.unwrap().unwrap();
    assert_eq!(within(held.recv()).await.unwrap(), None);
    assert_eq!(told.recv().await.unwrap(), Some(1001));
    // Of one that was taken apart nothing is known: the application wants another.
    let mut connections = reconnect(address);
    let parts = within(connections.next())
        .await
        .unwrap()
        .unwrap()
        .into_parts();
    let _next = within(connections.next()).await.unwrap().unwrap();
    drop(parts);
}

#[tokio::test]
async fn waiting_for_the_next_can_be_given_up() {
    let address = closing(1001).await;
    let mut connections = reconnect(address);
    for _ in 0..3 {
        let ws = loop {
            match polled(1, connections.next()).await {
                Some(next) => break next.unwrap().unwrap(),
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(to_its_end(ws).await.1, Some(1001));
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_stopped_while_it_waits_and_before_it_began() {
    let mut never = Backoff::DEFAULT;
    (never.first, never.most) = (Duration::MAX, Duration::MAX);
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut connections = Client::new("ws://localhost/")
        .reconnect()
        .backoff(never)
        .before_each(|_| async { Err(io::ErrorKind::ConnectionRefused.into()) })
        .on_wait(move |_, _| tell.send(()).unwrap());
    let stop = connections.stop_handle();
    let over = tokio::spawn(async move { connections.next().await.is_none() });
    told.recv().await.unwrap();
    stop.stop();
    assert!(over.await.unwrap() && stop.is_stopped());

    let mut connections = Client::new("ws://localhost/").reconnect();
    connections.stop_handle().stop();
    assert!(connections.next().await.is_none());
}

#[tokio::test]
async fn it_can_be_stopped_while_it_connects_and_while_it_receives() {
    // For an answer.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = Client::new(url).handshake_timeout(Duration::MAX);
    let mut connections = client.reconnect();
    let stop = connections.stop_handle();
    let over = tokio::spawn(async move { connections.next().await.is_none() });
    let (mut silent, _) = within(listener.accept()).await.unwrap();
    stop.stop();
    assert!(within(over).await.unwrap());
    let _ = within(silent.read_to_end(&mut Vec::new())).await;

    // For a message: the peer is told that it is over.
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = move |_, mut ws: Own, _| {
        let tell = tell.clone();
        async move {
            ws.send("hi").await?;
            let end = ws.recv().await.map(drop);
            tell.send(ws.peer_close().map(|(code, _)| code.get()))
                .unwrap();
            end
        }
    };
    let mut connections = reconnect(serving(|_| None, handler).await);
    let stop = connections.stop_handle();
    let (say, mut said) = mpsc::unbounded_channel();
    let over = tokio::spawn(async move {
        let mut ws = connections.next().await.unwrap().unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Message::Text("hi")));
        say.send(()).unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
        drop(ws);
        connections.next().await.is_none()
    });
    within(said.recv()).await.unwrap();
    stop.stop();
    assert!(within(over).await.unwrap());
    assert_eq!(within(told.recv()).await.unwrap(), Some(1000));
}
