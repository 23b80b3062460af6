//! What peers said, from the first byte of the head on.

use ws_proto::handshake::{Compression, Direction, Key, Offer, Request, RequestError, Takeover};
use ws_proto::{Deflate, Kind, Limits, Part, Role, Session};
use ws_testkit::{Action, Script, Setup, Step};

/// What a peer said to an endpoint of ours.
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) setup: Setup,
    pub(crate) compression: Option<Compression>,
    pub(crate) wire: Vec<u8>,
    /// Where the frames begin.
    pub(crate) opened: usize,
}

impl Recording {
    /// `frames` behind the head that `setup`'s peer begins with.
    fn new(name: impl Into<String>, setup: Setup, frames: &[u8]) -> Self {
        Self::compressed(name, setup, None, frames)
    }

    fn compressed(
        name: impl Into<String>,
        mut setup: Setup,
        compression: Option<Compression>,
        frames: &[u8],
    ) -> Self {
        setup.echo = true;
        // The core queues nothing, and so never refuses for that.
        setup.limits.max_unsent = usize::MAX;
        let request = request(compression);
        let head = match setup.role {
            Role::Server => request,
            Role::Client => accepted(&request, compression).expect("it is ours").0,
        };
        Self {
            name: name.into(),
            setup,
            compression,
            opened: head.len(),
            wire: [&head, frames].concat(),
        }
    }
}

pub(crate) const KEY: Key = Key::new(*b"the sample nonce");

pub(crate) fn offer(compression: Option<Compression>) -> Offer<'static> {
    let offer = Offer::new("server.example.com", "/chat?with=all").expect("a good one");
    offer.compression(compression)
}

/// What a browser asks.
fn request(compression: Option<Compression>) -> Vec<u8> {
    let headers = &[
        ("User-Agent", "Mozilla/5.0"),
        ("Accept-Language", "en-GB,en;q=0.9"),
    ];
    let offer = offer(compression).headers(headers).expect("good ones");
    let mut out = vec![0; 1024];
    let len = offer.encode(&KEY, &mut out).expect("room");
    out.truncate(len);
    out
}

/// The answer to it, and what was agreed on.
pub(crate) fn accepted(
    request: &[u8],
    ours: Option<Compression>,
) -> Result<(Vec<u8>, Option<Compression>), RequestError> {
    let request = Request::parse(request)?;
    let agreed = match ours {
        Some(ours) => ours.agree(request.extensions())?,
        None => None,
    };
    let mut out = vec![0; 1024];
    let accept = request.accept()?.compression(agreed);
    let len = accept.encode(&mut out).expect("room");
    out.truncate(len);
    Ok((out, agreed.map(|agreed| agreed.compression())))
}

pub(crate) fn session(setup: &Setup, agreed: &Compression) -> Session {
    let mut settings = Deflate::default();
    settings.min_len = 4;
    settings.send = Direction::FULL;
    setup.session().compressed(&settings, agreed)
}

/// The transcripts, two handshakes that fail, and conversations that are compressed.
pub(crate) fn recordings() -> Vec<Recording> {
    let scripts = Script::all().into_iter().map(|script| {
        let pieces = script.lines.iter().filter_map(|line| match &line.step {
            Step::Do(Action::In(bytes)) => Some(bytes.as_slice()),
            _ => None,
        });
        let frames = pieces.collect::<Vec<_>>().concat();
        Recording::new(script.name, script.setup, &frames)
    });
    let mut all: Vec<_> = scripts
        .filter(|it| it.wire.len() - it.opened <= 300)
        .collect();
    for role in [Role::Server, Role::Client] {
        for (from, to) in [
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("\r\nConnection", "\r\n\tConnection"),
        ] {
            let mut broken = Recording::new(format!("{to:?}"), Setup::new(role), b"\x81\x00");
            let text = String::from_utf8(broken.wire[..broken.opened].into()).expect("ASCII");
            let frames = broken.wire.split_off(broken.opened);
            let head = text.replacen(from, to, 1);
            broken.opened = head.len();
            broken.wire = [head.as_bytes(), &frames].concat();
            all.push(broken);
        }
        all.push(large(role));
        for takeover in [Takeover::Off, Takeover::Kept] {
            let window = Deflate::DEFAULT.send.window;
            let direction = Direction { window, takeover };
            let both = Compression {
                server: direction,
                client: direction,
            };
            all.extend(compressed(role, both));
        }
    }
    all
}

/// Messages that are read straight into memory of their own, because reads are small.
fn large(role: Role) -> Recording {
    let mut setup = Setup::new(role);
    setup.limits.read_buffer = Limits::MIN_READ;
    let mask = (role == Role::Server).then_some(ws_testkit::KEY);
    let frame = |first, payload: &[u8]| ws_testkit::frame(first, mask, payload);
    let text = "天地玄黃".repeat(60);
    let frames = [
        frame(0x81, text.as_bytes()),
        frame(0x89, b"behind it"),
        frame(0x02, &[7; 600]),
        frame(0x89, b"within"),
        frame(0x80, &[8; 600]),
    ];
    Recording::new("large ones", setup, &frames.concat())
}

fn compressed(role: Role, agreed: Compression) -> Vec<Recording> {
    let peer = match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    };
    let setup = Setup::new(role);
    let told = |what: &str, tell: &dyn Fn(&mut Session)| {
        let mut peer = session(&Setup::new(peer), &agreed);
        tell(&mut peer);
        let frames = peer.unsent().to_vec();
        Recording::compressed(format!("{what}, {agreed:?}"), setup, Some(agreed), &frames)
    };
    let text = "天地玄黃，宇宙洪荒。".repeat(3);
    vec![
        told("messages", &|peer| {
            for text in [&text, "short", "", &text] {
                peer.send(text).expect("room");
            }
            peer.send(&[7; 200]).expect("room");
        }),
        told("fragments", &|peer| {
            let out = peer.halves().1;
            for piece in text.as_bytes().chunks(31) {
                out.send_part(Kind::Text, piece, Part::More).expect("room");
            }
            out.send_part(Kind::Text, b"", Part::Last).expect("room");
            peer.send(&*text).expect("room");
        }),
        told("a ping and a close", &|peer| {
            peer.send(&*text).expect("room");
            peer.ping(b"there?").expect("open");
            peer.close(None).expect("open");
        }),
        {
            // A text that is none and too long as well: the first byte says so first.
            let mut wrong = told("no text", &|peer| peer.send(&[0xFF; 200]).expect("room"));
            wrong.wire[wrong.opened] = 0xC1;
            wrong.setup.limits.max_message = 50;
            wrong
        },
        {
            let mut wrong = told("no DEFLATE", &|peer| peer.send(&*text).expect("room"));
            let middle = usize::midpoint(wrong.opened, wrong.wire.len());
            wrong.wire[middle..].fill(0xFF);
            wrong
        },
    ]
}
