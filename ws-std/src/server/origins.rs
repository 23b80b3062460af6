//! The pages that may connect: RFC 6455 §10.2, "Origin Considerations".
//!
//! A browser lets any page open a WebSocket to any server, with that server's cookies. Only the
//! server can tell its own pages from others, by the Origin header.

use ws_proto::handshake::{Origin, Request, RequestError};

/// The pages that may connect. A request without an Origin comes from a program that is not a
/// browser, and always may.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Pages whose origin has the host and port of the Host header.
    SameHost,
    /// Pages of these origins, each `scheme://host[:port]` and compared as a whole.
    List(Vec<String>),
    /// All pages: for services whose answers do not depend on the user.
    Any,
}

impl Origins {
    pub(crate) fn check(&self, request: &Request<'_>) -> Result<(), RequestError> {
        match self {
            Self::Any => Ok(()),
            Self::SameHost => request.same_origin(),
            Self::List(list) => match request.origin()? {
                None => Ok(()),
                Some(origin) => list
                    .iter()
                    .any(|allowed| Origin::parse(allowed) == Ok(origin))
                    .then_some(())
                    .ok_or(RequestError::Origin),
            },
        }
    }
}
