//! A client of callbacks.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;

use thiserror::Error;
use ws_http::Backoff;
use ws_proto::{CloseCode, Message, SendError};

use crate::client::Client;
use crate::error::{ConnectError, Error};
use crate::reconnect::Reconnect;
use crate::socket::WebSocket;
use crate::stop::{Busy, StopHandle};
use crate::sync::lock;
use crate::writer::Writer;

/// A client that calls the application when something happens, as Python's `WebSocketApp` does.
///
/// ```no_run
/// use ws_std::{App, Error};
///
/// App::new("ws://127.0.0.1:9001/echo")
///     .on_open(|app| app.send("hello"))
///     .on_message(|app, message| {
///         println!("{}", message.as_text().unwrap_or("(bytes)"));
///         app.stop();
///         Ok::<_, Error>(())
///     })
///     .on_error(|_, error| eprintln!("{error}"))
///     .on_close(|_, close| println!("closed: {close:?}"))
///     .run()?;
/// # Ok::<(), ws_std::AppError>(())
/// ```
///
/// The thread that [runs](Self::run) the app calls the callbacks, one at a time, with a handle that
/// sends and stops. If one fails, the client calls [`on_error`](Self::on_error) and continues.
/// Meanwhile it pings the server, as its [timeouts](Client::timeouts) say.
///
/// With [`reconnect`](Self::reconnect) it runs until it is stopped. For more settings, make one
/// from a [`Client`], or from [`Client::reconnect`]:
///
/// ```no_run
/// use ws_std::{App, Client};
///
/// let client = Client::new("ws://127.0.0.1:9001/").header("Authorization", "Bearer …");
/// let app = App::from(client.reconnect().on_wait(|_, wait| println!("again in {wait:?}")));
/// let handle = app.handle();
/// std::thread::spawn(move || app.run());
/// // … from any thread:
/// handle.send("hello")?;
/// handle.stop();
/// # Ok::<(), ws_std::Error>(())
/// ```
#[must_use = "call `run`"]
pub struct App {
    connections: Reconnect,
    handle: AppHandle,
    on_open: Box<OnOpen>,
    on_message: Box<OnMessage>,
    on_error: Box<OnError>,
    on_close: Box<OnClose>,
}

