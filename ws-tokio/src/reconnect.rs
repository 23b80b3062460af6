//! A client that lasts: one connection after the other.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use tokio::time::{self, Sleep, sleep};
use ws_http::{Backoff, Ended, Retry, retry_after};
use ws_proto::{CloseCode, Instant};

use crate::client::Client;
use crate::error::{ConnectError, Error};
use crate::home::{Ask, Home};
use crate::socket::WebSocket;
use crate::stop::StopHandle;
use crate::transport::Transport;

/// A stream of connections, made by [`Client::reconnect`]: it yields the next one after the last
/// has ended.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_tokio::ConnectError> {
/// use futures_util::StreamExt;
/// use ws_tokio::Client;
///
/// let mut ticker = Client::new("ws://127.0.0.1:9001/ticker")
///     .reconnect()
///     .first(|mut ws| async {
///         ws.send(r#"{"subscribe": "time"}"#).await?;
///         Ok(ws)
///     })
///     .on_wait(|error, wait| eprintln!("again in {wait:?} ({error:?})"));
/// while let Some(ws) = ticker.next().await {
///     let mut ws = ws?;
///     while let Ok(Some(message)) = ws.recv().await {
///         println!("{}", message.as_text().unwrap_or("(bytes)"));
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// It continues after a failed transport, a timeout, the end of the stream, a status of 429, 500,
/// 502, 503 or 504, or a Close with 1001, 1012 or 1013. It waits as [`Backoff`] says, and longer if
/// the server asks for that (Retry-After). After anything else it ends: with the error, if there
/// was no connection.
///
/// A connection has ended when it is dropped. If one is still in use when you ask for the next, the
/// client abandons it: it is closed with 1001 at its next wait.
///
/// # Cancel safety
///
/// You may stop waiting for the next connection: an attempt continues when you wait again.
#[must_use = "streams do nothing unless they are polled"]
pub struct Reconnect {
    client: Client,
    retry: Retry,
    before: Option<Box<Before>>,
    first: Option<Box<First>>,
    on_wait: Option<Box<OnWait>>,
    stop: StopHandle,
    stopped: Later<()>,
    epoch: time::Instant,
    /// The last connection.
    last: Option<Arc<Home<Transport>>>,
    doing: Doing,
}

/// What it waits for.
enum Doing {
    /// Nothing: the application has the connection, if there is one.
    Nothing,
    Waiting(Pin<Box<Sleep>>),
    Preparing(Later<io::Result<Client>>),
    Connecting(Later<Item>),
    First(Later<Result<WebSocket<Transport>, Error>>),
    /// It is over.
    Over,
}

type Item = Result<WebSocket<Transport>, ConnectError>;
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Before = dyn FnMut(Client) -> Later<io::Result<Client>> + Send;
type First = dyn FnMut(WebSocket<Transport>) -> Later<Result<WebSocket<Transport>, Error>> + Send;
type OnWait = dyn FnMut(Option<&ConnectError>, Duration) + Send;

impl Client {
    /// Connects again and again: a stream of connections.
    pub fn reconnect(self) -> Reconnect {
        let stop = StopHandle::default();
        Reconnect {
            client: self,
            retry: Retry::default(),
            before: None,
            first: None,
            on_wait: None,
            stopped: Box::pin(stop.clone().stopped()),
            stop,
            epoch: time::Instant::now(),
            last: None,
            doing: Doing::Nothing,
        }
    }
}

