//! The server itself: how many it serves, how it ends, and what it survives.

use crate::common;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, ask, echo, get, run, server, until, upgrade, within};
use ws_std::{Client, CloseCode, ConnectError, Error, Message, Response, Server};
use ws_testkit::TEXT;

#[test]
fn one_connection_too_many_gets_503_and_a_place_later() {
    let server = run(echo().max_connections(2));
    let mut first = server.connect();
    let second = server.connect();
    for _ in 0..3 {
        let error = ws_std::connect(server.url("/")).unwrap_err();
        let ConnectError::Refused(answer) = error else {
            panic!("{error}");
        };
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
    }
    // The others did not notice.
    first.send("hello").unwrap();
    assert_eq!(first.recv().unwrap(), Some(Message::Text("hello")));
    drop(second);
    until("a free place", || ws_std::connect(server.url("/")).is_ok());
}

/// No system has an address space that is all one stack.
#[test]
fn a_thread_that_cannot_be_had_is_503() {
    let server = run(echo().stack_size(isize::MAX.cast_unsigned() & !0xFFFF));
    for _ in 0..3 {
        let error = ws_std::connect(server.url("/")).unwrap_err();
        assert!(matches!(&error, ConnectError::Refused(answer) if answer.status() == 503));
    }
}

#[test]
fn a_panic_concerns_its_own_connection_only() {
    let server = run(server()
        .get("/page", |_| -> Response { panic!("as the test wants") })
        .websocket("/", |mut ws, _| {
            ws.for_each(|message, tx| match message.as_text() {
                Some("panic") => panic!("as the test wants"),
                _ => tx.send(message),
            })
        })
        .websocket("/report", |_, _| Err("reported"))
        .on_error(|_, _| panic!("as the test wants")));
    let mut bystander = server.connect();
    let mut ws = server.connect();
    ws.send("panic").unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::INTERNAL);
    assert_eq!(ask(server.addr, get("/page")).0, 500);
    let mut ws = ws_std::connect(server.url("/report")).unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::INTERNAL);
    bystander.send("still here").unwrap();
    assert_eq!(bystander.recv().unwrap(), Some(Message::Text("still here")));
    server.connect();
}

#[test]
fn connections_that_are_reset_disturb_nobody() {
    let server = run(echo().max_connections(64));
    let reset = |write: &[u8]| {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.write_all(write).unwrap();
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    };
    let open = upgrade("/", "");
    let talking = [open.as_bytes(), &common::frame(TEXT, b"hello", true)].concat();
    for _ in 0..100 {
        reset(b"");
        reset(b"GET / HT");
        reset(open.as_bytes());
        reset(&talking);
    }
    until("service", || {
        let client = Client::new(server.url("/")).handshake_timeout(PATIENCE);
        let Ok(mut ws) = client.connect() else {
            return false; // 503, while the others' threads end
        };
        ws.send("hello").unwrap();
        ws.recv().unwrap() == Some(Message::Text("hello"))
    });
}

#[test]
fn a_shutdown_ends_everything_in_good_order() {
    let idle_and_busy = 10;
    let (started, starts) = mpsc::channel();
    let server = run(server()
        .handshake_timeout(PATIENCE)
        .websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)))
        .websocket("/busy", move |mut ws, _| {
            started.send(()).unwrap();
            // Until the Close is on its way.
            while ws.send("busy").is_ok() {}
            Ok::<_, Error>(())
        }));
    let mut idle: Vec<_> = (0..idle_and_busy).map(|_| server.connect()).collect();
    for ws in &mut idle {
        ws.send("hello").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
    }
    let busy: Vec<_> = (0..idle_and_busy)
        .map(|_| {
            let mut ws = ws_std::connect(server.url("/busy")).unwrap();
            starts.recv().unwrap();
            thread::spawn(move || {
                while let Some(message) = ws.recv().unwrap() {
                    assert_eq!(message, Message::Text("busy"));
                }
                ws.peer_close().unwrap().0
            })
        })
        .collect();
    // One that has said nothing, one in the middle of its request.
    let mut opening = [Raw::connect(server.addr), Raw::connect(server.addr)];
    opening[1].write("GET / HTTP/1.1\r\nHost: h\r\n");
    // Both are accepted when one behind them is.
    server.connect();

    server.handle.shutdown();
    for ws in &mut idle {
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::GOING_AWAY);
    }
    for thread in busy {
        assert_eq!(
            within(move || thread.join().unwrap()),
            CloseCode::GOING_AWAY
        );
    }
    for raw in &mut opening {
        assert_eq!(common::answer(raw).0, 503);
    }
    drop((idle, opening));
    let addr = server.addr;
    server.ended().unwrap();
    TcpStream::connect(addr).unwrap_err();
}

