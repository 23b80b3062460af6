//! Compression (RFC 7692) between ours and those of others: Python's websockets, node's ws, and
//! Chromium. Each window and takeover there is to choose, and on the wire what was agreed on.
#![cfg(unix)]

use std::process::Command;

use crate::conversation::{Conversation, Relay, Tally};
use crate::devtools::Browser;
use crate::ours::Ours;
use crate::peers::{LIMIT, Theirs, expect, node, python};
use crate::process::Process;
use serde_json::json;
use ws_std::{
    Client, CloseCode, Compress, Compression, Deflate, Direction, Kind, Limits, MessageBuf, Part,
    ProtocolError, Response, Takeover, WindowBits,
};

const MILLION: usize = 1_000_000;

/// How many messages are sent that hardly fill a line.
const SMALL: usize = 600;

// ---- Our client, their servers ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_grant_what_is_offered() {
    for mut server in Theirs::all(&["--deflate="]) {
        let mut sizes = Sizes::default();
        for offer in all_terms() {
            let (sent, received) = converse(&mut server, offer, asked(offer));
            sizes.add(&offer, sent, received);
        }
        sizes.check(server.name);
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_choose() {
    for wanted in some_terms() {
        for mut server in Theirs::all(&[&option(&wanted)]) {
            converse(&mut server, FULL, wanted);
        }
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_have_their_defaults() {
    let [mut websockets, mut ws] = Theirs::all(&["--deflate"]);
    converse(&mut websockets, FULL, same(direction(12, Takeover::Kept)));
    converse(&mut ws, FULL, FULL);
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_send_compressed_fragments() {
    for server in Theirs::all(&["--deflate="]) {
        for offer in all_terms() {
            let (client, conversation) = client(&server, "/fragments", offer);
            let mut ws = client.connect().expect(server.name);
            let wanted = [json_lines(100_000), chinese(100_000)];
            let wanted = wanted.map(MessageBuf::Text);
            for message in &wanted {
                ws.send(message).expect("open");
                expect(&mut ws, message, server.name);
            }
            let received = conversation.server.tally();
            assert_eq!((received.compressed, received.plain), (2, 0));
            assert!(received.fragments >= 198, "{}: {received}", server.name);
        }
    }
}

/// 256 bytes, to which zlib does not keep: websockets declines, and takes the plain offer; ws
/// promises what it does not do, which is no reason to break.
#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_have_no_window_of_8_bits() {
    let mut offer = FULL;
    offer.server = direction(8, Takeover::Kept);
    let servers = Theirs::all(&["--deflate="]);
    for (server, wanted) in servers.iter().zip([FULL, offer]) {
        let (client, conversation) = client(server, "/echo", offer);
        let mut ws = client.connect().expect(server.name);
        assert_eq!(agreed(&conversation), Some(wanted), "{}", server.name);
        for message in [json_lines(MILLION), chinese(MILLION)].map(MessageBuf::Text) {
            ws.send(&message).expect("open");
            expect(&mut ws, &message, server.name);
        }
        assert_eq!(conversation.client.tally().compressed, 2);
        assert_eq!(conversation.server.tally().compressed, 2);
    }
}

/// Sends one of these servers all kinds of messages and expects them back; what was sent, and
/// what was received.
fn converse(server: &mut Theirs, offer: Compression, wanted: Compression) -> (Tally, Tally) {
    let who = server.name;
    let (client, conversation) = client(server, "/report-close", offer);
    let mut ws = client.connect().expect(who);
    assert_eq!(agreed(&conversation), Some(wanted), "{who}");

    for million in [json_lines(MILLION), chinese(MILLION)] {
        let million = MessageBuf::Text(million);
        ws.send(&million).expect("open");
        expect(&mut ws, &million, who);
    }

    let small: Vec<_> = (0..SMALL).map(line).map(MessageBuf::Text).collect();
    for message in &small {
        ws.send(message).expect("open");
    }
    for message in &small {
        expect(&mut ws, message, who);
    }

    let writer = ws.writer();
    for (i, message) in small.iter().enumerate() {
        let compress = match i % 2 {
            0 => Compress::Auto,
            _ => Compress::Never,
        };
        writer.send_with(message, compress).expect("open");
        expect(&mut ws, message, who);
    }

    for whole in [json_lines(100_000), chinese(100_000)] {
        // Cut inside characters: 1000 is no multiple of 3. The last fragment is empty.
        for piece in whole.as_bytes().chunks(1000) {
            ws.send_part(Kind::Text, piece, Part::More).expect("open");
        }
        ws.send_part(Kind::Text, b"", Part::Last).expect("open");
        expect(&mut ws, &MessageBuf::Text(whole), who);
    }

    ws.close(CloseCode::NORMAL, "").expect("a good end");
    assert_eq!(server.process.line("closed ").trim_end(), "1000", "{who}");

    let (sent, received) = (conversation.client.tally(), conversation.server.tally());
    let all = 2 + 2 * SMALL + 2;
    let counts = |tally: Tally| (tally.compressed, tally.plain);
    assert_eq!(counts(sent), (all - SMALL / 2, SMALL / 2), "{who}");
    assert_eq!(counts(received), (all, 0), "{who}");
    assert_eq!(sent.fragments, 200, "{who}");
    (sent, received)
}

fn client(server: &Theirs, path: &str, offer: Compression) -> (Client, Conversation) {
    let client = server
        .client(path)
        .deflate(deflate(offer.client, offer.server));
    Conversation::tapped(client)
}

/// How many bytes the same messages took, by the sender's window.
#[derive(Default)]
struct Sizes {
    sent: Vec<(Direction, usize)>,
    received: Vec<(Direction, usize)>,
}

impl Sizes {
    fn add(&mut self, terms: &Compression, sent: Tally, received: Tally) {
        self.sent.push((terms.client, sent.bytes));
        self.received.push((terms.server, received.bytes));
    }

    /// The more of what was sent before may be referred to, the fewer bytes it takes.
    fn check(&self, who: &str) {
        for (way, sizes) in [("sent", &self.sent), ("received", &self.received)] {
            let of = |bits, takeover| {
                let wanted = direction(bits, takeover);
                let same = sizes.iter().filter(|(direction, _)| *direction == wanted);
                let (least, most) = (same.clone().min_by_key(|x| x.1), same.max_by_key(|x| x.1));
                assert_eq!(least, most, "{who}: {way}");
                least.expect("one of each").1
            };
            let kept = WINDOWS.map(|bits| of(bits, Takeover::Kept));
            let off = WINDOWS.map(|bits| of(bits, Takeover::Off));
            println!("{who}: bytes {way} with takeover {kept:?}, without {off:?}");
            assert!(kept.is_sorted_by(|a, b| a > b), "{who}: {way}");
            assert!(off.is_sorted_by(|a, b| a > b), "{who}: {way}");
            assert!(
                kept.iter().zip(&off).all(|(kept, off)| kept < off),
                "{who}: {way}"
            );
        }
    }
}

// ---- Their clients, our server ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn clients_choose() {
    for wanted in some_terms() {
        clients_pass(&option(&wanted), FULL, Some(wanted));
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn clients_grant_what_is_answered() {
    for bounds in some_terms() {
        clients_pass("--deflate=", bounds, Some(answered(bounds)));
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn clients_have_their_defaults() {
    clients_pass("--deflate", FULL, Some(FULL));
}

/// Ours is no better at 8 bits than zlib is.
#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn clients_are_not_promised_a_window_of_8_bits() {
    clients_pass("--deflate=server_max_window_bits=8", FULL, None);
}

fn clients_pass(option: &str, bounds: Compression, wanted: Option<Compression>) {
    let python = &mut python("websockets_client.py");
    passes_with(python.arg(option), 0, bounds, wanted);
    passes_with(node("ws_client.js").arg(option), PLAIN, bounds, wanted);
}

/// How many messages `ws_client.js` sends that are not to be compressed.
const PLAIN: usize = 334;

/// What a peer's client sends at least, in messages.
const SENT: usize = 1030;

fn passes_with(
    client: &mut Command,
    plain: usize,
    bounds: Compression,
    wanted: Option<Compression>,
) {
    let server = start(bounds, 1 << 20);
    let limited = start(bounds, LIMIT);
    let relay = Relay::to(server.address);
    let urls = [relay.address, limited.address].map(|address| format!("ws://{address}"));
    let (status, said) = Process::start(client.args(urls)).finish();
    assert!(status.success(), "{status}:\n{said}");
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_ne!(checks, 0, "no checks:\n{said}");

    for conversation in relay.websockets() {
        assert_eq!(agreed(&conversation), wanted);
    }
    let sent = relay.total(|conversation| &conversation.client);
    let answered = relay.total(|conversation| &conversation.server);
    println!("{wanted:?}: {checks} checks; sent {sent}; answered {answered}");
    assert!(sent.compressed + sent.plain >= SENT, "{sent}");
    // More than five million bytes, when they are not.
    let least = sent.bytes.min(answered.bytes);
    let most = sent.bytes.max(answered.bytes);
    if wanted.is_some() {
        assert_eq!((sent.plain, answered.plain), (plain, 0));
        assert!(most < 2 * MILLION, "{most}");
    } else {
        assert_eq!((sent.compressed, answered.compressed), (0, 0));
        assert!(least > 5 * MILLION, "{least}");
    }
    assert!(sent.fragments >= 300, "{sent}");

    assert_eq!(server.broken_rules(), []);
    let too_big = ProtocolError::MessageTooBig { limit: LIMIT };
    assert_eq!(limited.broken_rules(), [too_big; 3]);
}

// ---- Chromium, our server ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn browser_compresses() {
    let mut browser = Browser::start();
    for bounds in all_terms() {
        let server = start(bounds, 4 << 20);
        let relay = Relay::to(server.address);
        let tab = browser.open(&format!("http://{}/", relay.address));
        browser.wait_for(&tab, "document.title === 'Echo'");
        let conversation = browser.evaluate(&tab, CONVERSATION);
        let said = &conversation["extensions"];
        let extension = said.as_str().expect("a list of extensions");
        assert_eq!(terms(extension), Some(answered(bounds)), "{extension}");
        assert_eq!(conversation["wrong"], json!([]), "{extension}");
        assert_eq!(conversation["right"], 3 + SMALL, "{extension}");
        assert_eq!(conversation["clean"], true, "{extension}");
        browser.close(&tab);

        let sent = relay.total(|conversation| &conversation.client);
        let answered = relay.total(|conversation| &conversation.server);
        println!("{extension}: sent {sent}; answered {answered}");
        for tally in [sent, answered] {
            assert_eq!((tally.compressed, tally.plain), (3 + SMALL, 0));
            assert!(tally.bytes < 3 * MILLION, "{extension}: {tally}");
        }
        assert_eq!(server.broken_rules(), []);
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

/// A million characters of JSON, of Chinese and of one letter, then many small messages at once;
/// each is to come back.
const CONVERSATION: &str = r#"
    new Promise((resolve, reject) => {
        const lines = Array.from({ length: 40_000 }, (_, i) =>
            `{"id": ${i}, "name": "n${(i * 7919) % 1009}"}\n`);
        const chinese = Array.from({ length: 1_000_000 }, (_, i) =>
            String.fromCharCode(0x4e00 + ((i * i) % 4099) % 997));
        const sent = [
            lines.join('').slice(0, 1_000_000),
            chinese.join(''),
            'x'.repeat(1_000_000),
            ...lines.slice(0, 600),
        ];
        const ws = new WebSocket(`ws://${location.host}/echo`);
        const wrong = [];
        let received = 0;
        ws.onopen = () => sent.forEach((message) => ws.send(message));
        ws.onerror = () => reject(new Error('broken'));
        ws.onmessage = ({ data }) => {
            if (data !== sent[received]) wrong.push(received);
            received += 1;
            if (received === sent.length) ws.close(1000);
        };
        ws.onclose = ({ wasClean }) => resolve({
            extensions: ws.extensions,
            right: received - wrong.length,
            wrong,
            clean: wasClean,
        });
    })
"#;

// ---- What is agreed on ----

const WINDOWS: [u8; 3] = [9, 12, 15];

const FULL: Compression = same(Direction::FULL);

/// Each window and takeover, each way.
fn all_terms() -> impl Iterator<Item = Compression> {
    let directions = WINDOWS
        .into_iter()
        .flat_map(|bits| [Takeover::Kept, Takeover::Off].map(|takeover| direction(bits, takeover)));
    let clients = directions.clone();
    directions.flat_map(move |server| {
        let clients = clients.clone();
        clients.map(move |client| Compression { server, client })
    })
}

/// Each window and takeover once each way, and never the same both ways.
fn some_terms() -> impl Iterator<Item = Compression> {
    let terms = all_terms().enumerate();
    let across = terms.filter(|(i, _)| i % 6 == 5 - i / 6);
    across.map(|(_, terms)| terms)
}

const fn same(direction: Direction) -> Compression {
    Compression {
        server: direction,
        client: direction,
    }
}

fn direction(bits: u8, takeover: Takeover) -> Direction {
    let window = WindowBits::new(bits).expect("DEFLATE has it");
    Direction { window, takeover }
}

/// What a server of theirs grants a client of ours: of what we send we ask nothing.
fn asked(offer: Compression) -> Compression {
    let client = Direction::FULL;
    Compression { client, ..offer }
}

/// What a server of ours answers to one that asks for nothing: of what we send we say nothing.
fn answered(bounds: Compression) -> Compression {
    let server = Direction::FULL;
    Compression { server, ..bounds }
}

/// Compresses every message, however short it is.
fn deflate(send: Direction, receive: Direction) -> Deflate {
    let mut deflate = Deflate::DEFAULT;
    (deflate.send, deflate.receive) = (send, receive);
    deflate.min_len = 0;
    deflate
}

fn start(bounds: Compression, max_message: u64) -> Ours {
    let mut limits = Limits::DEFAULT;
    limits.max_message = max_message;
    let page = "<!doctype html><title>Echo</title><link rel=icon href='data:,'>";
    Ours::start(|server| {
        let server = server
            .limits(limits)
            .deflate(deflate(bounds.server, bounds.client));
        server.get("/", move |_| Response::html(page))
    })
}

/// The option of the peers' programs.
fn option(terms: &Compression) -> String {
    let mut option = "--deflate=".to_owned();
    for (side, direction) in [("server", terms.server), ("client", terms.client)] {
        option += &format!("{side}_max_window_bits={},", direction.window.get());
        if direction.takeover == Takeover::Off {
            option += &format!("{side}_no_context_takeover,");
        }
    }
    option
}

/// What the server's head says was agreed on.
fn agreed(conversation: &Conversation) -> Option<Compression> {
    terms(&conversation.server.header("Sec-WebSocket-Extensions")?)
}

/// What the text of an answer says; `None` if it speaks of something else.
fn terms(extension: &str) -> Option<Compression> {
    let mut words = extension.split(';').map(str::trim);
    if words.next() != Some("permessage-deflate") {
        return None;
    }
    let mut terms = FULL;
    for word in words {
        let (name, bits) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "server_no_context_takeover" => terms.server.takeover = Takeover::Off,
            "client_no_context_takeover" => terms.client.takeover = Takeover::Off,
            "server_max_window_bits" => terms.server.window = WindowBits::new(bits.parse().ok()?)?,
            "client_max_window_bits" => terms.client.window = WindowBits::new(bits.parse().ok()?)?,
            _ => return None,
        }
    }
    Some(terms)
}

// ---- What is said ----

/// A line of JSON, of names that come again sooner or later.
fn line(i: usize) -> String {
    let (id, name, score) = (i, i * i * 7919 % 1009, i * 104_729 % 997);
    format!("{{\"id\": {id}, \"name\": \"n{name}\", \"tags\": [\"t{score}\", \"t{name}\"]}}\n")
}

/// As many lines as fit into `len` bytes, and a part of one.
fn json_lines(len: usize) -> String {
    let mut text: String = (0..=len / 30).map(line).collect();
    text.truncate(len);
    text
}

/// `len` bytes of Chinese, less what is no whole character: phrases out of the first lines of a
/// book that children learned by heart.
fn chinese(len: usize) -> String {
    let book: Vec<char> = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳\
        云腾致雨露结为霜金生丽水玉出昆冈剑号巨阙珠称夜光果珍李柰菜重芥姜海咸河淡鳞潜羽翔"
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let phrases = (0_usize..).flat_map(|i| {
        let at = i * i * 7919 % 1009 % (book.len() - 4);
        book[at..at + 4].to_vec()
    });
    phrases.take(len / 3).collect()
}
