//! One connection: its namespaces, its events and their acknowledgements, for both roles.
//!
//! A [`Connection`] uses a session of Engine.IO and does not own it: packets to send go to a
//! [`Sink`], a packet with all its attachments or nothing of it.

mod acks;
mod early;
mod error;
mod event;
mod namespaces;
mod receive;
mod recovery;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::value::RawValue;
use ws_proto::{Instant, Message, Role};

use self::early::Early;
use self::namespaces::{Membership, Namespaces};
use self::receive::{by_client, by_server};
use self::recovery::quoted;
use crate::assembly::Assembly;
use crate::encoded::{Encoded, What};
use crate::engine::{Client, SendError, Session};
use crate::header::{Header, Kind};
use crate::limits::Limits;

pub use acks::{Silence, Token, Unanswered};
pub use error::{EmitError, Violation};
pub use event::{AckId, Event};
pub use recovery::Recovery;

/// Takes the packets that a connection sends. It is implemented by sessions, or by a list in a
/// test.
pub trait Sink {
    /// Takes the messages of one packet, all or none of them.
    ///
    /// # Errors
    ///
    /// None was taken.
    fn put(&mut self, packet: &[Message<'_>]) -> Result<(), SendError>;
}

impl Sink for Session {
    fn put(&mut self, packet: &[Message<'_>]) -> Result<(), SendError> {
        self.send_all(packet)
    }
}

impl Sink for Client {
    fn put(&mut self, packet: &[Message<'_>]) -> Result<(), SendError> {
        self.send_all(packet)
    }
}

/// One connection, at the server's or the client's end.
///
/// | | server | client |
/// |---|---|---|
/// | to join | [`accept`](Self::accept), [`refuse`](Self::refuse) | [`connect`](Self::connect) |
/// | to speak | [`emit`](Self::emit), [`ask`](Self::ask), [`answer`](Self::answer) | the same |
/// | to leave | [`leave`](Self::leave) | the same |
/// | what comes | [`receive`](Self::receive) | and [`early`](Self::early) after each `Connected` |
/// | time | [`check`](Self::check) when [`deadline`](Self::deadline) has come, then [`unanswered`](Self::unanswered) | the same |
///
/// ```
/// use sio_proto::engine::SendError;
/// use sio_proto::{Connection, Encoded, Event, Instant, Limits, Message, Sink};
///
/// struct Sent(Vec<String>);
/// impl Sink for Sent {
///     fn put(&mut self, packet: &[Message<'_>]) -> Result<(), SendError> {
///         self.0.extend(packet[0].as_text().map(String::from));
///         Ok(())
///     }
/// }
///
/// let (now, mut out) = (Instant::default(), Sent(Vec::new()));
/// let mut server = Connection::server(&Limits::default(), now);
/// let Some(Event::Connect { namespace, .. }) = server.receive(Message::Text("0"), now)? else { panic!() };
/// let namespace = namespace.to_owned();
/// server.accept(&namespace, "wZX3oN0bSVIhsaknAAAI", None, &mut out)?;
///
/// let message = Message::Text(r#"27["add",1,2]"#);
/// let Some(Event::Event { args, ack: Some(ack), .. }) = server.receive(message, now)? else { panic!() };
/// let (a, b): (u32, u32) = args.all()?;
/// server.answer("/", ack, &Encoded::ack().arg(&(a + b))?, &mut out)?;
/// assert_eq!(out.0, [r#"0{"sid":"wZX3oN0bSVIhsaknAAAI"}"#, "37[3]"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    role: Role,
    assembly: Assembly,
    namespaces: Namespaces,
    /// Until when a client has to be in some namespace.
    connect_by: Option<Instant>,
    /// The event that `early` lent out last, and its namespace.
    lent: Option<Box<(String, Early)>>,
}

impl Connection {
    /// Makes the server's end of a connection.
    #[must_use]
    pub fn server(limits: &Limits, now: Instant) -> Self {
        let connect_by = Some(now.after(limits.connect_timeout));
        Self::new(Role::Server, limits, connect_by)
    }

    /// Makes the client's end of a connection.
    #[must_use]
    pub fn client(limits: &Limits) -> Self {
        Self::new(Role::Client, limits, None)
    }

    fn new(role: Role, limits: &Limits, connect_by: Option<Instant>) -> Self {
        Self {
            role,
            assembly: Assembly::new(limits),
            namespaces: Namespaces::new(limits),
            connect_by,
            lent: None,
        }
    }

    /// Takes a message of the session, and returns what it means. `None` if nothing concerns the
    /// application.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol: close the session, then [`close`](Self::close) this.
    pub fn receive<'b>(
        &'b mut self,
        message: Message<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        let Some(packet) = self.assembly.receive(message, now)? else {
            return Ok(None);
        };
        let event = match self.role {
            Role::Server => by_client(&mut self.namespaces, packet)?,
            Role::Client => by_server(&mut self.namespaces, packet)?,
        };
        match event {
            Some(Event::Connect { .. }) => self.connect_by = None,
            Some(Event::Left { .. }) => {
                rearm(self.role, &self.namespaces, &mut self.connect_by, now);
            }
            _ => {}
        }
        Ok(event)
    }

    /// Returns the next event that reached a client before it had joined the namespace. Call it
    /// after each [`Connected`](Event::Connected) until it returns `None`.
    pub fn early(&mut self) -> Option<Event<'_>> {
        self.lent = None;
        let (namespace, stay, early) = self.namespaces.next_early()?;
        let (namespace, early) = &**self.lent.insert(Box::new((namespace.into(), early)));
        let (name, args) = early.parts()?;
        Some(Event::Event {
            namespace,
            name,
            args,
            ack: early.id.map(|id| AckId { id, stay }),
        })
    }

    /// Lets a client in, under this id, which is not that of its session. With a `pid` the client
    /// can come back: it is as secret as the id of a session.
    ///
    /// # Errors
    ///
    /// [`NotJoined`](EmitError::NotJoined) if the client has not asked to join, or the session's
    /// error.
    pub fn accept(
        &mut self,
        namespace: &str,
        sid: &str,
        pid: Option<&str>,
        out: &mut impl Sink,
    ) -> Result<(), EmitError> {
        let asked = self.namespaces.connecting(namespace)?;
        let pid = pid.map_or_else(String::new, |pid| format!(r#","pid":{}"#, quoted(pid)));
        let data = format!(r#"{{"sid":{}{pid}}}"#, quoted(sid));
        put(Kind::Connect, namespace, &data, out)?;
        asked.membership = Membership::Joined;
        Ok(())
    }

    /// Refuses to let a client in, and says why. `data` is JSON of any kind.
    ///
    /// # Errors
    ///
    /// [`NotJoined`](EmitError::NotJoined) if the client has not asked to join, or the session's
    /// error.
    pub fn refuse(
        &mut self,
        namespace: &str,
        message: &str,
        data: Option<&RawValue>,
        out: &mut impl Sink,
        now: Instant,
    ) -> Result<(), EmitError> {
        self.namespaces.connecting(namespace)?;
        let data = data.map_or_else(String::new, |data| format!(r#","data":{data}"#));
        let why = format!(r#"{{"message":{}{data}}}"#, quoted(message));
        put(Kind::ConnectError, namespace, &why, out)?;
        self.namespaces.refuse(namespace);
        rearm(self.role, &self.namespaces, &mut self.connect_by, now);
        Ok(())
    }

    /// Asks a server to let this client into a namespace, with credentials if there are any: a JSON
    /// object, fresh each time. With what [`recovery`](Self::recovery) returned on the last
    /// connection, the server can restore the client's state.
    ///
    /// # Errors
    ///
    /// [`EmitError`]: nothing was asked.
    pub fn connect(
        &mut self,
        namespace: &str,
        auth: Option<&RawValue>,
        recovery: Option<&Recovery>,
        out: &mut impl Sink,
    ) -> Result<(), EmitError> {
        check_namespace(namespace)?;
        let auth = auth.map_or("", RawValue::get);
        if !auth.is_empty() && !auth.starts_with('{') {
            return Err(EmitError::Data);
        }
        self.namespaces
            .connect(namespace)
            .map_err(|why| match why {
                Violation::TooManyNamespaces { limit } | Violation::TooManyConnecting { limit } => {
                    EmitError::TooManyNamespaces { limit }
                }
                _ => EmitError::JoinedAlready,
            })?;
        let data = recovery.map_or(Cow::Borrowed(auth), |back| back.with_auth(auth).into());
        let asked = put(Kind::Connect, namespace, &data, out);
        if asked.is_err() {
            self.namespaces.refuse(namespace);
        }
        asked
    }

    /// Returns what a client needs to restore its state in this namespace on another connection.
    #[must_use]
    pub fn recovery(&self, namespace: &str) -> Option<&Recovery> {
        self.namespaces.find(namespace)?.recovery.as_ref()
    }

    /// Sends an event.
    ///
    /// # Errors
    ///
    /// [`EmitError`]: nothing was sent.
    pub fn emit(
        &mut self,
        namespace: &str,
        event: &Encoded,
        out: &mut impl Sink,
    ) -> Result<(), EmitError> {
        self.namespaces.joined(namespace)?;
        put_encoded(What::Event, event, namespace, None, out)
    }

    /// Sends an event that the peer has to answer before `until`. The token comes back once: in an
    /// [`Acked`](Event::Acked), or from [`unanswered`](Self::unanswered).
    ///
    /// # Errors
    ///
    /// [`EmitError`]: nothing was sent, and the token is free.
    pub fn ask(
        &mut self,
        namespace: &str,
        event: &Encoded,
        token: Token,
        until: Instant,
        out: &mut impl Sink,
    ) -> Result<(), EmitError> {
        let limit = self.namespaces.limits.max_acks;
        let id = self.namespaces.next_id();
        let acks = &mut self.namespaces.joined(namespace)?.acks;
        if acks.len() >= limit {
            return Err(EmitError::TooManyAcks { limit });
        }
        put_encoded(What::Event, event, namespace, Some(id), out)?;
        acks.asked(id, token, until);
        self.namespaces.asked();
        Ok(())
    }

    /// Answers an event.
    ///
    /// # Errors
    ///
    /// [`NotJoined`](EmitError::NotJoined) if the namespace has been left since, or the error of
    /// the session.
    pub fn answer(
        &mut self,
        namespace: &str,
        ack: AckId,
        answer: &Encoded,
        out: &mut impl Sink,
    ) -> Result<(), EmitError> {
        if self.namespaces.joined(namespace)?.stay != ack.stay {
            return Err(EmitError::NotJoined);
        }
        put_encoded(What::Ack, answer, namespace, Some(ack.id), out)
    }

    /// Leaves a namespace, or removes a client from it. Packets that still arrive for it are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`NotJoined`](EmitError::NotJoined), or the session's error.
    pub fn leave(
        &mut self,
        namespace: &str,
        out: &mut impl Sink,
        now: Instant,
    ) -> Result<(), EmitError> {
        self.namespaces.joined(namespace)?;
        put(Kind::Disconnect, namespace, "", out)?;
        self.namespaces.leave(namespace);
        rearm(self.role, &self.namespaces, &mut self.connect_by, now);
        Ok(())
    }

    /// Ends the connection after its session has ended: it leaves all namespaces, and no question
    /// will be answered.
    pub fn close(&mut self) {
        self.namespaces.leave_all();
        self.connect_by = None;
    }

    /// Whether events may be sent to this namespace and received from it.
    #[must_use]
    pub fn is_joined(&self, namespace: &str) -> bool {
        let found = self.namespaces.find(namespace);
        found.is_some_and(|found| found.membership == Membership::Joined)
    }

    /// The time at which [`check`](Self::check) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.assembly.deadline(),
            self.namespaces.deadline(),
            self.connect_by,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Checks what is late. Then [`unanswered`](Self::unanswered) returns the late questions.
    ///
    /// # Errors
    ///
    /// The peer is late: close the session.
    pub fn check(&mut self, now: Instant) -> Result<(), Violation> {
        self.namespaces.check(now);
        self.assembly.check(now)?;
        match self.connect_by {
            Some(until) if until <= now => Err(Violation::ConnectTimeout),
            _ => Ok(()),
        }
    }

    /// The next question to which no answer will come.
    pub fn unanswered(&mut self) -> Option<Unanswered> {
        self.namespaces.next_unanswered()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("assembly", &self.assembly)
            .finish_non_exhaustive()
    }
}

/// A client that is in no namespace has so long to join one.
fn rearm(role: Role, namespaces: &Namespaces, connect_by: &mut Option<Instant>, now: Instant) {
    if role == Role::Server && namespaces.is_idle() {
        *connect_by = Some(now.after(namespaces.limits.connect_timeout));
    }
}

/// Whether a namespace comes through as it is.
fn check_namespace(namespace: &str) -> Result<(), EmitError> {
    let fits = |char: char| !char.is_control() && !",?".contains(char);
    let is_name = namespace.starts_with('/') && namespace.chars().all(fits);
    if !is_name || namespace.len() > Header::MAX_NAMESPACE {
        return Err(EmitError::Namespace);
    }
    Ok(())
}

/// Sends a packet without attachments.
fn put(kind: Kind, namespace: &str, payload: &str, out: &mut impl Sink) -> Result<(), EmitError> {
    let header = Header {
        kind,
        attachments: 0,
        namespace,
        query: None,
        id: None,
        payload,
    };
    let mut text = String::new();
    header.encode(&mut text);
    Ok(out.put(&[Message::Text(&text)])?)
}

fn put_encoded(
    what: What,
    encoded: &Encoded,
    namespace: &str,
    id: Option<u64>,
    out: &mut impl Sink,
) -> Result<(), EmitError> {
    if encoded.what() != what {
        return Err(EmitError::Kind);
    }
    let (text, attachments) = encoded.packet(namespace, id);
    let attachments = attachments.iter().map(|bytes| Message::Binary(bytes));
    let packet: Vec<_> = [Message::Text(&text)]
        .into_iter()
        .chain(attachments)
        .collect();
    Ok(out.put(&packet)?)
}
