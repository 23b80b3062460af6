//! `ws bench`: against our echo, and against servers that do not echo.

use crate::common;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::common::{Served, parts, run};
use serde_json::Value;
use ws_std::{CloseCode, Error, Message, Response, Server, StatusCode};

/// What a run printed that was to succeed.
fn bench(args: &[&str]) -> String {
    let args: Vec<&str> = ["bench"].iter().chain(args).copied().collect();
    let (status, out, err) = parts(&run(&args, ""));
    assert_eq!((status, &*err), (Some(0), ""), "{args:?}");
    out
}

/// The JSON that a run printed, which is all of it.
fn json(args: &[&str]) -> Value {
    let out = bench(&[args, &["--json"]].concat());
    assert_eq!(out.lines().count(), 1, "{out}");
    serde_json::from_str(&out).unwrap()
}

/// What a run said that was to fail: one line.
fn failure(args: &[&str]) -> String {
    let args: Vec<&str> = ["bench"].iter().chain(args).copied().collect();
    let (status, _, err) = parts(&run(&args, ""));
    assert_eq!(status, Some(1), "{args:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    let line = err.strip_prefix("ws: ").unwrap_or_else(|| panic!("{err}"));
    line.trim_end().into()
}

/// A server that echoes badly, by its paths. It lives as long as the test's process.
fn server() -> String {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/close", |mut ws, _| {
            for _ in 0..5 {
                if let Some(message) = ws.recv_owned()? {
                    ws.send(message.as_message())?;
                }
            }
            ws.close(CloseCode::TRY_AGAIN_LATER, "too much")
        })
        .websocket("/abort", |mut ws, _| {
            if ws.recv()?.is_some() {
                ws.writer().abort();
            }
            Ok::<_, Error>(())
        })
        .websocket("/other-kind", |mut ws, _| {
            ws.for_each(|message, tx| tx.send(Message::Binary(message.as_bytes())))
        })
        .websocket("/other-byte", |mut ws, _| {
            ws.for_each(|message, tx| {
                let mut bytes = message.as_bytes().to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                tx.send(bytes.as_slice())
            })
        })
        .websocket("/other-order", |mut ws, _| {
            let mut held = None;
            let mut is_first = true;
            ws.for_each(|message, tx| {
                if std::mem::take(&mut is_first) {
                    return tx.send(message);
                }
                match held.take() {
                    None => held = Some(message.to_owned()),
                    Some(held) => {
                        tx.send(message)?;
                        tx.send(held.as_message())?;
                    }
                }
                Ok(())
            })
        })
        .websocket("/longer", |mut ws, _| {
            ws.for_each(|message, tx| tx.send([message.as_bytes(), b"x"].concat().as_slice()))
        })
        .websocket("/twice", |mut ws, _| {
            ws.for_each(|message, tx| {
                tx.send(message)?;
                tx.send(message)
            })
        })
        .get("/denied", |_| {
            Response::text("not you").with_status(StatusCode::FORBIDDEN)
        });
    let address = server.local_addr();
    thread::spawn(move || server.run());
    format!("ws://{address}")
}

#[test]
fn every_message_is_echoed_and_counted() {
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    let cases: [(&[&str], u64, u64, u64); 5] = [
        (&["--messages", "1"], 1, 1, 16),
        (&["--messages", "2000", "-c", "20", "-p", "16"], 20, 16, 16),
        (
            &["--messages", "40", "-c", "2", "-p", "4", "-S", "1MiB"],
            2,
            4,
            1 << 20,
        ),
        (&["--messages", "500", "-p", "3", "-S", "0"], 1, 3, 0),
        (
            &["--messages", "3", "-c", "20", "-p", "16", "-S", "70000"],
            20,
            16,
            70_000,
        ),
    ];
    for (args, connections, in_flight, size) in cases {
        for kind in ["binary", "text"] {
            let text: &[&str] = if kind == "text" { &["--text"] } else { &[] };
            let report = json(&[&[echo], args, text].concat());
            let expected = [
                ("url", Value::from(echo)),
                ("connections", connections.into()),
                ("in_flight", in_flight.into()),
                ("size", size.into()),
                ("kind", kind.into()),
                ("deflate", false.into()),
                ("messages", args[1].parse::<u64>().unwrap().into()),
                ("errors", 0.into()),
            ];
            for (name, value) in expected {
                assert_eq!(report[name], value, "{name} of {report}");
            }
            let number = |value: &Value| value.as_f64().unwrap();
            let rate = number(&report["messages_per_second"]);
            let bytes = number(&report["bytes_per_second"]);
            assert!(rate > 0.0 && number(&report["seconds"]) > 0.0, "{report}");
            assert!((bytes - rate * number(&report["size"])).abs() <= bytes * 1e-6);
            let names = ["min", "p50", "p90", "p99", "p99_9", "max"];
            let latencies = names.map(|name| number(&report["latency_us"][name]));
            assert!(latencies[0] > 0.0 && latencies.is_sorted(), "{report}");
            let mean = number(&report["latency_us"]["mean"]);
            assert!((latencies[0]..=latencies[5]).contains(&mean), "{report}");
        }
    }
}