/// The errors that a callback may return.
type Failure = Box<dyn StdError + Send + Sync>;
type OnOpen = dyn FnMut(&AppHandle) -> Result<(), Failure> + Send;
type OnMessage = dyn FnMut(&AppHandle, Message<'_>) -> Result<(), Failure> + Send;
type OnError = dyn FnMut(&AppHandle, &AppError) + Send;
type OnClose = dyn FnMut(&AppHandle, Option<(CloseCode, String)>) + Send;

/// The reasons why an [`App`] failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppError {
    /// The client could not connect.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A connection was lost.
    #[error(transparent)]
    Lost(#[from] Error),
    /// A callback failed.
    #[error(transparent)]
    Callback(Failure),
}

/// Sends and stops from any thread: see [`App::handle`].
#[derive(Clone, Debug)]
pub struct AppHandle {
    stop: StopHandle,
    /// The connection that is open.
    open: Arc<Mutex<Option<Writer>>>,
}

impl App {
    /// Makes an app that connects to a URL, once.
    pub fn new(url: impl Into<String>) -> Self {
        Client::new(url).into()
    }

    /// Reconnects when a connection is lost or an attempt fails: [`Reconnect`] says after which
    /// failures.
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        let connections = self.connections.retry_if(ws_http::Ended::is_worth_a_retry);
        self.connections = connections.backoff(backoff);
        self
    }

    /// Calls `on_open` when a connection is open.
    pub fn on_open<E: Into<Failure>>(
        mut self,
        mut on_open: impl FnMut(&AppHandle) -> Result<(), E> + Send + 'static,
    ) -> Self {
        self.on_open = Box::new(move |app| on_open(app).map_err(Into::into));
        self
    }

    /// Calls `on_message` with each message.
    pub fn on_message<E: Into<Failure>>(
        mut self,
        mut on_message: impl FnMut(&AppHandle, Message<'_>) -> Result<(), E> + Send + 'static,
    ) -> Self {
        self.on_message =
            Box::new(move |app, message| on_message(app, message).map_err(Into::into));
        self
    }

    /// Calls `on_error` with each failure: of a callback, of an open connection, of the last
    /// attempt to connect.
    pub fn on_error(
        mut self,
        on_error: impl FnMut(&AppHandle, &AppError) + Send + 'static,
    ) -> Self {
        self.on_error = Box::new(on_error);
        self
    }

    /// Calls `on_close` when a connection has ended, with the code and reason of the server's Close
    /// if there was one.
    pub fn on_close(
        mut self,
        on_close: impl FnMut(&AppHandle, Option<(CloseCode, String)>) + Send + 'static,
    ) -> Self {
        self.on_close = Box::new(on_close);
        self
    }

    /// Makes a handle for other threads. Callbacks get one, too.
    #[must_use]
    pub fn handle(&self) -> AppHandle {
        self.handle.clone()
    }

    /// Connects, and calls the callbacks until the application stops the app or the server closes
    /// the connection; with [`reconnect`](Self::reconnect), until the application stops it or
    /// another attempt is pointless.
    ///
    /// # Errors
    ///
    /// The error that ended it, which `on_error` has also received. After [`AppHandle::stop`] there
    /// is no error.
    pub fn run(mut self) -> Result<(), AppError> {
        let mut last = Ok(());
        while let Some(connected) = self.connections.next() {
            last = match connected {
                Ok(mut ws) => self.serve(&mut ws),
                Err(error) => Err(error.into()),
            };
            match &last {
                Err(_) if self.handle.stop.is_stopped() => break,
                Err(error) => (self.on_error)(&self.handle, error),
                Ok(()) => {}
            }
        }
        match self.handle.stop.is_stopped() {
            true => Ok(()),
            false => last,
        }
    }

    /// Serves one connection, to its end.
    fn serve(&mut self, ws: &mut WebSocket) -> Result<(), AppError> {
        let busy = Busy::Open {
            writer: ws.writer(),
            thread: Some(thread::current().id()),
        };
        *lock(&self.handle.open) = Some(ws.writer());
        let ended = match self.handle.stop.enter(busy) {
            Ok(()) => self.receive(ws),
            Err(_) => Ok(()),
        };
        *lock(&self.handle.open) = None;
        self.handle.stop.leave();
        (self.on_close)(&self.handle, ws.peer_close());
        Ok(ended?)
    }

    fn receive(&mut self, ws: &mut WebSocket) -> Result<(), Error> {
        let mut called = (self.on_open)(&self.handle);
        loop {
            if let Err(error) = called {
                (self.on_error)(&self.handle, &AppError::Callback(error));
            }
            // A callback has stopped it: what still comes is nobody's.
            if self.handle.stop.is_stopped() {
                while ws.recv()?.is_some() {}
                return Ok(());
            }
            let Some(message) = ws.recv()? else {
                return Ok(());
            };
            called = (self.on_message)(&self.handle, message);
        }
    }
}

impl AppHandle {
    /// Sends a message on the connection that is open, waiting until the transport has taken it.
    ///
    /// # Errors
    ///
    /// As [`Writer::send`]; [`SendError::Closed`] while there is no connection.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.writer()?.send(message)
    }

    /// Makes a [`Writer`] for the open connection.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] while there is none.
    pub fn writer(&self) -> Result<Writer, Error> {
        let open = lock(&self.open).clone();
        open.ok_or_else(|| SendError::Closed.into())
    }

    /// Ends the client within 100 ms, whatever it is waiting for: see [`StopHandle::stop`].
    /// Messages sent before this leave before the Close.
    pub fn stop(&self) {
        self.stop.stop();
    }
}

impl From<Client> for App {
    fn from(client: Client) -> Self {
        client.reconnect().once().into()
    }
}

impl From<Reconnect> for App {
    fn from(connections: Reconnect) -> Self {
        Self {
            handle: AppHandle {
                stop: connections.stop_handle(),
                open: Arc::default(),
            },
            connections,
            on_open: Box::new(|_| Ok(())),
            on_message: Box::new(|_, _| Ok(())),
            on_error: Box::new(|_, _| {}),
            on_close: Box::new(|_, _| {}),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
