//! Others of their kind, driven in memory: none without the feature `peers`.
//!
//! Each has its defaults. Asynchronous ones are polled by hand: no runtime, no task to wake. What
//! they write is dropped. Messages to send are made beforehand, in the type that suits each best.

use ws_proto::Role;

use crate::Way;
use crate::feed::Feed;

#[cfg(feature = "peers")]
mod fastwebsockets;
#[cfg(feature = "peers")]
mod sockudo_ws;
#[cfg(feature = "peers")]
mod tokio_websockets;
#[cfg(feature = "peers")]
mod tungstenite;
#[cfg(feature = "peers")]
mod wire;

/// The peers, receiving what is fed as servers do.
#[cfg(feature = "peers")]
#[must_use]
pub fn receiving(feed: &Feed) -> Vec<Way<'_>> {
    vec![
        tungstenite::receiving(feed),
        fastwebsockets::receiving(feed),
        tokio_websockets::receiving(feed),
        sockudo_ws::receiving(feed),
    ]
}

/// The peers, sending binary messages.
#[cfg(feature = "peers")]
#[must_use]
pub fn sending(role: Role, payloads: &[Vec<u8>]) -> Vec<Way<'_>> {
    vec![
        tungstenite::sending(role, payloads),
        fastwebsockets::sending(role, payloads),
        tokio_websockets::sending(role, payloads),
        sockudo_ws::sending(role, payloads),
    ]
}

/// The peers, answering a request. fastwebsockets is not among them: it leaves that to hyper.
#[cfg(feature = "peers")]
#[must_use]
pub fn answering(request: &Feed) -> Vec<Way<'_>> {
    vec![
        tungstenite::answering(request),
        tokio_websockets::answering(request),
        sockudo_ws::answering(request),
    ]
}

/// None.
#[cfg(not(feature = "peers"))]
#[must_use]
pub const fn receiving(_: &Feed) -> Vec<Way<'_>> {
    Vec::new()
}

/// None.
#[cfg(not(feature = "peers"))]
#[must_use]
pub const fn sending(_: Role, _: &[Vec<u8>]) -> Vec<Way<'_>> {
    Vec::new()
}

/// None.
#[cfg(not(feature = "peers"))]
#[must_use]
pub const fn answering(_: &Feed) -> Vec<Way<'_>> {
    Vec::new()
}