#[test]
fn a_shutdown_before_the_start_is_one() {
    let server = server();
    let handle = server.handle();
    handle.shutdown();
    within(move || server.run()).unwrap();
    handle.shutdown(); // and after the end it is nothing
}

#[test]
fn after_a_shutdown_nobody_waits_in_vain() {
    // A handler takes its time, and the grace is long: whoever comes now is refused at once.
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = run(server().grace(PATIENCE * 10).websocket("/", move |_, _| {
        let _ = wait.lock().unwrap().recv();
        Ok::<_, Error>(())
    }));
    let mut raw = Raw::open(server.addr);
    server.handle.shutdown();
    assert_eq!(raw.next_close().0, 1001);
    until("a refusal", || match TcpStream::connect(server.addr) {
        Err(_) => true,
        Ok(mut stream) => {
            // Accepted before the listener was closed: reset by now, or soon.
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            matches!(stream.read(&mut [0]), Ok(0) | Err(_))
                && TcpStream::connect(server.addr).is_err()
        }
    });
    drop((go, raw));
    server.ended().unwrap();
}

#[test]
fn a_second_shutdown_ends_at_once() {
    // One handler is stuck in a read, one in a write, one in itself; the peers answer nothing.
    let (never, stuck) = mpsc::channel::<()>();
    let stuck = Mutex::new(stuck);
    let (woke, wakes) = mpsc::channel();
    let started = Arc::new(Barrier::new(4));
    let [reads, writes, itself] = [started.clone(), started.clone(), started.clone()];
    let woken = woke.clone();
    let server = run(server()
        .grace(PATIENCE * 10)
        .timeouts(common::timeouts(None, 600_000, 600_000))
        .websocket("/reads", move |mut ws, _| {
            reads.wait();
            let end = ws.recv_owned();
            woke.send(()).unwrap();
            end.map(drop)
        })
        .websocket("/writes", move |mut ws, _| {
            writes.wait();
            while ws.send(&[0; 1 << 20]).is_ok() {}
            woken.send(()).unwrap();
            Ok::<_, Error>(())
        })
        .websocket("/itself", move |_, _| {
            itself.wait();
            let _ = stuck.lock().unwrap().recv();
            Ok::<_, Error>(())
        }));
    let peers = ["/reads", "/writes", "/itself"].map(|path| {
        let mut raw = Raw::connect(server.addr);
        raw.write(upgrade(path, ""));
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        raw
    });
    started.wait();
    server.handle.shutdown();
    server.handle.shutdown();
    for _ in 0..2 {
        wakes.recv_timeout(PATIENCE).unwrap();
    }
    server.ended().unwrap();
    drop((peers, never));
}

#[test]
fn a_shutdown_does_not_wait_for_those_who_were_refused() {
    let (seen, hears) = mpsc::channel();
    let server = run(echo().max_connections(1).grace(Duration::ZERO));
    let ws = server.connect();
    // Each may have two seconds for its 503; there are dozens, and none goes.
    let mut refused: Vec<_> = (0..60).map(|_| Raw::connect(server.addr)).collect();
    assert_eq!(common::answer(&mut refused[0]).0, 503);
    let handle = server.handle.clone();
    thread::spawn(move || {
        handle.shutdown();
        seen.send(server.ended()).unwrap();
    });
    hears.recv_timeout(PATIENCE).unwrap().unwrap();
    drop((ws, refused));
}

#[test]
fn the_grace_is_waited_for_and_then_no_longer() {
    let (never, stuck) = mpsc::channel::<()>();
    let stuck = Mutex::new(stuck);
    let ends = Arc::new(AtomicUsize::new(0));
    let ended = ends.clone();
    let server = run(server()
        .grace(Duration::from_millis(50))
        .websocket("/", move |mut ws, _| {
            while let Ok(Some(_)) = ws.recv() {}
            ended.fetch_add(1, Ordering::SeqCst);
            let _ = stuck.lock().unwrap().recv();
            Ok::<_, Error>(())
        }));
    let raw = Raw::open(server.addr); // which does not answer the Close
    server.handle.shutdown();
    server.ended().unwrap();
    until("the reader to wake", || ends.load(Ordering::SeqCst) == 1);
    drop((raw, never));
}

