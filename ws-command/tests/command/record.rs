//! `ws record` and `ws replay`: what was said is written down, said again, and compared.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::thread;

use ws_std::{CloseCode, Server};

use crate::common::{Served, finish, parts, run, ws};

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("session-{name}"));
    let _ = std::fs::remove_file(&path);
    path.to_str().unwrap().into()
}

/// A session, without its times.
fn timeless(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let said = |line: &str| match line.split_once(' ') {
        Some((time, said)) if !line.starts_with('#') => {
            let _: f64 = time.parse().unwrap();
            said.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(said).collect()
}

#[test]
fn what_was_said_is_written_down_and_said_again() {
    let served = Served::start(&[]);
    let (echo, path) = (served.url("/echo?token=s3cret"), file("echo"));
    let output = run(&["record", &path, &echo, "-n", "2"], "hello\ntwo\\n\n");
    assert_eq!(output.status.code(), Some(0));
    let lines = timeless(&path);
    assert_eq!(lines[0], "# ws session 1");
    assert_eq!(
        lines[1],
        format!("# ws://{}/echo?token=[redacted]", served.address)
    );
    // Of two messages that cross, either may be first.
    let mut said = lines[2..].to_vec();
    said.sort();
    assert_eq!(
        said,
        [
            "< close 1000",
            "< text hello",
            "< text two\\\\n",
            "> close 1000",
            "> text hello",
            "> text two\\\\n",
        ]
    );
    let (status, out, _) = parts(&run(&["replay", &path, &echo], ""));
    assert_eq!(status, Some(0), "{out}");
    assert_eq!(out, "3 as recorded, 0 missing, 0 not in the session\n");
}

#[test]
fn what_differs_is_shown() {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/", |mut ws, _| {
            ws.recv()?;
            ws.send("hallo\x1b[2J")?;
            ws.send(&[0, 0xFF])?;
            ws.close(CloseCode::new(4000).unwrap(), "enough")
        });
    let url = format!("ws://{}/", server.local_addr());
    thread::spawn(move || server.run());
    let path = file("differs");
    let session = "# ws session 1\n0 > text hi\n0.5 < text hello\n0.6 < binary 00ff\n1 > close 1000\n1.1 < close 1000\n";
    std::fs::write(&path, session).unwrap();
    let (status, out, _) = parts(&run(&["replay", &path, &url], ""));
    assert_eq!(
        out,
        "- 0.500 < text hello\n+ < text hallo\\u{1b}[2J\n\
         - 1.100 < close 1000\n+ < close 4000 enough\n\
         1 as recorded, 2 missing, 2 not in the session\n"
    );
    assert_eq!(status, Some(1));
}

#[test]
fn a_session_is_played_to_a_client() {
    let path = file("served");
    let session = "# ws session 1\n0 < text welcome\n1 > text hello\n1 < binary 00ff\n\
        2 > text bye\n2 < close 1000 done\n";
    std::fs::write(&path, session).unwrap();
    for (says, status, differs) in [
        (
            "hello\nbye\n",
            0,
            "2 as recorded, 0 missing, 0 not in the session\n",
        ),
        (
            "hallo\nbye\n",
            1,
            "- 1.000 > text hello\n+ > text hallo\n1 as recorded, 1 missing, 1 not in the session\n",
        ),
    ] {
        let mut child = ws(&["replay", "--listen", "127.0.0.1:0", &path])
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap();
        let url = format!("{url}any/path");
        let (client, out, _) = parts(&run(&["connect", "-n", "9", &url], says));
        assert_eq!((client, &*out), (Some(0), "welcome\n00ff\n"));
        assert_eq!(finish(child).status.code(), Some(status));
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
        assert_eq!(rest, differs);
    }
}

#[test]
fn what_does_not_come_is_not_waited_for_for_ever() {
    let served = Served::start(&[]);
    let path = file("silent");
    std::fs::write(
        &path,
        "# ws session 1\n0 > text a\n0 < text a\n0 < text b\n",
    )
    .unwrap();
    let echo = served.url("/echo");
    let (status, out, _) = parts(&run(&["replay", &path, &echo, "--patience", "0.1"], ""));
    assert_eq!(status, Some(1));
    let lost = "- 0.000 < text b\n1 as recorded, 1 missing, 0 not in the session\n";
    assert_eq!(out, lost);
}

#[test]
fn no_session_is_one_line_and_status_two() {
    let path = file("none");
    let replay = |path: &str| parts(&run(&["replay", path, "ws://127.0.0.1:1/"], ""));
    let (status, _, err) = replay(&path);
    assert_eq!(status, Some(2));
    assert!(err.starts_with(&format!("ws: {path}: ")), "{err}");
    std::fs::write(&path, "# ws session 1\nnonsense\n").unwrap();
    let wrong = format!("ws: {path}: line 2 is not one of a session\n");
    assert_eq!(replay(&path), (Some(2), String::new(), wrong));
    assert_eq!(run(&["replay", &path], "").status.code(), Some(2));
}