#[test]
fn compression_is_agreed_on_or_not() {
    let args = ["--messages", "200", "-S", "5000", "-p", "4", "--deflate"];
    for (serve, is_agreed) in [(&["--deflate"][..], true), (&[], false)] {
        let served = Served::start(serve);
        let echo = &*served.url("/echo");
        for more in [&[][..], &["--takeover"], &["--text", "--window-bits", "9"]] {
            let report = json(&[&[echo][..], &args, more].concat());
            assert_eq!(report["deflate"], is_agreed, "{report}");
            assert_eq!(report["messages"], 200, "{report}");
        }
        let shown = bench(&[&[echo], &args[..]].concat());
        assert_eq!(shown.contains(", compressed\n"), is_agreed, "{shown}");
    }
}

#[test]
fn people_get_words_and_a_histogram() {
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    let out = bench(&[
        echo,
        "--messages",
        "1000",
        "-c",
        "3",
        "-S",
        "1KiB",
        "--text",
    ]);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some(echo));
    assert_eq!(
        lines.next(),
        Some("3 connections, 1 in flight on each, 1,024 B text")
    );
    for part in [
        "\nmessages    1,000 in ",
        "\nthroughput  ",
        "   p99.9  ",
        "\nup to ",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    for line in lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_time_is_measured_after_the_warm_up() {
    let served = Served::start(&[]);
    let report = json(&[&served.url("/echo"), "-d", "0.2", "-c", "2"]);
    let seconds = report["seconds"].as_f64().unwrap();
    assert!(seconds >= 0.2, "{report}");
    assert!(report["messages"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn an_echo_that_differs_is_noticed() {
    let server = server();
    let differs = "the echo differs from what was sent";
    for (path, args) in [
        ("/other-kind", &["--text"][..]),
        ("/other-byte", &[]),
        ("/other-byte", &["-S", "100000"]),
        ("/other-order", &["-p", "4", "-S", "4096"]),
        ("/longer", &[]),
        ("/longer", &["-S", "0"]),
    ] {
        let url = format!("{server}{path}");
        let args = &[&[&*url, "--messages", "50"], args].concat();
        assert_eq!(failure(args), differs, "{args:?}");
    }
    let twice = failure(&[&format!("{server}/twice"), "--messages", "1000000"]);
    assert!(
        twice == differs || twice == "the server sent a message that is no echo",
        "{twice}"
    );
}

#[test]
fn a_server_that_leaves_is_named() {
    let server = server();
    let url = &*format!("{server}/close");
    let (status, out, err) = parts(&run(
        &["bench", url, "-p", "2", "--messages", "50", "--json"],
        "",
    ));
    assert_eq!(
        (status, &*err),
        (Some(1), "ws: the server closed with 1013: too much\n")
    );
    // What came before is there, too.
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["messages"], &report["errors"]),
        (&5.into(), &1.into())
    );
    let line = failure(&[&format!("{server}/abort"), "--messages", "50"]);
    assert!(line.starts_with("the connection was lost: "), "{line}");
}

#[test]
fn a_server_that_does_not_open_is_named() {
    let server = server();
    assert_eq!(
        failure(&[&format!("{server}/denied")]),
        "the server refused with status 403"
    );
    // One connection shows that there is a server; the sixth of twenty is refused.
    let served = Served::start(&["--max-connections", "5"]);
    assert_eq!(
        failure(&[&served.url("/echo"), "-c", "20"]),
        "the server refused with status 503"
    );
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let line = failure(&[&format!("ws://{nobody}/")]);
    assert!(
        line.starts_with(&format!("cannot connect to {nobody}: ")),
        "{line}"
    );

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream
            .write_all(b"220 mail.example.com ESMTP\r\n\r\n")
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let line = failure(&[&format!("ws://{address}/")]);
    assert!(line.starts_with("handshake failed: "), "{line}");

    let line = failure(&["wss://127.0.0.1/echo"]);
    assert!(
        line.contains("needs TLS") && line.contains("wss://127.0.0.1/echo"),
        "{line}"
    );
}

#[test]
fn help_says_what_is_measured() {
    let out = bench(&["--help"]);
    for part in ["\nExamples:\n", "[default: 10]", "before it is measured"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for args in [
        &["-c", "0"][..],
        &["-p", "0"],
        &["-d", "0"],
        &["--messages", "0"],
        &["--messages", "5", "-d", "5"],
        &["-S", "big"],
    ] {
        let (status, out, err) = parts(&run(&[&["bench", "ws://h/"], args].concat(), ""));
        assert_eq!((status, &*out), (Some(2), ""), "{args:?}");
        assert!(err.starts_with("error: "), "{err}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_early_and_prints() {
    let (told, echoed) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/echo", move |mut ws, _| {
            ws.for_each(|message, tx| {
                let _ = told.send(());
                tx.send(message)
            })
        });
    let url = format!("ws://{}/echo", server.local_addr());
    thread::spawn(move || server.run());
    let child = common::ws(&["bench", &url, "--messages", "1000000000000", "--json"])
        .spawn()
        .unwrap();
    for _ in 0..100 {
        echoed.recv_timeout(common::PATIENCE).unwrap();
    }
    common::send_signal(&child, nix::sys::signal::Signal::SIGINT);
    let (status, out, err) = parts(&common::finish(child));
    assert_eq!((status, &*err), (Some(0), ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(report["messages"].as_u64().unwrap() >= 99, "{report}");
}

/// It echoes, but stops once until 200 more messages have come, which are due within 400 ms: a fifth of
/// all messages waited for at least a fifth of a second. A load that waits with it would never send them.
#[test]
fn a_stop_is_in_the_latencies_of_an_open_loop() {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/", |mut ws, _| {
            let (mut came, mut held) = (0, Vec::new());
            ws.for_each(|message, tx| {
                came += 1;
                if !(100..300).contains(&came) {
                    return tx.send(message);
                }
                held.push(message.to_owned());
                if held.len() == 200 {
                    held.drain(..).try_for_each(|message| tx.send(&message))?;
                }
                Ok(())
            })
        });
    let url = format!("ws://{}/", server.local_addr());
    thread::spawn(move || server.run());
    let report = json(&[&url, "--rate", "500", "-d", "1"]);
    assert_eq!(report["rate"], 500.0);
    // All that were due came back, if late.
    let messages = report["messages"].as_u64().unwrap();
    assert!(messages >= 400, "{report}");
    let p90 = report["latency_us"]["p90"].as_f64().unwrap();
    assert!(p90 > 100_000.0, "{report}");
}

#[test]
fn connections_can_come_bit_by_bit() {
    let served = Served::start(&[]);
    let url = &*served.url("/echo");
    let report = json(&[url, "-c", "10", "--ramp", "0.1", "--messages", "100"]);
    assert_eq!(report["connections"], 10);
    assert_eq!(report["messages"], 100);
    let out = bench(&[url, "-c", "3", "--rate", "1000", "-d", "0.2"]);
    assert!(
        out.contains("3 connections, 1000 messages a second, 16 B binary"),
        "{out}"
    );
    for args in [
        &["--rate", "0"][..],
        &["--rate", "nan"],
        &["--rate", "5", "-p", "2"],
    ] {
        let args = [&["bench", url], args].concat();
        assert_eq!(run(&args, "").status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn it_asks_as_the_client_does() {
    let served = Served::start(&["--token", "s3cret", "--origin", "https://a.example"]);
    let url = &*served.url("/echo");
    let run = |more: &[&str]| {
        let args = [&["bench", url, "--messages", "10", "--json"], more].concat();
        parts(&run(&args, "")).0
    };
    assert_eq!(run(&[]), Some(1));
    assert_eq!(run(&["--token", "s3cret"]), Some(0));
    assert_eq!(run(&["-H", "Authorization: Bearer s3cret"]), Some(0));
    let token = ["--token", "s3cret", "--origin"];
    assert_eq!(run(&[&token[..], &["https://a.example"]].concat()), Some(0));
    assert_eq!(run(&[&token[..], &["https://b.example"]].concat()), Some(1));
}
