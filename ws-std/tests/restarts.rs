//! A server that is gone and back a hundred times, under a client that connects again: nothing that
//! was acknowledged is lost, and nothing is left behind. Alone in its process: it counts threads and
//! descriptors.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Running, within};
use ws_std::{Backoff, Client, Hosts, Server};

mod common;

const RESTARTS: usize = 100;

/// The numbers that a server was sent, in their order.
type Received = Arc<Mutex<Vec<usize>>>;

/// Acknowledges every number, once it has it.
fn serve(address: &str, received: &Received) -> Running {
    let received = received.clone();
    // A shutdown without grace is as near to a crash as a server in this process comes.
    let server = Server::bind(address).unwrap().grace(Duration::ZERO);
    let server = server.hosts(Hosts::any()).websocket("/", move |mut ws, _| {
        ws.for_each(|message, tx| {
            let number = message.as_text().unwrap().parse().unwrap();
            received.lock().unwrap().push(number);
            tx.send(message)
        })
    });
    common::run(server)
}

#[test]
fn a_hundred_restarts_lose_nothing_that_was_acknowledged() {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let before = (count("fd"), count("task"));
    let received = Received::default();
    let mut server = serve("127.0.0.1:0", &received);
    let address = server.addr.to_string();
    let mut eager = Backoff::DEFAULT;
    eager.most = Duration::from_millis(5);
    let connections = Client::new(format!("ws://{address}/")).reconnect();
    let connections = connections
        .backoff(eager)
        // What is closed in good order is to be served again, too.
        .retry_if(|_| true);
    let stop = connections.stop_handle();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let noted = acknowledged.clone();
    let client = thread::spawn(move || {
        let mut next = 0;
        for ws in connections {
            let mut ws = ws.unwrap();
            // The last one again, if nobody has said that it arrived.
            while ws.send(&*next.to_string()).is_ok() {
                let Ok(Some(answer)) = ws.recv() else { break };
                assert_eq!(answer.as_text(), Some(&*next.to_string()));
                noted.lock().unwrap().push(next);
                next += 1;
            }
        }
    });
    for _ in 0..RESTARTS {
        let seen = acknowledged.lock().unwrap().len();
        common::until("more of them", || acknowledged.lock().unwrap().len() > seen);
        drop(server);
        server = serve(&address, &received);
    }
    let seen = acknowledged.lock().unwrap().len();
    common::until("more of them", || acknowledged.lock().unwrap().len() > seen);
    stop.stop();
    within(move || client.join().unwrap());
    drop(server);
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > RESTARTS);
    // In order, each once; what was sent again may have arrived twice.
    let mut all = received.lock().unwrap().clone();
    all.dedup();
    assert!(all.starts_with(&acknowledged));
    common::until("everything to end", || {
        (count("fd"), count("task")) == before
    });
}
