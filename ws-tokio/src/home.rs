//! Where a connection comes from and goes back to: the server that lends it to a handler.
//!
//! ```text
//!   server ── ask to close ──▶ Home ──▶ the owner of the connection, at its next wait
//!   server ◀── the wire, to end it cleanly ── Home ◀── dropped
//! ```
//!
//! A client that connects again has homes, too, to which only the news of an end comes.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use ws_http::Ended;
use ws_proto::CloseCode;

use crate::wire::Wire;

/// What a server and the holder of one of its connections say to each other.
pub(crate) struct Home<S: AsyncRead + AsyncWrite + Unpin>(Mutex<Talk<S>>);

struct Talk<S: AsyncRead + AsyncWrite + Unpin> {
    /// The code to close with.
    asked: Option<CloseCode>,
    /// The task that holds the connection, or waits for it.
    waits: Option<Waker>,
    back: Back<S>,
}

/// A connection that can be asked to close, whatever it is over.
pub(crate) trait Ask: Send + Sync {
    /// Asks the owner of the connection to close it. Only the first code counts.
    fn ask(&self, code: CloseCode);
}

enum Back<S: AsyncRead + AsyncWrite + Unpin> {
    /// Somebody has it, and it is to come back.
    Out,
    /// A task owns it, and only the way in which it ends has to be noted.
    Watched,
    /// It has ended like this; `None`: it was open when it was dropped.
    Ended(Option<Ended>),
    /// In a box: while it is out, nothing of it is here.
    Here(Box<Wire<S>>),
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Home<S> {
    pub(crate) const fn new() -> Self {
        Self::with(Back::Out)
    }

    /// One to which the connection does not come back.
    pub(crate) const fn watching() -> Self {
        Self::with(Back::Watched)
    }

    const fn with(back: Back<S>) -> Self {
        Self(Mutex::new(Talk {
            asked: None,
            waits: None,
            back,
        }))
    }

    /// The code that the holder is asked to close with; it is woken when it is.
    pub(crate) fn asked(&self, waker: &Waker) -> Option<CloseCode> {
        let mut talk = self.talk();
        if talk.asked.is_none()
            && !talk
                .waits
                .as_ref()
                .is_some_and(|known| known.will_wake(waker))
        {
            talk.waits = Some(waker.clone());
        }
        talk.asked
    }

    /// Takes the connection back from its holder.
    pub(crate) fn take_back(&self, wire: Wire<S>) {
        let is_watched = matches!(self.talk().back, Back::Watched);
        match is_watched {
            // It is dropped, and takes its leave.
            true => self.no_longer_out(Back::Ended(wire.ended())),
            false => self.no_longer_out(Back::Here(Box::new(wire))),
        }
    }

    /// How the connection has ended that was watched, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        match self.talk().back {
            Back::Ended(how) => how,
            _ => None,
        }
    }

    /// Learns that its holder has made something else of the connection.
    pub(crate) fn lose(&self) {
        self.no_longer_out(Back::Gone);
    }

    fn no_longer_out(&self, back: Back<S>) {
        self.tell(|talk| talk.back = back);
    }

    /// Changes what is said, and wakes who waits for that.
    fn tell(&self, change: impl FnOnce(&mut Talk<S>)) {
        let mut talk = self.talk();
        change(&mut talk);
        let waits = talk.waits.take();
        drop(talk);
        if let Some(waits) = waits {
            waits.wake();
        }
    }

    /// Waits until the connection is back.
    pub(crate) async fn returned(&self) -> Option<Box<Wire<S>>> {
        poll_fn(|cx| {
            let mut talk = self.talk();
            match std::mem::replace(&mut talk.back, Back::Gone) {
                Back::Here(wire) => Poll::Ready(Some(wire)),
                Back::Gone | Back::Ended(_) => Poll::Ready(None),
                out @ (Back::Out | Back::Watched) => {
                    talk.back = out;
                    talk.waits = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn talk(&self) -> MutexGuard<'_, Talk<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Ask for Home<S> {
    fn ask(&self, code: CloseCode) {
        self.tell(|talk| _ = talk.asked.get_or_insert(code));
    }
}
