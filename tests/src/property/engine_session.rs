//! A server's session of Engine.IO: whatever happens to it, in whatever order.

use std::collections::BTreeSet;
use std::time::Duration;

use sio_proto::engine::{
    Binary, Carrier, Config, Content, Session, Sid, Transmit, Transport, Upgrades,
};
use sio_proto::{Instant, Message};

/// Every request is answered exactly once, on every path; nothing leaves on a WebSocket that is gone
/// or was hung up; what waits stays within its bound; and after the last deadline it is all over.
///
/// The input is a byte for the session, and two for each thing that happens: what, and how much of it.
///
/// # Panics
///
/// If not.
pub fn engine_session(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let mut world = World::new(choice);
    for &[what, how] in input.as_chunks().0.iter().take(200) {
        world.happen(what, how);
        world.drain();
    }
    world.finish();
}

struct World {
    session: Session,
    config: Config,
    now: Instant,
    carriers: u32,
    /// Requests that have no answer yet.
    open: BTreeSet<Carrier>,
    /// The POST that is being read.
    posting: Option<Carrier>,
    sockets: BTreeSet<Carrier>,
}

impl World {
    fn new(choice: u8) -> Self {
        let mut config = Config::default();
        config.max_payload = 64;
        config.max_unsent = 100;
        if choice & 1 != 0 {
            config.upgrades = Upgrades::Refused;
        }
        let binary = [Binary::Bare, Binary::Base64][usize::from(choice >> 1 & 1)];
        let by = [Transport::Polling, Transport::WebSocket][usize::from(choice >> 2 & 1)];
        let (now, carrier) = (Instant::default(), Carrier(0));
        let set = BTreeSet::from([carrier]);
        let (open, sockets) = match by {
            Transport::Polling => (set, BTreeSet::new()),
            Transport::WebSocket => (BTreeSet::new(), set),
        };
        let mut world = Self {
            session: Session::open(&Sid::new([choice; 15]), by, binary, carrier, &config, now),
            config,
            now,
            carriers: 0,
            open,
            posting: None,
            sockets,
        };
        world.drain();
        world
    }

    /// A new carrier, or for a request, one that is to be answered.
    fn carrier(&mut self) -> Carrier {
        self.carriers += 1;
        Carrier(self.carriers)
    }

    fn request(&mut self) -> Carrier {
        let carrier = self.carrier();
        self.open.insert(carrier);
        carrier
    }

    fn happen(&mut self, what: u8, how: u8) {
        const PACKETS: [&str; 16] = [
            "2probe",
            "5",
            "3",
            "4a",
            "4",
            "bAQI=",
            "6",
            "4b\u{1e}4c",
            "4a\u{1e}3",
            "1",
            "2",
            "0{}",
            "7",
            "",
            "bAQI",
            "\u{1e}",
        ];
        let (now, packet) = (self.now, PACKETS[usize::from(how % 16)]);
        match what % 16 {
            0..=2 => {
                let request = self.request();
                self.session.get(request, now);
            }
            3 | 4 => {
                let request = self.request();
                let len = [None, Some(u64::from(how))][usize::from(how & 1)];
                let content = if how == 255 {
                    Content::OctetStream
                } else {
                    Content::Text
                };
                self.session.post(request, len, content, now);
                self.posting = Some(request);
                if what % 16 == 3 {
                    self.body(packet);
                }
            }
            5 => self.body(packet),
            6 => {
                let socket = self.carrier();
                if self.session.websocket(socket, now).is_ok() {
                    self.sockets.insert(socket);
                }
            }
            7..=9 => {
                if let Some(&socket) = self.sockets.iter().nth(usize::from(how >> 4)) {
                    let _ = self.session.receive(socket, Message::Text(packet), now);
                } else if let Some(&socket) = self.sockets.first() {
                    let _ = self.session.receive(socket, Message::Binary(&[how]), now);
                }
            }
            10 | 11 => {
                let before = self.session.unsent();
                let message = vec![how; usize::from(how)];
                match self.session.send(message.as_slice()) {
                    Ok(()) => assert!(before < self.config.max_unsent),
                    Err(_) => assert_eq!(self.session.unsent(), before),
                }
            }
            12 => {
                // A request whose client hangs up needs no answer any more.
                if let Some(&carrier) = self.open.iter().nth(usize::from(how)) {
                    self.open.remove(&carrier);
                    self.session.gone(carrier, now);
                }
            }
            13 => {
                if let Some(socket) = self.sockets.pop_first() {
                    self.session.gone(socket, now);
                }
            }
            14 if how < 16 => self.session.close(now),
            _ => {
                self.now = now.after(Duration::from_millis(u64::from(how) * 100));
                self.session.check(self.now);
            }
        }
    }

    fn body(&mut self, body: &str) {
        let Some(request) = self.posting.take() else {
            return;
        };
        if let Some(mut payload) = self.session.body(request, body.as_bytes(), self.now) {
            while let Some(data) = self.session.step(&mut payload, self.now) {
                let _ = self.session.send(data.as_message());
            }
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Answer { to, .. } | Transmit::Refuse { to, .. } => {
                    assert!(self.open.remove(&to), "no such request: {transmit:?}");
                }
                Transmit::Frame { on, .. } => {
                    assert!(self.sockets.contains(&on), "{transmit:?}");
                }
                Transmit::HangUp { on, .. } => {
                    assert!(self.sockets.remove(&on), "{transmit:?}");
                }
            }
        }
        // One may be held, and one be read.
        assert!(self.open.len() <= 2, "{:?}: {:?}", self.open, self.session);
        assert!(
            self.sockets.len() <= 1,
            "{:?}: {:?}",
            self.sockets,
            self.session
        );
    }

    /// Nothing happens any more but time.
    fn finish(mut self) {
        for _ in 0..1000 {
            let Some(due) = self.session.deadline() else {
                break;
            };
            self.now = self.now.max(due);
            self.session.check(self.now);
            self.drain();
        }
        assert!(self.session.closed().is_some(), "{:?}", self.session);
        assert!(self.open.is_empty(), "{:?}: {:?}", self.open, self.session);
        assert!(self.sockets.is_empty(), "{:?}", self.session);
        assert_eq!(self.session.unsent(), 0);
    }
}
