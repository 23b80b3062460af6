//! Requests of a session: what the session answers, and when (Engine.IO 4, "HTTP long-polling").

use ws_proto::Instant;

use super::config::Upgrades;
use super::transmit::Carrier;
use super::{Body, CLOSE, NOOP, OK, Posting, Reply, Rival, Session, State};
use crate::engine::error::ProtocolError;
use crate::engine::packet::{Data, Packet};
use crate::engine::payload::Payload;
use crate::engine::query::Content;
use crate::engine::reason::Reason;
use crate::engine::refusal::Refusal;

impl Session {
    /// Takes a GET of this session, and answers it at once or holds it. A second GET while one is
    /// held ends the session.
    pub fn get(&mut self, request: Carrier, now: Instant) {
        self.unused = None;
        match self.state {
            State::Polling | State::Probing(_) if self.held.is_some() => {
                self.refuse(request, Refusal::Overlap);
                self.end(ProtocolError::Overlap.into(), now);
            }
            State::Polling | State::Probing(_) => self.held = Some(request),
            State::Upgrading(_) => self.answer(request, NOOP),
            State::WebSocket(_) => self.refuse(request, Refusal::BadRequest),
            State::Closing(None, _) => {
                self.outbox.push_control(CLOSE);
                let body = self.outbox.join(u64::MAX, usize::MAX);
                self.replies.push_back(Reply::Answer(request, body.into()));
                self.end(Reason::Closed, now);
            }
            State::Closed(reason, Some(until)) if now < until => {
                self.answer(request, NOOP);
                self.state = State::Closed(reason, None);
            }
            State::Closing(..) | State::Closed(..) => self.refuse(request, Refusal::UnknownSid),
        }
    }

    /// Takes the head of a POST of this session, with the length in bytes that it declares, if any.
    /// If it is refused, its body need not be read. A second POST while one is being read ends the
    /// session.
    pub fn post(&mut self, request: Carrier, len: Option<u64>, content: Content, now: Instant) {
        self.unused = None;
        let wrong = match self.state {
            State::WebSocket(_) => return self.refuse(request, Refusal::BadRequest),
            State::Closing(..) | State::Closed(..) => {
                return self.refuse(request, Refusal::UnknownSid);
            }
            State::Polling | State::Probing(_) | State::Upgrading(_) => {
                let limit = self.config.max_payload;
                if self.posting.is_some() {
                    Some((Refusal::Overlap, ProtocolError::Overlap))
                } else if len.is_some_and(|len| len > limit) {
                    Some((Refusal::TooLarge, ProtocolError::TooLong { limit }))
                } else if content == Content::OctetStream {
                    Some((Refusal::BadRequest, ProtocolError::ContentType))
                } else {
                    None
                }
            }
        };
        if let Some((refusal, error)) = wrong {
            self.refuse(request, refusal);
            return self.end(error.into(), now);
        }
        self.posting = Some(Posting {
            request,
            until: now.after(self.config.body_timeout),
            body: Body::Awaited,
        });
    }

    /// Takes the body of a POST. Read its packets with [`step`](Self::step). `None` if the body was
    /// refused, or its session is over.
    ///
    /// When a body exceeds [`max_payload`](super::Config::max_payload), stop reading and pass what
    /// arrived: the session then refuses it as too long.
    #[must_use = "a POST is answered when its packets were read"]
    pub fn body<'b>(
        &mut self,
        request: Carrier,
        body: &'b [u8],
        now: Instant,
    ) -> Option<Payload<'b>> {
        let posting = (self.posting.as_mut()).filter(|posting| posting.request == request)?;
        match Payload::decode(body, self.config.max_payload) {
            Ok(payload) => {
                posting.body = Body::Here;
                Some(payload)
            }
            Err(error) => {
                self.end(error.into(), now);
                None
            }
        }
    }

    /// Returns the next message in the body of a POST. After the last, or when the session ends,
    /// the POST is answered.
    pub fn step<'b>(&mut self, payload: &mut Payload<'b>, now: Instant) -> Option<Data<'b>> {
        while let Some(posting) = self.posting {
            let Some(packet) = payload.next() else {
                self.posting = None;
                self.answer(posting.request, OK);
                break;
            };
            let packet = match packet {
                Ok(Packet::Upgrade) => Err(ProtocolError::Unexpected),
                packet => packet,
            };
            match packet.and_then(|packet| self.packet(packet, now)) {
                Ok(Some(data)) => return Some(data),
                Ok(None) => {}
                Err(error) => self.end(error.into(), now),
            }
        }
        None
    }

    /// Takes the request of a WebSocket to take over this session. If it may, open it; otherwise
    /// answer with the refusal, and forget the carrier.
    ///
    /// # Errors
    ///
    /// The refusal: the session has a WebSocket already, or is over.
    pub fn websocket(&mut self, socket: Carrier, now: Instant) -> Result<(), Refusal> {
        self.unused = None;
        match self.state {
            State::Polling if self.config.upgrades == Upgrades::Allowed => {
                let until = now.after(self.config.upgrade_timeout);
                self.state = State::Probing(Rival { socket, until });
                Ok(())
            }
            State::Closing(..) | State::Closed(..) => Err(Refusal::UnknownSid),
            _ => Err(Refusal::BadRequest),
        }
    }
}
