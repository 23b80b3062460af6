//! Compression with everybody: each peer at either end of ours, with takeover and without, and
//! with narrow windows. What is agreed on is written here, row by row; `tests/peers/README.md`
//! has the versions.
//!
//! Ten messages of each length, text and binary, come back as they were sent. The large ones are
//! compressed on the wire, both ways unless the peer cannot.

use std::fs;
use std::process::Command;
use std::sync::mpsc;

use serde_json::json;
use ws_std::{CloseCode, ConnectError, Deflate, Direction, MessageBuf, Response, Takeover};

use crate::conversation::{Conversation, Relay, Tally};
use crate::devtools::Browser;
use crate::ours::Ours;
use crate::peers::{PATIENCE, Theirs, expect, node, python};
use crate::process::{Process, repository};

/// Those that are compressed have the least length that is by default, or more.
const LENGTHS: [usize; 7] = [0, 1, 125, 126, 1 << 10, 64 << 10, 1 << 20];

/// How many of each kind and length.
const TIMES: usize = 10;

const LARGE: usize = 3 * 2 * TIMES;

/// How our end is set up.
#[derive(Clone, Copy, Debug)]
enum Setting {
    /// [`Deflate::DEFAULT`].
    Default,
    /// What we send refers to what we sent before.
    Kept,
    /// No message refers to those before, either way.
    Alone,
    /// The same, and windows of 12 bits both ways.
    Narrow,
}

use Setting::{Alone, Default, Kept, Narrow};

impl Setting {
    fn deflate(self) -> Deflate {
        let mut deflate = Deflate::DEFAULT;
        match self {
            Default => {}
            Kept => deflate.send = Direction::FULL,
            Alone => deflate.receive.takeover = Takeover::Off,
            Narrow => deflate.receive = deflate.send,
        }
        deflate
    }
}

/// The arguments of the peer's program, how our end is set up, and what the server answers.
type Row = (&'static [&'static str], Setting, &'static str);

const OFF: &[&str] = &[];
const TAKEOVER: &[&str] = &["--takeover"];
const WIDE: &[&str] = &["--takeover", "--window=15"];

// Answers that several give.
const PLAIN: &str = "";
const BOTH_OFF: &str = "server_no_context_takeover; client_no_context_takeover";
const CLIENT_OFF: &str = "client_no_context_takeover";
const CLIENT_OFF_12: &str = "client_no_context_takeover; client_max_window_bits=12";
const BOTH_OFF_12: &str =
    "server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12";

/// A peer that is asked for nothing, and asks for nothing.
const NO_CHOICE: [Row; 3] = [
    (OFF, Default, PLAIN),
    (OFF, Kept, PLAIN),
    (OFF, Narrow, CLIENT_OFF_12),
];

