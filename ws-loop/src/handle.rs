//! The way into a loop from other threads.
//!
//! What they post waits in a list behind a lock, which is held while one thing is added and while
//! the loop takes all of them, and never while anything is sent.

use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;
use thiserror::Error;
use ws_proto::{Close, CloseCode, Message, Prepared, SendError};

use crate::connections::Id;
use crate::post::{Letter, To};

/// Reaches a running [`EventLoop`](crate::EventLoop) from any thread: for messages that come from
/// elsewhere, such as a feed, a database or another loop. Clones reach the same loop.
///
/// A message to a connection that has ended is dropped without an error.
///
/// ```no_run
/// use std::thread;
/// use std::time::Duration;
/// use ws_loop::{Conn, EventLoop, Handler, Message, Refusal, Reply, Request, SendError, Slow};
///
/// /// Sends every second to all who listen.
/// struct Ticker;
///
/// impl Handler for Ticker {
///     type Data = ();
///
///     fn open(&mut self, _request: &Request, _reply: &mut Reply) -> Result<(), Refusal> {
///         Ok(())
///     }
///
///     fn opened(&mut self, conn: &mut Conn<'_, ()>) -> Result<(), SendError> {
///         conn.join("ticks", Slow::Skip); // who is slow misses some
///         Ok(())
///     }
///
///     fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) -> Result<(), SendError> {
///         Ok(())
///     }
/// }
///
/// let server = EventLoop::bind("127.0.0.1:9001")?.websocket("/ticks");
/// let handle = server.handle();
/// thread::spawn(move || {
///     let mut seconds = 0;
///     while handle.publish("ticks", &*format!("{seconds} s")).is_ok() {
///         thread::sleep(Duration::from_secs(1));
///         seconds += 1;
///     }
/// });
/// server.run(Ticker)
/// # ; Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
}

/// A post was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PostError {
    /// More waits already than [`EventLoop::max_posted`](crate::EventLoop::max_posted) allows.
    #[error("post queue is full (EventLoop::max_posted is {limit} bytes)")]
    Full {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The loop has ended.
    #[error("the loop has ended")]
    Ended,
    /// It cannot be sent: its reason is too long.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Handle {
    /// Sends a message to a connection.
    ///
    /// # Errors
    ///
    /// [`PostError::Full`] and [`PostError::Ended`].
    pub fn send<'m>(&self, id: Id, message: impl Into<Message<'m>>) -> Result<(), PostError> {
        self.post(To::One(id), Arc::new(Prepared::new(message)))
    }

    /// Sends a message to every connection.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn broadcast<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), PostError> {
        self.broadcast_prepared(Arc::new(Prepared::new(message)))
    }

    /// Sends to every connection a message that several loops share.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn broadcast_prepared(&self, message: Arc<Prepared>) -> Result<(), PostError> {
        self.post(To::All, message)
    }

    /// Sends a message to the members of a topic.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn publish<'m>(
        &self,
        topic: &str,
        message: impl Into<Message<'m>>,
    ) -> Result<(), PostError> {
        self.publish_prepared(topic, Arc::new(Prepared::new(message)))
    }

    /// Sends to the members of a topic a message that several loops share.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn publish_prepared(&self, topic: &str, message: Arc<Prepared>) -> Result<(), PostError> {
        self.post(To::Topic(topic.into()), message)
    }

    /// Starts the closing handshake of a connection.
    ///
    /// # Errors
    ///
    /// [`PostError::Send`] if the reason has more than 123 bytes; otherwise as [`send`](Self::send).
    pub fn close(&self, id: Id, code: CloseCode, reason: &str) -> Result<(), PostError> {
        Close::new(code, reason)?;
        self.mailbox.put(Letter::Close(id, code, reason.into()))
    }

    /// Shuts the loop down cleanly: it accepts no more connections, every connection gets a Close
    /// 1001, those that are still opening get 503, and after the [grace](crate::EventLoop::grace)
    /// period the loop drops the rest. Then [`run`](crate::EventLoop::run) returns. A second call
    /// ends it at once.
    pub fn shutdown(&self) {
        let mut inner = self.mailbox.inner();
        inner.shutdowns = inner.shutdowns.saturating_add(1);
        drop(inner);
        self.mailbox.wake();
    }

    /// Makes the loop read its clock: for a test that moves the time by hand, see
    /// [`EventLoop::clock`](crate::EventLoop::clock).
    pub fn wake(&self) {
        self.mailbox.wake();
    }

    fn post(&self, to: To, message: Arc<Prepared>) -> Result<(), PostError> {
        self.mailbox.put(Letter::Message { to, message })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// What was posted and is not taken.
pub(crate) struct Mailbox {
    waker: Waker,
    inner: Mutex<Inner>,
}

struct Inner {
    letters: Vec<Letter>,
    /// What they take, in bytes.
    size: usize,
    max: usize,
    shutdowns: u32,
    ended: bool,
}

/// What a loop finds in its mailbox besides letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) shutdowns: u32,
}

impl Mailbox {
    /// The most that may wait unless it is set, in bytes.
    pub(crate) const MAX: usize = 64 << 20;

    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            waker,
            inner: Mutex::new(Inner {
                letters: Vec::new(),
                size: 0,
                max: Self::MAX,
                shutdowns: 0,
                ended: false,
            }),
        }
    }

    pub(crate) fn handle(self: &Arc<Self>) -> Handle {
        Handle {
            mailbox: Self::clone_of(self),
        }
    }

    fn clone_of(this: &Arc<Self>) -> Arc<Self> {
        Arc::clone(this)
    }

    pub(crate) fn set_max(&self, bytes: usize) {
        self.inner().max = bytes;
    }

    fn put(&self, letter: Letter) -> Result<(), PostError> {
        let mut inner = self.inner();
        if inner.ended {
            return Err(PostError::Ended);
        }
        let size = letter.size();
        if inner.size > 0 && inner.size.saturating_add(size) > inner.max {
            return Err(PostError::Full { limit: inner.max });
        }
        inner.size += size;
        inner.letters.push(letter);
        let is_first = inner.letters.len() == 1;
        drop(inner);
        // The first post has woken the loop, and it takes all there is.
        if is_first {
            self.wake();
        }
        Ok(())
    }

    /// Takes all letters into `letters`, which is empty.
    pub(crate) fn take(&self, letters: &mut Vec<Letter>) -> Asked {
        let mut inner = self.inner();
        mem::swap(&mut inner.letters, letters);
        inner.size = 0;
        Asked {
            shutdowns: inner.shutdowns,
        }
    }

    /// Takes nothing more.
    pub(crate) fn end(&self) {
        let mut inner = self.inner();
        inner.ended = true;
        inner.letters = Vec::new();
    }

    fn wake(&self) {
        // It fails if the loop has ended.
        let _: io::Result<()> = self.waker.wake();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
