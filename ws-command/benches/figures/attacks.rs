//! The attacks, and the honest clients beside them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::Served;
use ws_std::{Client, Message, WebSocket};

/// The times of many tries, in milliseconds: half of them, 99 of 100, and the longest.
fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |of_100: usize| times[(times.len() * of_100 / 100).min(times.len() - 1)];
    let [half, most, all] = [at(50), at(99), at(100)].map(|time| time.as_secs_f64() * 1e3);
    format!("p50 {half:.2} ms, p99 {most:.2} ms, longest {all:.2} ms")
}

/// A chat without the bounds that would end the attack.
const BUSY: [&str; 3] = [
    "--max-connections=4096",
    "--max-members=2000",
    "--max-lines=0",
];

fn chat(address: SocketAddr, room: &str, name: &str) -> WebSocket {
    let url = format!("ws://{address}/chat?room={room}&name={name}");
    ws_std::connect(url).unwrap()
}

fn drain(mut ws: WebSocket) {
    thread::spawn(move || while let Ok(Some(_)) = ws.recv() {});
}

/// One busy room: 500 members, 4 who talk in lines of 20 KB, 4 who come and go.
pub(crate) fn joins_of_other_rooms_beside_a_busy_one() {
    let served = Served::start(&BUSY);
    let address = served.address;
    (0..500).for_each(|at| drain(chat(address, "busy", &format!("m{at}"))));
    let over = AtomicBool::new(false);
    let goes_on = || !over.load(Ordering::Relaxed);
    thread::scope(|scope| {
        for at in 0..4 {
            scope.spawn(move || {
                let (mut reader, writer) = chat(address, "busy", &format!("talker{at}")).split();
                thread::spawn(move || while let Ok(Some(_)) = reader.recv() {});
                let line = "x".repeat(20_000);
                while goes_on() && writer.send(&*line).is_ok() {}
            });
            scope.spawn(move || {
                while goes_on() {
                    drop(chat(address, "busy", &format!("guest{at}")));
                }
            });
        }
        let times = (0..200).map(|at| {
            let begun = Instant::now();
            let mut ws = chat(address, &format!("quiet{at}"), "Ada");
            ws.recv().unwrap().unwrap();
            begun.elapsed()
        });
        let times = times.collect();
        over.store(true, Ordering::Relaxed);
        println!("join of another room: {}", percentiles(times));
    });
}

/// A full server, and 1,000 sockets that were refused and stay.
pub(crate) fn the_503_beside_a_thousand_that_were_refused() {
    let served = Served::start(&["--max-connections", "1"]);
    let _full = ws_std::connect(format!("ws://{}/echo", served.address)).unwrap();
    let _refused: Vec<_> = (0..1000)
        .map(|_| TcpStream::connect(served.address).unwrap())
        .collect();
    let times = (0..200).map(|_| {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(served.address).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503");
        begun.elapsed()
    });
    println!("503: {}", percentiles(times.collect()));
}

/// 1,100 sockets that say nothing, and come again when they are dropped; 200 honest clients.
pub(crate) fn honest_clients_beside_silent_ones_that_come_again() {
    let served = Served::start(&[]);
    let address = served.address;
    let over = AtomicBool::new(false);
    let again = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..11 {
            scope.spawn(|| {
                let connect = || {
                    let stream = TcpStream::connect(address).unwrap();
                    stream.set_nonblocking(true).unwrap();
                    stream
                };
                let mut silent: Vec<_> = (0..100).map(|_| connect()).collect();
                while !over.load(Ordering::Relaxed) {
                    for stream in &mut silent {
                        if stream.read(&mut [0; 512]).is_ok() {
                            *stream = connect();
                            again.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    // The pace of the attack, which is not to be one of processors: nothing waits for it.
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let (mut times, mut served) = (Vec::new(), 0);
        for _ in 0..200 {
            let second = Duration::from_secs(1);
            let begun = Instant::now();
            while begun.elapsed() < second {
                let client = Client::new(format!("ws://{address}/echo")).handshake_timeout(second);
                let Ok(mut ws) = client.connect() else {
                    continue;
                };
                let echoed = ws
                    .send("hello")
                    .and_then(|()| ws.recv().map(|it| it.is_some()));
                if echoed.unwrap_or(false) {
                    served += 1;
                    times.push(begun.elapsed());
                    break;
                }
            }
        }
        over.store(true, Ordering::Relaxed);
        let again = again.load(Ordering::Relaxed);
        println!("{served} of 200 served within 1 s: {}", percentiles(times));
        println!("silent ones came {again} times again");
    });
}

/// 600 MiB of address space, and 208 clients with 900 KB of a message each. With `MALLOC_ARENA_MAX=1`:
/// the arenas of glibc reserve more than that, each 64 MiB.
pub(crate) fn service_without_memory() {
    // `prlimit` is a call of the system, and a program of most.
    let served = Served::start(&["--max-memory", "64MiB"]);
    let pid = served.child.as_ref().unwrap().id().to_string();
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &pid, "--as=629145600"])
        .status();
    println!("prlimit: {limited:?}");
    let part = [
        &[0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0][..],
        &[7; 900_000],
    ]
    .concat();
    let greedy: Vec<_> = (0..208)
        .filter_map(|_| {
            let ws = TcpStream::connect(served.address).and_then(|mut stream| {
                stream.write_all(
                    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                )?;
                stream.read_exact(&mut [0; 129])?;
                stream.write_all(&part)?;
                Ok(stream)
            });
            ws.ok()
        })
        .collect();
    let kept = greedy.len();
    let echoed = (0..50).filter(|_| {
        let ws = ws_std::connect(format!("ws://{}/echo", served.address));
        ws.is_ok_and(|mut ws| ws.send("hello").is_ok() && ws.recv().is_ok_and(|it| it.is_some()))
    });
    println!(
        "{kept} of 208 took it all; {} of 50 honest clients served",
        echoed.count()
    );
}

/// A room of nobody else, of 1,000 who read, or of 1,000 who do not; and one who talks and waits for its own lines.
pub(crate) fn a_live_member_beside_a_thousand_stalled() {
    for (members, who, reads) in [
        (0, "others, alone", true),
        (1000, "who read", true),
        (1000, "who have stalled", false),
    ] {
        let served = Served::start(&BUSY);
        let address = served.address;
        let mut stalled = Vec::new();
        for at in 0..members {
            let ws = chat(address, "busy", &format!("m{at}"));
            match reads {
                true => drain(ws),
                false => stalled.push(ws),
            }
        }
        let mut live = chat(address, "busy", "live");
        let mut own = |line: &str| {
            let begun = Instant::now();
            live.send(line).unwrap();
            while let Some(Message::Text(event)) = live.recv().unwrap() {
                if event.starts_with("{\"type\":\"line\"") {
                    break;
                }
            }
            begun.elapsed()
        };
        // More than the system keeps for one that does not read, and less than the server does.
        let fill = "x".repeat(60_000);
        for _ in 0..16 {
            own(&fill);
        }
        let times = (0..300).map(|_| own("hello")).collect();
        let pid = served.child.as_ref().unwrap().id();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let names = tasks.filter_map(|task| std::fs::read(task.ok()?.path().join("comm")).ok());
        let pumps = names.filter(|name| name == b"ws-pump\n").count();
        println!(
            "own line beside {members} {who}: {}; {pumps} pumps",
            percentiles(times)
        );
    }
}