impl Reconnect {
    /// Sets how long it waits. Default: [`Backoff::DEFAULT`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.retry.set_backoff(backoff);
        self
    }

    /// Sets after which failures the client reconnects. Default: [`Ended::is_worth_a_retry`].
    pub fn retry_if(mut self, judge: impl FnMut(Ended) -> bool + Send + 'static) -> Self {
        self.retry.set_judge(judge);
        self
    }

    /// Calls `before` with the client before each attempt, and connects with the client that it
    /// returns: for a fresh token. If it fails, that counts as a failed attempt that is worth
    /// another.
    ///
    /// ```no_run
    /// # async fn token() -> std::io::Result<String> { Ok(String::new()) }
    /// use ws_tokio::Client;
    ///
    /// let connections = Client::new("ws://127.0.0.1:9001/")
    ///     .reconnect()
    ///     .before_each(|client| async {
    ///         let bearer = format!("Bearer {}", token().await?);
    ///         Ok(client.header("Authorization", bearer))
    ///     });
    /// # drop(connections);
    /// ```
    pub fn before_each<B, F>(mut self, mut before: B) -> Self
    where
        B: FnMut(Client) -> F + Send + 'static,
        F: Future<Output = io::Result<Client>> + Send + 'static,
    {
        self.before = Some(Box::new(move |client| Box::pin(before(client))));
        self
    }

    /// Calls `first` with each connection before it is handed out: to send again what the server
    /// has to know, a subscription for example. If it fails, the connection has ended.
    pub fn first<B, F>(mut self, mut first: B) -> Self
    where
        B: FnMut(WebSocket<Transport>) -> F + Send + 'static,
        F: Future<Output = Result<WebSocket<Transport>, Error>> + Send + 'static,
    {
        self.first = Some(Box::new(move |ws| Box::pin(first(ws))));
        self
    }

    /// Calls `on_wait` before each wait, with its length and with the error of the last attempt; or
    /// with `None`, if a connection has ended.
    pub fn on_wait(
        mut self,
        on_wait: impl FnMut(Option<&ConnectError>, Duration) + Send + 'static,
    ) -> Self {
        self.on_wait = Some(Box::new(on_wait));
        self
    }

    /// Makes a handle that ends the client from another task, whatever it is waiting for.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// Notes how a connection or an attempt has ended. What to do now: to wait, or nothing any more.
    fn ended(&mut self, how: Ended, error: Option<&ConnectError>) -> Doing {
        let now = self.now();
        let asked = match error {
            Some(ConnectError::Refused(answer)) => retry_after(answer.headers(), SystemTime::now()),
            _ => None,
        };
        // Without entropy all clients come back at the same time.
        let random = getrandom::u64().unwrap_or(1 << 63);
        let Some(next) = self.retry.ended(how, asked, now, random) else {
            return Doing::Over;
        };
        let wait = next.saturating_duration_since(now);
        if let Some(on_wait) = &mut self.on_wait {
            on_wait(error, wait);
        }
        Doing::Waiting(Box::pin(sleep(wait)))
    }

    /// Gives up the last connection, if there is one.
    fn leave(&mut self) -> Doing {
        let Some(last) = self.last.take() else {
            // It begins at once.
            return Doing::Waiting(Box::pin(sleep(Duration::ZERO)));
        };
        // One that is open was the application's to keep: it wants another.
        let how = last.ended().unwrap_or(Ended::Io);
        last.ask(CloseCode::GOING_AWAY);
        self.ended(how, None)
    }

    /// Begins an attempt.
    fn attempt(&mut self) -> Doing {
        let client = self.client.clone();
        match &mut self.before {
            Some(before) => Doing::Preparing(before(client)),
            None => connecting(client),
        }
    }

    /// Notes that an attempt has failed. If there is not to be another, its error is the last item.
    fn failed(&mut self, error: ConnectError) -> (Doing, Option<Item>) {
        match self.ended(error.ended(), Some(&error)) {
            Doing::Over => (Doing::Over, Some(Err(error))),
            waiting => (waiting, None),
        }
    }

    /// Notes that there is a connection.
    fn opened(&mut self, ws: &mut WebSocket<Transport>) {
        let home = Arc::new(Home::watching());
        ws.wire.lend(Arc::clone(&home));
        self.stop.opened(&home);
        self.last = Some(home);
        self.retry.opened(self.now());
    }
}

fn connecting(client: Client) -> Doing {
    Doing::Connecting(Box::pin(async move { client.connect().await }))
}

impl Stream for Reconnect {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = self.get_mut();
        if matches!(own.doing, Doing::Over) || own.stopped.as_mut().poll(cx).is_ready() {
            own.doing = Doing::Over;
            return Poll::Ready(None);
        }
        loop {
            let (next, item) = match &mut own.doing {
                Doing::Nothing => (own.leave(), None),
                Doing::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    (own.attempt(), None)
                }
                Doing::Preparing(client) => match ready!(client.as_mut().poll(cx)) {
                    Ok(client) => (connecting(client), None),
                    Err(error) => own.failed(ConnectError::Hook(error)),
                },
                Doing::Connecting(ws) => match ready!(ws.as_mut().poll(cx)) {
                    Ok(mut ws) => {
                        own.opened(&mut ws);
                        match &mut own.first {
                            Some(first) => (Doing::First(first(ws)), None),
                            None => (Doing::Nothing, Some(Ok(ws))),
                        }
                    }
                    Err(error) => own.failed(error),
                },
                Doing::First(ws) => match ready!(ws.as_mut().poll(cx)) {
                    Ok(ws) => (Doing::Nothing, Some(Ok(ws))),
                    // How it has ended it has said itself.
                    Err(_) => (Doing::Nothing, None),
                },
                Doing::Over => return Poll::Ready(None),
            };
            own.doing = next;
            if item.is_some() {
                return Poll::Ready(item);
            }
        }
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("client", &self.client)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
