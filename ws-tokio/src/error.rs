//! The errors of this crate, which are those of every adapter: of connecting ws-http's, of an open
//! connection the core's.

pub use ws_http::{ConnectError, Stage, Tried};
pub use ws_proto::Error;
