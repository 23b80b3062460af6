//! `--tcp-listen`: each TCP connection that comes is carried by a WebSocket of its own.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use ws_std::{Client, CloseCode, Writer};

use super::{Args, lock};
use crate::args::plain;
use crate::bridge::carry;
use crate::fail;
use crate::log::Lines;
use crate::reach::no_connection;
use crate::signals::on_signal;
use crate::text::Escaped;

/// The connections that there are.
#[derive(Debug, Default)]
struct Carried {
    writers: Mutex<Vec<Option<Writer>>>,
    changed: Condvar,
}

pub(super) fn run(args: &Args, address: &str) -> ExitCode {
    let client = match args.reach.client(&args.url) {
        Ok(client) => client,
        Err(why) => return fail(2, why),
    };
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            let (address, why) = (Escaped(address), plain(&error));
            return fail(2, format_args!("cannot listen on {address}: {why}"));
        }
    };
    let carried = Arc::new(Carried::default());
    let signalled = carried.clone();
    // The first signal closes; the next does not wait for the answers.
    let handled = on_signal(move |signal| match signalled.close_all() {
        true => {
            let carried = signalled.clone();
            thread::spawn(move || {
                carried.wait();
                std::process::exit(0);
            });
        }
        false => std::process::exit(128 + signal),
    });
    if let Err(error) = handled {
        return fail(2, format_args!("cannot handle signals: {}", plain(&error)));
    }
    if let Ok(address) = listener.local_addr() {
        let mut stdout = io::stdout();
        let _ = writeln!(stdout, "listening on {address}");
        let _ = stdout.flush();
    }
    for tcp in listener.incoming() {
        match tcp {
            Ok(tcp) => {
                let (client, url, carried) = (client.clone(), args.url.clone(), carried.clone());
                let thread = thread::Builder::new().name("ws-tunnel".into());
                // Without a thread for it, it is closed.
                let _ = thread.spawn(move || carried.carry(&client, &url, tcp));
            }
            Err(error) => return fail(1, format_args!("the listener failed: {}", plain(&error))),
        }
    }
    ExitCode::SUCCESS
}

impl Carried {
    fn carry(&self, client: &Client, url: &str, tcp: TcpStream) {
        let ws = match client.connect() {
            Ok(ws) => ws,
            Err(error) => {
                return Lines::standard().add(format!("ws: {}", no_connection(url, &error)));
            }
        };
        let at = {
            let mut writers = lock(&self.writers);
            let free = writers.iter().position(Option::is_none);
            let at = free.unwrap_or(writers.len());
            match free {
                Some(at) => writers[at] = Some(ws.writer()),
                None => writers.push(Some(ws.writer())),
            }
            at
        };
        if let Err(error) = carry(ws, tcp, || {}) {
            Lines::standard().add(format!("ws: {}", Escaped(&error.to_string())));
        }
        lock(&self.writers)[at] = None;
        self.changed.notify_all();
    }

    /// Closes all connections. Returns whether one was not closed yet, or there was none.
    fn close_all(&self) -> bool {
        let writers = lock(&self.writers);
        let mut open = writers.iter().flatten().peekable();
        let is_idle = open.peek().is_none();
        let closed = open.filter(|writer| writer.close(CloseCode::GOING_AWAY, "").is_ok());
        closed.count() > 0 || is_idle
    }

    /// Waits until all have ended: each does so within the time for closing.
    fn wait(&self) {
        let writers = lock(&self.writers);
        let any = |writers: &mut Vec<Option<Writer>>| writers.iter().any(Option::is_some);
        let waited = self.changed.wait_while(writers, any);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
