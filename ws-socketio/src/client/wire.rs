//! What is on its way: a GET, a POST, and a WebSocket, each once at most.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ws_tokio::ws_proto::MessageBuf;
use ws_tokio::{CloseCode, Limits, Timeouts, Transport, WebSocket};

use super::error::{ConnectError, PollingError};
use super::polling::Polling;
use super::target::Target;
use super::way::Way;

type Pending<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// The requests and the WebSocket of one session.
pub(super) struct Wire {
    target: Arc<Target>,
    polling: Polling,
    /// The longest message of the WebSocket, in bytes.
    max_message: u64,
    get: Pending<Result<Vec<u8>, PollingError>>,
    post: Pending<Result<Vec<u8>, PollingError>>,
    opening: Pending<Result<WebSocket<Transport>, ws_tokio::ConnectError>>,
    socket: Option<WebSocket<Transport>>,
    /// What the last transport that failed said.
    failure: Option<ConnectError>,
}

/// What has come.
pub(super) enum Arrival {
    /// A GET was answered.
    Got(Vec<u8>),
    /// A POST was answered.
    Posted,
    /// A GET or a POST failed.
    Failed,
    /// The WebSocket has opened.
    Opened,
    /// A message of the WebSocket.
    Message(MessageBuf),
    /// The WebSocket takes messages again.
    Room,
    /// The WebSocket has ended, or could not be opened.
    Gone,
}

/// Whether messages of the WebSocket are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    On,
    Paused,
}

impl Wire {
    pub(super) fn new(target: Arc<Target>, max_body: u64, max_message: u64) -> Self {
        Self {
            polling: Polling::new(
                Way::new(target.client(None)),
                target.headers.clone(),
                max_body,
            ),
            target,
            max_message,
            get: None,
            post: None,
            opening: None,
            socket: None,
            failure: None,
        }
    }

    /// Makes a GET.
    pub(super) fn get(&mut self, query: &str) {
        self.get = Some(match self.target.request(query) {
            Some(to) => Box::pin(self.polling.get(to)),
            None => Box::pin(async { Err(PollingError::Url) }),
        });
    }

    /// Makes a POST.
    pub(super) fn post(&mut self, query: &str, body: String) {
        self.post = Some(match self.target.request(query) {
            Some(to) => Box::pin(self.polling.post(to, body)),
            None => Box::pin(async { Err(PollingError::Url) }),
        });
    }

    /// Opens the WebSocket. Whether the server lives is the session's to find out: no pings of ours.
    pub(super) fn open(&mut self, query: &str) {
        let mut limits = Limits::DEFAULT;
        limits.max_message = self.max_message;
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = None;
        let client = self.target.client(Some(query));
        let mut client = client.limits(limits).timeouts(timeouts);
        for (name, value) in &self.target.headers {
            // They were made of text.
            let value = String::from_utf8_lossy(value.as_bytes());
            client = client.header(name.as_str(), value);
        }
        self.opening = Some(Box::pin(async move { client.connect().await }));
    }

    /// Sends a message on the WebSocket, if there still is one.
    pub(super) async fn send(&mut self, message: &MessageBuf) {
        if let Some(socket) = &mut self.socket {
            // What is wrong with the connection is said by the next read.
            let _ = socket.feed(message).await;
        }
    }

    /// Whether the WebSocket takes a message without waiting. One that is not there takes any.
    pub(super) fn has_room(&self) -> bool {
        self.socket.as_ref().is_none_or(WebSocket::has_room)
    }

    /// Closes the WebSocket, after what was sent on it.
    pub(super) fn hang_up(&mut self) {
        self.opening = None;
        if let Some(mut socket) = self.socket.take() {
            // It has its own deadline.
            tokio::spawn(async move { socket.close(CloseCode::NORMAL, "").await });
        }
    }

    /// What the last transport that failed said.
    pub(super) fn take_failure(&mut self) -> Option<ConnectError> {
        self.failure.take()
    }

    /// Polls for what comes next. It sends what waits meanwhile.
    pub(super) fn poll(&mut self, reading: Reading, cx: &mut Context<'_>) -> Poll<Arrival> {
        if let Some(get) = &mut self.get
            && let Poll::Ready(answer) = get.as_mut().poll(cx)
        {
            self.get = None;
            return Poll::Ready(match answer {
                Ok(body) => Arrival::Got(body),
                Err(error) => self.failed(error.into(), Arrival::Failed),
            });
        }
        if let Some(post) = &mut self.post
            && let Poll::Ready(answer) = post.as_mut().poll(cx)
        {
            self.post = None;
            return Poll::Ready(match answer {
                Ok(_) => Arrival::Posted,
                Err(error) => self.failed(error.into(), Arrival::Failed),
            });
        }
        if let Some(opening) = &mut self.opening
            && let Poll::Ready(opened) = opening.as_mut().poll(cx)
        {
            self.opening = None;
            return Poll::Ready(match opened {
                Ok(socket) => {
                    self.socket = Some(socket);
                    Arrival::Opened
                }
                Err(error) => self.failed(ConnectError::WebSocket(error), Arrival::Gone),
            });
        }
        self.poll_socket(reading, cx)
    }

    fn poll_socket(&mut self, reading: Reading, cx: &mut Context<'_>) -> Poll<Arrival> {
        let Some(socket) = &mut self.socket else {
            return Poll::Pending;
        };
        let was_full = !socket.has_room();
        // It has sent all that it could when this is pending.
        let error = match reading {
            Reading::On => match socket.poll_recv_owned(cx) {
                Poll::Ready(Ok(Some(message))) => return Poll::Ready(Arrival::Message(message)),
                Poll::Ready(Ok(None)) => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
                Poll::Ready(Err(error)) => error,
                Poll::Pending if was_full => match socket.poll_room(cx) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Arrival::Room),
                    Poll::Ready(Err(error)) => error,
                    Poll::Pending => return Poll::Pending,
                },
                Poll::Pending => return Poll::Pending,
            },
            Reading::Paused => match socket.poll_flush(cx) {
                Poll::Ready(Ok(())) if was_full => return Poll::Ready(Arrival::Room),
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => error,
            },
        };
        let failure = match socket.peer_close() {
            Some((code, _)) => ConnectError::Closed { code },
            None => ConnectError::Lost(error),
        };
        self.socket = None;
        Poll::Ready(self.failed(failure, Arrival::Gone))
    }

    fn failed(&mut self, failure: ConnectError, arrival: Arrival) -> Arrival {
        self.failure = Some(failure);
        arrival
    }
}
