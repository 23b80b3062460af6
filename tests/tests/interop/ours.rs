//! A server of ours.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use ws_std::{CloseCode, Error, Handle, Hosts, ProtocolError, Request, Server, WebSocket};

/// A server of ours, with the paths that the peers' clients ask for.
pub(crate) struct Ours {
    pub(crate) address: SocketAddr,
    handle: Handle,
    broken: Arc<Mutex<Vec<ProtocolError>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Ours {
    /// Starts one, set up as it is to be besides.
    pub(crate) fn start(set_up: impl FnOnce(Server) -> Server) -> Self {
        let broken = Arc::new(Mutex::new(Vec::new()));
        let seen = broken.clone();
        let server = Server::bind("127.0.0.1:0")
            .expect("loopback has a port")
            // The heads of tests name whatever host they like.
            .hosts(Hosts::any())
            .choose_subprotocol(choose)
            .websocket("/echo", echo)
            .websocket("/limit", echo)
            .websocket("/ping", |mut ws, _| {
                ws.ping(b"marco")?;
                ws.send("polo")?;
                // The Pong is read, and has to obey the rules.
                ws.for_each(|_, _| Ok::<_, Error>(()))
            })
            .websocket("/close", |mut ws, request| {
                let code = request.param("code").and_then(|code| code.parse().ok());
                let code = code
                    .and_then(CloseCode::new)
                    .expect("a code that may travel");
                ws.close(code, &request.param("reason").unwrap_or_default())
            })
            .websocket("/subprotocol", |mut ws, _| {
                let chosen = ws.subprotocol().unwrap_or_default().to_owned();
                ws.send(chosen.as_str())?;
                ws.for_each(|_, _| Ok::<_, Error>(()))
            })
            .on_error(move |_, error| match error.downcast_ref() {
                // Clients that just go away are their own business.
                Some(Error::Protocol(ProtocolError::UnexpectedEof)) => {}
                Some(Error::Protocol(error)) => seen.lock().expect("no panic").push(*error),
                _ => {}
            });
        let server = set_up(server);
        Self {
            address: server.local_addr(),
            handle: server.handle(),
            broken,
            thread: Some(thread::spawn(|| server.run())),
        }
    }

    /// Ends the server; what its clients did wrong.
    pub(crate) fn broken_rules(mut self) -> Vec<ProtocolError> {
        self.end();
        std::mem::take(&mut self.broken.lock().expect("no panic"))
    }

    fn end(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("it listened");
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.end();
    }
}

fn echo(mut ws: WebSocket, _: &Request) -> Result<(), Error> {
    ws.for_each(|message, tx| tx.send(message))
}

fn choose(request: &Request) -> Option<String> {
    let ours = ["chat.v2", "chat.v1"];
    let chosen = ours
        .into_iter()
        .find(|ours| request.subprotocols().any(|name| name == *ours));
    chosen
        .filter(|_| request.path() == "/subprotocol")
        .map(Into::into)
}