// ---- Their servers ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_gorilla() {
    let rows: [Row; 3] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (OFF, Narrow, BOTH_OFF),
    ];
    servers("gorilla", || built("gorilla"), &rows, &LENGTHS);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_nhooyr() {
    const ANSWER: &str = "client_no_context_takeover; server_no_context_takeover";
    let rows: [Row; 6] = [
        (OFF, Default, ANSWER),
        (OFF, Kept, ANSWER),
        (OFF, Alone, ANSWER),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (TAKEOVER, Alone, "server_no_context_takeover"),
    ];
    servers("nhooyr", || built("nhooyr"), &rows, &LENGTHS);

    // It refuses a window of the server in the first offer, and looks at no other.
    let server = Theirs::start("nhooyr", built("nhooyr").arg("server"));
    match server.client("/echo").deflate(Narrow.deflate()).connect() {
        Err(ConnectError::Refused(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_tornado() {
    // What has no value it leaves out of its answer, and goes on as if it had not been asked.
    let rows: [Row; 3] = [
        (OFF, Default, PLAIN),
        (OFF, Kept, PLAIN),
        (OFF, Narrow, "server_max_window_bits=12"),
    ];
    servers("tornado", || echo_py("tornado"), &rows, &LENGTHS);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_aiohttp() {
    let rows: [Row; 3] = [
        (OFF, Default, PLAIN),
        (OFF, Kept, PLAIN),
        (
            OFF,
            Narrow,
            "server_max_window_bits=12; server_no_context_takeover",
        ),
    ];
    servers("aiohttp", || echo_py("aiohttp"), &rows, &LENGTHS);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_websockets() {
    let rows: [Row; 6] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (
            OFF,
            Narrow,
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
        ),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (
            TAKEOVER,
            Narrow,
            "server_no_context_takeover; server_max_window_bits=12",
        ),
    ];
    servers("websockets", || echo_py("websockets"), &rows, &LENGTHS);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_ws() {
    const BITS_15: &str = "client_max_window_bits=15; server_max_window_bits=15";
    let rows: [Row; 9] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (
            OFF,
            Narrow,
            "server_no_context_takeover; server_max_window_bits=12; client_no_context_takeover",
        ),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (
            TAKEOVER,
            Narrow,
            "server_no_context_takeover; server_max_window_bits=12",
        ),
        (WIDE, Default, BITS_15),
        (WIDE, Kept, BITS_15),
        (WIDE, Narrow, BITS_15),
    ];
    servers("ws", || echo_js("ws"), &rows, &LENGTHS);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn server_of_libwebsockets() {
    // An empty message ends its process.
    let rows: [Row; 3] = [
        (OFF, Default, PLAIN),
        (OFF, Kept, PLAIN),
        (OFF, Narrow, "server_no_context_takeover"),
    ];
    servers("libwebsockets", || built("lws"), &rows, &LENGTHS[1..]);
}

fn servers(name: &'static str, program: impl Fn() -> Command, rows: &[Row], lengths: &[usize]) {
    for &(args, setting, answer) in rows {
        let row = format!("server of {name} {args:?}, {setting:?}");
        let server = Theirs::start(name, program().arg("server").args(args));
        let client = server.client("/echo").deflate(setting.deflate());
        let (client, conversation) = Conversation::tapped(client);
        let mut ws = client
            .connect()
            .unwrap_or_else(|error| panic!("{row}: {error}"));
        for message in messages(lengths) {
            ws.send(&message).expect("open");
            expect(&mut ws, &message, &row);
        }
        ws.close(CloseCode::NORMAL, "").expect("a good end");
        assert_answer(&conversation, answer, &row);
        let (sent, received) = (conversation.client.tally(), conversation.server.tally());
        assert_ours(sent, LARGE, &row);
        assert_theirs(received, &row);
    }
}

// ---- Their clients ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_gorilla() {
    let rows: [Row; 3] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (OFF, Narrow, BOTH_OFF),
    ];
    clients("gorilla", || built("gorilla"), &rows, USUAL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_nhooyr() {
    let rows: [Row; 6] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (OFF, Narrow, BOTH_OFF),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (TAKEOVER, Narrow, CLIENT_OFF),
    ];
    clients("nhooyr", || built("nhooyr"), &rows, USUAL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_tornado() {
    clients("tornado", || echo_py("tornado"), &NO_CHOICE, USUAL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_aiohttp() {
    clients("aiohttp", || echo_py("aiohttp"), &NO_CHOICE, USUAL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_websockets() {
    let rows: [Row; 6] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (OFF, Narrow, BOTH_OFF_12),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (TAKEOVER, Narrow, CLIENT_OFF_12),
    ];
    clients("websockets", || echo_py("websockets"), &rows, USUAL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_ws() {
    let rows: [Row; 9] = [
        (OFF, Default, BOTH_OFF),
        (OFF, Kept, BOTH_OFF),
        (OFF, Narrow, BOTH_OFF_12),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (TAKEOVER, Narrow, CLIENT_OFF_12),
        (WIDE, Default, "server_max_window_bits=12"),
        (WIDE, Kept, "server_max_window_bits=15"),
        (
            WIDE,
            Narrow,
            "client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12",
        ),
    ];
    clients("ws", || echo_js("ws"), &rows, USUAL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_libwebsockets() {
    // Where compression was agreed on it hands out each message that is not compressed again and
    // again, so all are. It says nothing of empty ones, and so its program sends none.
    let all = Client {
        messages: (LENGTHS.len() - 1) * 2 * TIMES,
        least: 0,
        ..USUAL
    };
    let rows: [Row; 6] = [
        (OFF, Default, CLIENT_OFF),
        (OFF, Kept, CLIENT_OFF),
        (OFF, Narrow, CLIENT_OFF_12),
        (TAKEOVER, Default, PLAIN),
        (TAKEOVER, Kept, PLAIN),
        (TAKEOVER, Narrow, CLIENT_OFF_12),
    ];
    clients("libwebsockets", || built("lws"), &rows, all);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_undici() {
    // It compresses nothing itself.
    let plain = Client {
        compresses: false,
        ..USUAL
    };
    clients("undici", || echo_js("undici"), &NO_CHOICE, plain);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_chromium() {
    let mut browser = Browser::start();
    for &(_, setting, answer) in &NO_CHOICE {
        let row = format!("client of chromium, {setting:?}");
        let server = ours(setting.deflate());
        let relay = Relay::to(server.address);
        let tab = browser.open(&format!("http://{}/", relay.address));
        browser.wait_for(&tab, "document.title === 'Echo'");
        let echoed = browser.evaluate(&tab, CONVERSATION);
        browser.close(&tab);
        assert_eq!(echoed, json!(USUAL.messages), "{row}");
        assert_client(&relay, answer, &row, USUAL);
        assert_eq!(server.broken_rules(), []);
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

/// The page holds the conversation by itself, and says how it went.
#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_firefox() {
    // It does not say that it can be told a window.
    let rows: [Row; 3] = [
        (OFF, Default, PLAIN),
        (OFF, Kept, PLAIN),
        (OFF, Narrow, CLIENT_OFF),
    ];
    for (_, setting, answer) in rows {
        let row = format!("client of firefox, {setting:?}");
        let page = format!(
            "<!doctype html><title>Echo</title><link rel=icon href='data:,'><script>
            {CONVERSATION}.catch(String).then((said) => fetch(`/said?said=${{said}}`));
            </script>"
        );
        let (sender, said) = mpsc::channel();
        let server = Ours::start(|server| {
            let server = server.deflate(setting.deflate());
            let server = server.get("/", move |_| Response::html(page.as_str()));
            server.get("/said", move |request| {
                let said = request.param("said").map(Into::<String>::into);
                sender.send(said).expect("the test waits");
                Response::text("heard")
            })
        });
        let relay = Relay::to(server.address);
        let profile = repository().join("target/peers/firefox");
        let _ = fs::remove_dir_all(&profile);
        fs::create_dir_all(&profile).expect("a place for it");
        let firefox = Process::start(
            Command::new("firefox-esr")
                .args(["--headless", "--no-remote", "--profile"])
                .arg(profile)
                .arg(format!("http://{}/", relay.address)),
        );
        let said = said.recv_timeout(PATIENCE).expect(&row);
        drop(firefox);
        assert_eq!(said, Some(USUAL.messages.to_string()), "{row}");
        assert_client(&relay, answer, &row, USUAL);
        assert_eq!(server.broken_rules(), [], "{row}");
    }
}

/// As the programs do it: the same messages, one by one.
const CONVERSATION: &str = r"(async () => {
        const ws = new WebSocket(`ws://${location.host}/echo`);
        ws.binaryType = 'arraybuffer';
        await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = reject; });
        let count = 0;
        for (const length of [0, 1, 125, 126, 1024, 65536, 1048576]) {
            for (let i = 0; i < 10; i += 1) {
                const line = `message ${length} says for the ${i}. time that all is well\n`;
                const text = line.repeat(length / line.length + 1).slice(0, length);
                const binary = Uint8Array.from({ length }, (_, at) => (at % 251 * 7 + i) % 251);
                for (const message of [text, binary]) {
                    ws.send(message);
                    const { data } = await new Promise((resolve) => (ws.onmessage = resolve));
                    const got = typeof data === 'string' ? data : new Uint8Array(data);
                    const same = typeof message === 'string'
                        ? got === message
                        : got.length === length && got.every((octet, at) => octet === message[at]);
                    if (!same) throw new Error(`message ${count} is another`);
                    count += 1;
                }
            }
        }
        ws.close(1000);
        const { code } = await new Promise((resolve) => (ws.onclose = resolve));
        if (code !== 1000) throw new Error(`closed with ${code}`);
        return count;
    })()";

/// What a client of theirs does.
#[derive(Clone, Copy)]
struct Client {
    messages: usize,
    /// The shortest message that we compress for it, in bytes.
    least: usize,
    /// Whether it compresses at all.
    compresses: bool,
}

const USUAL: Client = Client {
    messages: LENGTHS.len() * 2 * TIMES,
    least: Deflate::DEFAULT.min_len,
    compresses: true,
};

fn clients(name: &str, program: impl Fn() -> Command, rows: &[Row], expected: Client) {
    for &(args, setting, answer) in rows {
        let row = format!("client of {name} {args:?}, {setting:?}");
        let mut deflate = setting.deflate();
        deflate.min_len = expected.least;
        let server = ours(deflate);
        let relay = Relay::to(server.address);
        let url = format!("ws://{}/echo", relay.address);
        let client = Process::start(program().arg("client").args(args).arg(url));
        let (status, said) = client.finish();
        assert!(status.success(), "{row}: {status}:\n{said}");
        let echoed = format!("echoed {}", expected.messages);
        assert!(said.lines().any(|line| line == echoed), "{row}:\n{said}");
        assert_client(&relay, answer, &row, expected);
        assert_eq!(server.broken_rules(), [], "{row}");
    }
}

fn assert_client(relay: &Relay, answer: &str, row: &str, expected: Client) {
    let conversations = relay.websockets();
    let [conversation] = &conversations[..] else {
        panic!("{row}: {} connections", conversations.len());
    };
    assert_answer(conversation, answer, row);
    let (sent, answered) = (conversation.client.tally(), conversation.server.tally());
    let compressed = match expected.least {
        0 => expected.messages,
        _ => LARGE,
    };
    assert_ours(answered, compressed, row);
    if expected.compresses {
        assert_theirs(sent, row);
    } else {
        assert_eq!(
            (sent.compressed, sent.plain),
            (0, expected.messages),
            "{row}"
        );
    }
}

fn ours(deflate: Deflate) -> Ours {
    let page = "<!doctype html><title>Echo</title><link rel=icon href='data:,'>";
    Ours::start(|server| {
        server
            .deflate(deflate)
            .get("/", move |_| Response::html(page))
    })
}

// ---- What is said, and how ----

/// A program that was compiled.
fn built(name: &str) -> Command {
    let program = repository().join("target/peers").join(name);
    assert!(program.exists(), "run tests/peers/install.sh");
    Command::new(program)
}

fn echo_py(library: &str) -> Command {
    let mut command = python("echo.py");
    command.arg(library);
    command
}

fn echo_js(library: &str) -> Command {
    let mut command = node("echo.js");
    command.arg(library);
    command
}

fn messages(lengths: &[usize]) -> impl Iterator<Item = MessageBuf> {
    lengths.iter().flat_map(|&len| {
        (0..TIMES).flat_map(move |i| {
            let line = format!("message {len} says for the {i}. time that all is well\n");
            let text = line.chars().cycle().take(len).collect();
            let octet = move |at: usize| u8::try_from((at % 251 * 7 + i) % 251).expect("small");
            let binary = (0..len).map(octet).collect();
            [MessageBuf::Text(text), MessageBuf::Binary(binary)]
        })
    })
}

fn assert_answer(conversation: &Conversation, answer: &str, row: &str) {
    let head = conversation.server.header("Sec-WebSocket-Extensions");
    let head = head.unwrap_or_else(|| panic!("{row}: not compressed"));
    println!("{row}: {head}");
    let wanted = match answer {
        "" => "permessage-deflate".into(),
        answer => format!("permessage-deflate; {answer}"),
    };
    assert_eq!(head, wanted, "{row}");
}

/// We compress the large messages and no others, unless all are to be.
fn assert_ours(tally: Tally, compressed: usize, row: &str) {
    assert_eq!(tally.compressed, compressed, "{row}: {tally}");
    assert_small(tally, row);
}

/// They may have another opinion of what is large.
fn assert_theirs(tally: Tally, row: &str) {
    assert!(tally.compressed >= LARGE, "{row}: {tally}");
    assert_small(tally, row);
}

/// A twentieth of what it would be.
fn assert_small(tally: Tally, row: &str) {
    let whole: usize = LENGTHS.iter().map(|len| 2 * TIMES * len).sum();
    assert!(tally.bytes < whole / 20, "{row}: {tally}");
}
