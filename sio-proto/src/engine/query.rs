//! Requests: the method, and the parameters of the query (Engine.IO 4, "Query parameters").

use super::open::Sid;
use super::refusal::Refusal;

/// The method of a request, as far as it matters. `OPTIONS` belongs to CORS and does not come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A GET that asks for nothing but its answer.
    Get,
    /// A GET that asks to become a WebSocket, or its equivalent over HTTP/2.
    WebSocket,
    /// A POST.
    Post,
    /// Any other.
    Other,
}

/// The transport that carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Requests that are held.
    Polling,
    /// One WebSocket.
    WebSocket,
}

/// The form in which messages of bytes travel on a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// As they are.
    #[default]
    Bare,
    /// As text, in base64: the client said `b64=1`.
    Base64,
}

/// The type of body that a POST declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Anything but the following: clients say `text/plain`, or nothing.
    Text,
    /// `application/octet-stream`, which revision 4 does not have.
    OctetStream,
}

/// A well-formed request, whose session has still to be looked up.
///
/// ```
/// use sio_proto::engine::{Asked, Binary, Method, Refusal, Transport};
///
/// let asked = Asked::parse(Method::Get, "EIO=4&transport=polling&t=x9");
/// assert_eq!(asked, Ok(Asked::Open { by: Transport::Polling, binary: Binary::Bare }));
/// assert_eq!(Asked::parse(Method::Get, "EIO=4"), Err(Refusal::UnknownTransport));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A new session: [`Session::open`](super::Session::open).
    Open {
        /// The transport that carries it first.
        by: Transport,
        /// How its bytes travel.
        binary: Binary,
    },
    /// A GET of a session: [`Session::get`](super::Session::get).
    Get(Sid),
    /// A POST of a session: [`Session::post`](super::Session::post).
    Post(Sid),
    /// A WebSocket for a session: [`Session::websocket`](super::Session::websocket).
    WebSocket(Sid),
}

impl Asked {
    /// Reads the query of a request, without its `?`. Parameters that are not Engine.IO's belong to
    /// the application.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with. Its code is 3 for JSONP (`j=`), which is not supported, and
    /// for a parameter that comes twice, which a proxy might read differently.
    pub fn parse(method: Method, query: &str) -> Result<Self, Refusal> {
        let by = match only(query, "transport")? {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(Refusal::UnknownTransport),
        };
        let revision = only(query, "EIO")?;
        let binary = match only(query, "b64")? {
            Some("1" | "true") => Binary::Base64,
            _ => Binary::Bare,
        };
        if only(query, "j")?.is_some() {
            return Err(Refusal::BadRequest);
        }
        let sid = match only(query, "sid")? {
            Some(sid) => Some(Sid::parse(sid).ok_or(Refusal::UnknownSid)?),
            None => None,
        };
        match (method, by, sid) {
            (Method::Other, ..) | (Method::Post, _, None) => Err(Refusal::BadMethod),
            (Method::Get, Transport::Polling, Some(sid)) => Ok(Self::Get(sid)),
            (Method::Post, Transport::Polling, Some(sid)) => Ok(Self::Post(sid)),
            (Method::WebSocket, Transport::WebSocket, Some(sid)) => Ok(Self::WebSocket(sid)),
            (Method::Get, Transport::Polling, None)
            | (Method::WebSocket, Transport::WebSocket, None) => match revision {
                Some("4") => Ok(Self::Open { by, binary }),
                _ => Err(Refusal::UnsupportedVersion),
            },
            // The transport is not what the request is.
            _ => Err(Refusal::BadRequest),
        }
    }
}

/// The value of a parameter that may come once.
fn only<'q>(query: &'q str, key: &str) -> Result<Option<&'q str>, Refusal> {
    let mut values = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == key).then_some(value)
    });
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Refusal::BadRequest),
    }
}