#[test]
fn a_grace_too_long_to_add_has_no_end() {
    let server = run(echo().grace(Duration::MAX));
    let mut ws = server.connect();
    server.handle.shutdown();
    assert_eq!(ws.recv().unwrap(), None);
    server.ended().unwrap();
}

#[test]
fn a_port_that_is_taken_and_one_that_was() {
    let server = server();
    let addr = server.local_addr();
    assert_ne!(addr.port(), 0);
    let Err(error) = Server::bind(addr) else {
        panic!("bound twice");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    // With a connection of it in TIME_WAIT.
    let running = run(server.get("/", |_| Response::text("hi")));
    assert_eq!(ask(addr, get("/")).0, 200);
    running.handle.shutdown();
    running.ended().unwrap();
    drop(Server::bind(addr).unwrap());
}

#[test]
fn a_small_stack_does() {
    let server = run(echo().stack_size(64 << 10));
    let mut ws = server.connect();
    let big = vec![7; 1 << 20];
    ws.send(&big).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Binary(&big)));
}

fn echoes(addr: SocketAddr) {
    let mut ws = ws_std::connect(format!("ws://{addr}/")).unwrap();
    ws.send("hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
}

/// `localhost` is one of each family, and a client may try either first.
#[cfg(target_os = "linux")]
#[test]
fn a_server_listens_at_all_its_addresses_with_one_port() {
    // The last one is nobody's, and one comes twice.
    let addresses = [
        "127.0.0.1:0",
        "[::1]:0",
        "127.0.0.2:0",
        "127.0.0.1:0",
        "203.0.113.1:0",
    ];
    let addresses = addresses.map(|address| address.parse::<SocketAddr>().unwrap());
    let server = Server::bind(&addresses[..]).unwrap();
    let server = server.websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let listening = server.local_addrs().to_vec();
    assert_eq!(server.local_addr(), listening[0]);
    let ips = listening.iter().map(|address| address.ip().to_string());
    // There are systems without IPv6.
    let mut here = vec!["127.0.0.1", "::1", "127.0.0.2"];
    here.retain(|ip| TcpListener::bind((*ip, 0)).is_ok());
    assert_eq!(ips.collect::<Vec<_>>(), here);
    assert!(
        listening
            .iter()
            .all(|address| address.port() == listening[0].port())
    );
    let handle = server.handle();
    let running = thread::spawn(|| server.run());
    for address in &listening {
        echoes(*address);
        // Each is a local one, and knows by which names it may be asked for.
        let foreign = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        assert_eq!(ask(*address, foreign).0, 421, "{address}");
    }
    handle.shutdown();
    within(|| running.join().unwrap()).unwrap();
    for address in listening {
        assert!(TcpStream::connect(address).is_err(), "{address}");
    }
}

/// All addresses of one family leave those of the other to a listener of their own.
#[cfg(target_os = "linux")]
#[test]
fn everywhere_is_both_families() {
    let addresses = ["0.0.0.0:0", "[::]:0"];
    let addresses = addresses.map(|address| address.parse::<SocketAddr>().unwrap());
    let server = Server::bind(&addresses[..]).unwrap();
    let server = server.websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let (port, handle) = (server.local_addr().port(), server.handle());
    let has_both = TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(server.local_addrs().len(), 1 + usize::from(has_both));
    let running = thread::spawn(|| server.run());
    echoes(SocketAddr::new([127, 0, 0, 1].into(), port));
    if has_both {
        echoes(SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), port));
    }
    handle.shutdown();
    within(|| running.join().unwrap()).unwrap();
}

#[test]
fn an_address_that_is_taken_is_an_error_whichever_it_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let error = Server::bind(&[free, taken][..]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(Server::bind(&[][..] as &[SocketAddr]).is_err());
}

/// As systemd passes one on.
#[test]
fn a_listener_that_somebody_else_has_made_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = Server::over(listener).unwrap();
    let server = server.websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let server = run(server);
    echoes(server.addr);
}
