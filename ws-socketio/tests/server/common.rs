//! A server in memory, and clients that say what tests tell them to: requests, and a WebSocket. Time
//! is moved by hand where a test pauses it.
#![allow(dead_code, reason = "each test uses some of it")]

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use ws_socketio::Service;
use ws_tokio::{Client, ConnectError, Message, MessageBuf, WebSocket};

/// The path and the query that every request has.
pub(crate) const BASE: &str = "/socket.io/?EIO=4";

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server that listens nowhere.
#[derive(Clone)]
pub(crate) struct Net(pub(crate) Service);

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Its status and body.
    pub(crate) fn is(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

impl Net {
    /// A connection to the server.
    fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let service = self.0.clone();
        tokio::spawn(async move {
            let http = http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(theirs), service);
            drop(connection.with_upgrades().await);
        });
        ours
    }

    /// Sends a request on a connection of its own, which is closed if this is dropped.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = TokioIo::new(self.connect());
        let (mut sender, connection) = client::handshake(stream).await.expect("it connects");
        let driving = tokio::spawn(connection);
        let guard = Aborted(driving.abort_handle());
        let answer: Response<Incoming> = sender.send_request(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        drop(guard);
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.into()).expect("text"),
        }
    }

    pub(crate) async fn get(&self, query: &str) -> Answer {
        let request = Request::get(format!("{BASE}{query}")).header("host", "a");
        self.send(request.body(Full::<Bytes>::default()).expect("a request"))
            .await
    }

    pub(crate) async fn post(&self, query: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::post(format!("{BASE}{query}")).header("host", "a");
        self.send(request.body(Full::new(body.into())).expect("a request"))
            .await
    }

    /// Begins a POST whose body comes in pieces, if it does.
    pub(crate) async fn post_slowly(&self, query: &str, pieces: mpsc::Receiver<Bytes>) -> Answer {
        let request = Request::post(format!("{BASE}{query}")).header("host", "a");
        let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
            let piece = pieces.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
        });
        self.send(
            request
                .body(StreamBody::new(Box::pin(pieces)))
                .expect("a request"),
        )
        .await
    }

    /// A session by polling.
    pub(crate) async fn poll(&self) -> Polling {
        let answer = self.get("&transport=polling").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let sid = answer.body.split('"').nth(3).expect("an id").to_owned();
        Polling {
            net: self.clone(),
            query: format!("&transport=polling&sid={sid}"),
            sid,
        }
    }

    /// A session by WebSocket, opened.
    pub(crate) async fn open(&self) -> Ws {
        let mut ws = self.websocket("").await.expect("a WebSocket");
        assert!(ws.next().await.starts_with("0{"));
        ws
    }

    /// A WebSocket, for a new session or for one that is.
    pub(crate) async fn websocket(&self, query: &str) -> Result<Ws, ConnectError> {
        let url = format!("ws://a{BASE}&transport=websocket{query}");
        Ok(Ws(Client::new(url).connect_over(self.connect()).await?))
    }

    /// A client in `/`, by WebSocket; and its id.
    pub(crate) async fn join(&self) -> (Ws, String) {
        let mut ws = self.open().await;
        ws.say("40").await;
        let joined = ws.next().await;
        let id = joined.strip_prefix("40{\"sid\":\"").expect("it is let in");
        let id = id.trim_end_matches("\"}").to_owned();
        (ws, id)
    }
}

struct Aborted(tokio::task::AbortHandle);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session by polling.
#[derive(Clone)]
pub(crate) struct Polling {
    pub(crate) net: Net,
    pub(crate) sid: String,
    pub(crate) query: String,
}

impl Polling {
    pub(crate) async fn get(&self) -> Answer {
        self.net.get(&self.query).await
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Answer {
        self.net.post(&self.query, body).await
    }

    pub(crate) async fn upgrade(&self) -> Result<Ws, ConnectError> {
        self.net.websocket(&format!("&sid={}", self.sid)).await
    }
}

/// A WebSocket of a client.
pub(crate) struct Ws(pub(crate) WebSocket<DuplexStream>);

impl Ws {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(text).await.expect("it is open");
    }

    /// The next message: text as it is, bytes in brackets, a Close as its code.
    pub(crate) async fn next(&mut self) -> String {
        let received = tokio::time::timeout(PATIENCE, self.0.recv_owned());
        match received.await.expect("something in the end") {
            Ok(Some(message)) => match Message::from(&message) {
                Message::Text(text) => text.to_owned(),
                Message::Binary(bytes) => format!("{bytes:?}"),
            },
            Ok(None) => match self.0.peer_close() {
                Some((code, _)) => format!("closed {}", u16::from(code)),
                None => "closed".into(),
            },
            Err(error) => format!("{error}"),
        }
    }

    /// What comes up to the answer to a question that is asked now: nothing else is on its way then.
    pub(crate) async fn rest(&mut self) -> Vec<String> {
        self.say(r#"429["nothing"]"#).await;
        let mut rest = Vec::new();
        loop {
            let next = self.next().await;
            if next == "439[]" {
                return rest;
            }
            rest.push(next);
        }
    }
}

/// What a request that is not one of the session's is refused with.
pub(crate) const UNKNOWN: (u16, &str) = (400, r#"{"code":1,"message":"Session ID unknown"}"#);

pub(crate) const OK: (u16, &str) = (StatusCode::OK.as_u16(), "ok");

pub(crate) fn owned(message: &str) -> MessageBuf {
    Message::Text(message).into()
}

/// A stream that counts how often it is written to.
pub(crate) struct Counted(pub(crate) DuplexStream, pub(crate) Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
