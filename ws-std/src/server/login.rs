//! Logins by message: a client identifies itself after the handshake, and not in the request.

use std::time::{Duration, Instant};

use ws_proto::{CloseCode, Message};

use crate::error::Error;
use crate::reader::Next;
use crate::socket::WebSocket;

/// Waits for the client to log in with a message: a token, or a name and a password. For browsers,
/// which cannot send headers with a WebSocket; and URLs end up in logs.
///
/// ```no_run
/// use std::time::Duration;
/// use ws_std::{Login, Server};
///
/// Server::bind("127.0.0.1:9001")?
///     .websocket("/", |mut ws, _request| {
///         let user = Login::within(Duration::from_secs(5)).wait(&mut ws, |message| {
///             let name = message.as_text()?.strip_prefix("open sesame, says ")?;
///             Some(name.to_owned())
///         })?;
///         let Some(user) = user else { return Ok(()) }; // closed with 1008
///         ws.send(&*format!("hello {user}"))
///     })
///     .run()
/// # ; Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Login {
    within: Duration,
    tries: u32,
    wrong: Option<&'static str>,
}

impl Login {
    /// Makes a login of one message, with this deadline, whatever else arrives before it.
    pub const fn within(time: Duration) -> Self {
        Self {
            within: time,
            tries: 1,
            wrong: None,
        }
    }

    /// Lets the client try `tries` times, and sends it `wrong` after each failed one but the last.
    pub const fn tries(mut self, tries: u32, wrong: &'static str) -> Self {
        (self.tries, self.wrong) = (tries, Some(wrong));
        self
    }

    /// Gives each message to `check`, until it returns a value, such as the user. `None` if the
    /// server closed with 1008, because the client did not log in within that time and number of
    /// tries, or if the client has closed.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`] and [`WebSocket::send`].
    pub fn wait<T>(
        self,
        ws: &mut WebSocket,
        mut check: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        // One too long to be added never ends.
        let deadline = Instant::now().checked_add(self.within);
        for left in (0..self.tries).rev() {
            let time = deadline.map_or(self.within, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            match ws.recv_timeout(time)? {
                Next::Message(message) => {
                    if let Some(who) = check(message) {
                        return Ok(Some(who));
                    }
                }
                Next::Closed => return Ok(None),
                Next::Elapsed => break,
            }
            if let Some(wrong) = self.wrong.filter(|_| left > 0) {
                ws.send(wrong)?;
            }
        }
        ws.close(CloseCode::POLICY, "not logged in")?;
        Ok(None)
    }
}
