//! Engine.IO 4: a session of messages over held requests and WebSockets.
//!
//! ```text
//!    request ▶ Asked ──────┐                         ┌────── Open ◀ open packet
//!                          ▼                         ▼
//!     a server          Session                    Client           a client
//!                        │   ▲                      │   ▲
//!                        ▼   │                      ▼   │
//!                     Transmit, Packet           Action, Packet
//! ```
//!
//! Nothing here knows about Socket.IO: it carries each [`Message`](ws_proto::Message).

mod client;
mod error;
mod open;
mod outbox;
mod packet;
mod payload;
mod query;
mod reason;
mod refusal;
mod session;

pub use client::{Action, Client, ClientConfig, Upgrade};
pub use error::{ProtocolError, SendError};
pub use open::{Open, Sid};
pub use packet::{Data, Packet};
pub use payload::Payload;
pub use query::{Asked, Binary, Content, Method, Transport};
pub use reason::Reason;
pub use refusal::Refusal;
pub use session::{Carrier, Config, Session, Transmit, Upgrades};
