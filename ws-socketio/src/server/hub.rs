//! All sessions of a server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sio_proto::engine::{Binary, Refusal, Session, Sid, Transport};
use tokio::sync::watch;
use ws_http::{Admission, Request};

use super::config::Config;
use super::halls::Halls;
use super::link::Link;
use super::namespace::Hall;
use super::socket::Socket;
use crate::clock::Clock;
use crate::reason::Reason;

/// What a server's tasks share.
pub(super) struct Hub {
    pub(super) config: Config,
    halls: Arc<Halls>,
    sessions: Mutex<Sessions>,
    /// How many sessions there are.
    count: watch::Sender<usize>,
}

struct Sessions {
    links: HashMap<Sid, Arc<Link>>,
    /// The ids of sessions by the numbers that they were admitted with, once they are open.
    numbers: HashMap<u64, Option<Sid>>,
    admission: Admission,
}

/// Random bytes, as long as half of all ids.
pub(super) fn entropy() -> [u8; 15] {
    let mut bytes = [0; 15];
    // An id that can be guessed is worse than no server.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

impl Hub {
    pub(super) fn new(config: Config, halls: Arc<Halls>) -> Arc<Self> {
        let sessions = Sessions {
            links: HashMap::new(),
            numbers: HashMap::new(),
            admission: Admission::new(config.quota),
        };
        let hub = Arc::new(Self {
            config,
            halls: Arc::clone(&halls),
            sessions: Mutex::new(sessions),
            count: watch::Sender::new(0),
        });
        halls.has(&hub);
        hub
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client begin a session, and says under which number. One of those that are in no
    /// namespace yet may have to give way.
    pub(super) fn admit(&self, peer: Option<SocketAddr>) -> Result<u64, Refusal> {
        if self.halls.is_stopping() {
            return Err(Refusal::TooMany);
        }
        let mut sessions = self.sessions();
        let entered = sessions.admission.enter(peer.map(|peer| peer.ip()));
        let entered = entered.map_err(|_| Refusal::TooMany)?;
        let gives_way = entered.gives_way.and_then(|number| {
            let sid = sessions.numbers.remove(&number)??;
            sessions.links.get(&sid).cloned()
        });
        sessions.numbers.insert(entered.id, None);
        drop(sessions);
        if let Some(link) = gives_way {
            link.end(Reason::GaveWay);
        }
        Ok(entered.id)
    }

    /// A session that was admitted is in a namespace.
    pub(super) fn settled(&self, number: u64) {
        // One that gave way ends anyway.
        let _ = self.sessions().admission.open(number);
    }

    /// A client that was admitted did not open its session.
    pub(super) fn withdraw(&self, number: u64) {
        let mut sessions = self.sessions();
        sessions.numbers.remove(&number);
        sessions.admission.leave(number);
    }

    /// Opens a session for a client that was admitted.
    pub(super) fn open(
        self: &Arc<Self>,
        number: u64,
        by: Transport,
        binary: Binary,
        request: Request,
    ) -> Arc<Link> {
        let (sid, clock) = (Sid::new(entropy()), Clock::start());
        let engine = &self.config.engine;
        let session = Session::open(&sid, by, binary, Link::FIRST, engine, clock.now());
        let link = Link::new(Arc::clone(self), sid, number, request, clock, session);
        let link = Arc::new(link);
        let mut sessions = self.sessions();
        let gave_way = match sessions.numbers.get_mut(&number) {
            Some(admitted) => {
                *admitted = Some(sid);
                false
            }
            None => true,
        };
        sessions.links.insert(sid, Arc::clone(&link));
        if self.config.raw.is_some() {
            // There is no namespace that it could be in.
            let _ = sessions.admission.open(number);
        }
        self.count.send_replace(sessions.links.len());
        drop(sessions);
        // Admitted before the server had to stop, and opened after that.
        if self.halls.is_stopping() {
            link.end(Reason::Shutdown);
        } else if gave_way {
            link.end(Reason::GaveWay);
        }
        link
    }

    /// A session is over, and nothing is due.
    pub(super) fn forget(&self, link: &Link) {
        let mut sessions = self.sessions();
        sessions.links.remove(&link.sid);
        sessions.numbers.remove(&link.number);
        sessions.admission.leave(link.number);
        self.count.send_replace(sessions.links.len());
    }

    pub(super) fn find(&self, sid: &Sid) -> Option<Arc<Link>> {
        self.sessions().links.get(sid).cloned()
    }

    pub(super) fn enter(
        &self,
        namespace: &str,
        enter: impl FnOnce(Arc<Hall>) -> Socket,
    ) -> Option<Socket> {
        self.halls.enter(namespace, enter)
    }

    pub(super) fn tidy(&self, hall: &Hall) {
        self.halls.tidy(hall);
    }

    /// Ends all sessions.
    pub(super) fn end_all(&self) {
        let links: Vec<_> = self.sessions().links.values().cloned().collect();
        for link in links {
            link.end(Reason::Shutdown);
        }
    }

    /// Waits until the server has to stop.
    pub(super) async fn stopped(&self) {
        self.halls.stopped().await;
    }

    /// Waits until no session is left.
    pub(super) async fn emptied(&self) {
        let mut count = self.count.subscribe();
        drop(count.wait_for(|count| *count == 0).await);
    }
}
