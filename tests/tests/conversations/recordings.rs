//! What peers said, from the first byte of the head on.

use ws_proto::handshake::{Compression, Key, Offer, Request, RequestError};
use ws_proto::{Limits, Role};
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
    /// `frames` after the head that `setup`'s peer begins with.
    fn new(name: impl Into<String>, mut setup: Setup, frames: &[u8]) -> Self {
        let compression = setup.agreed();
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

/// The transcripts, two handshakes that fail, and large messages.
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
