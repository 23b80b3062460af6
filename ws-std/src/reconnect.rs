//! A client that lasts: one connection after the other.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use ws_http::{Backoff, Ended, Retry, retry_after};
use ws_proto::Instant;

use crate::client::Client;
use crate::clock::Clock;
use crate::error::{ConnectError, Error};
use crate::socket::WebSocket;
use crate::stop::{Busy, StopHandle};
use crate::writer::Writer;

/// An iterator over connections, made by [`Client::reconnect`]: it yields the next one after the
/// last has ended.
///
/// ```no_run
/// use ws_std::Client;
///
/// let ticker = Client::new("ws://127.0.0.1:9001/ticker")
///     .reconnect()
///     .first(|ws| ws.send(r#"{"subscribe": "time"}"#))
///     .on_wait(|error, wait| eprintln!("again in {wait:?} ({error:?})"));
/// for ws in ticker {
///     let mut ws = ws?;
///     while let Ok(Some(message)) = ws.recv() {
///         println!("{}", message.as_text().unwrap_or("(bytes)"));
///     }
/// }
/// # Ok::<(), ws_std::ConnectError>(())
/// ```
///
/// It continues after a failed transport, a timeout, the end of the stream, a status of 429, 500,
/// 502, 503 or 504, or a Close with 1001, 1012 or 1013. It waits as [`Backoff`] says, and longer if
/// the server asks for that (Retry-After). After anything else it ends: with the error, if there
/// was no connection. If you ask for the next connection while one is open, it abandons the open
/// one.
#[must_use = "iterate over it"]
pub struct Reconnect {
    client: Client,
    retry: Retry,
    before: Option<Box<Before>>,
    first: Option<Box<First>>,
    on_wait: Option<Box<OnWait>>,
    clock: Clock,
    /// The last connection.
    last: Option<Writer>,
    /// The moment of the next attempt.
    next: Instant,
    is_over: bool,
}

type Before = dyn FnMut(Client) -> io::Result<Client> + Send;
type First = dyn FnMut(&mut WebSocket) -> Result<(), Error> + Send;
type OnWait = dyn FnMut(Option<&ConnectError>, Duration) + Send;

impl Client {
    /// Connects again whenever a connection ends: an iterator over connections.
    pub fn reconnect(mut self) -> Reconnect {
        // Of its own: another client that this is a copy of is not to end with it.
        self.stop = StopHandle::default();
        Reconnect {
            client: self,
            retry: Retry::default(),
            before: None,
            first: None,
            on_wait: None,
            clock: Clock::system(),
            last: None,
            next: Instant::default(),
            is_over: false,
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
    /// # fn token() -> std::io::Result<String> { Ok(String::new()) }
    /// use ws_std::Client;
    ///
    /// let connections = Client::new("ws://127.0.0.1:9001/")
    ///     .reconnect()
    ///     .before_each(|client| {
    ///         let bearer = format!("Bearer {}", token()?);
    ///         Ok(client.header("Authorization", bearer))
    ///     });
    /// # drop(connections);
    /// ```
    pub fn before_each(
        mut self,
        before: impl FnMut(Client) -> io::Result<Client> + Send + 'static,
    ) -> Self {
        self.before = Some(Box::new(before));
        self
    }

    /// Calls `first` with each connection before it is handed out: to send again what the server
    /// has to know, a subscription for example. If it fails, the connection has ended.
    pub fn first(
        mut self,
        first: impl FnMut(&mut WebSocket) -> Result<(), Error> + Send + 'static,
    ) -> Self {
        self.first = Some(Box::new(first));
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

    /// Makes a handle that ends the client from another thread, whatever it is waiting for.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.client.stop.clone()
    }

    /// Ends when the first connection has, or the first attempt.
    pub(crate) fn once(self) -> Self {
        self.retry_if(|_| false)
    }

    /// Makes one attempt.
    fn attempt(&mut self) -> Result<WebSocket, ConnectError> {
        let mut client = self.client.clone();
        if let Some(before) = &mut self.before {
            client = before(client).map_err(ConnectError::Hook)?;
            client.stop = self.client.stop.clone();
        }
        client.connect()
    }

    /// Notes how a connection or an attempt has ended. Returns whether there is another.
    fn ended(&mut self, how: Ended, error: Option<&ConnectError>) -> bool {
        let now = self.clock.now();
        let asked = match error {
            Some(ConnectError::Refused(answer)) => retry_after(answer.headers(), SystemTime::now()),
            _ => None,
        };
        // Without entropy all clients come back at the same time.
        let random = getrandom::u64().unwrap_or(1 << 63);
        let next = self.retry.ended(how, asked, now, random);
        match next {
            None => self.is_over = true,
            Some(next) => {
                self.next = next;
                if let Some(on_wait) = &mut self.on_wait {
                    on_wait(error, next.saturating_duration_since(now));
                }
            }
        }
        !self.is_over
    }

    /// Gives up the last connection, if there is one.
    fn leave(&mut self) {
        if let Some(last) = self.last.take() {
            self.client.stop.leave();
            // One that is open was the application's to keep: it wants another.
            let how = last.ended().unwrap_or(Ended::Io);
            drop(last);
            self.ended(how, None);
        }
    }
}

impl Iterator for Reconnect {
    type Item = Result<WebSocket, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.leave();
        while !self.is_over {
            let wait = self.next.saturating_duration_since(self.clock.now());
            self.client.stop.wait(wait).ok()?;
            let mut ws = match self.attempt() {
                Ok(ws) => ws,
                // A socket that another thread has shut says that it has ended.
                Err(_) if self.client.stop.is_stopped() => return None,
                Err(error) => match self.ended(error.ended(), Some(&error)) {
                    true => continue,
                    false => return Some(Err(error)),
                },
            };
            self.retry.opened(self.clock.now());
            let writer = ws.writer();
            self.last = Some(writer.clone());
            let thread = None;
            self.client.stop.enter(Busy::Open { writer, thread }).ok()?;
            match self.first.as_mut().map_or(Ok(()), |first| first(&mut ws)) {
                Ok(()) => return Some(Ok(ws)),
                Err(_) => self.leave(),
            }
        }
        None
    }
}

impl Drop for Reconnect {
    fn drop(&mut self) {
        self.client.stop.leave();
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("client", &self.client)
            .field("retry", &self.retry)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
