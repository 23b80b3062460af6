//! What surrounds a WebSocket in HTTP, sans-IO and on the types of the [`http`] crate.
//!
//! ```text
//!            head ▶ ws-proto's handshake::Request
//!                        │
//!   a server   Site::receive ── Hosts ──────▶ Refusal ▶ Response ▶ bytes, and a line in the log
//!                        │                      ▲ ▲
//!                     Request ── hooks: Basic, Bearer, the application's own
//!                        │                      │ │
//!              Site::route ─────────────────────┘ │       path and method, parameters
//!                  │           │                  │
//!               a page      Site::accept ─ Origins┘
//!                  │           │
//!              Response     ws-proto's handshake::Accept
//! ```
//!
//! Each decision is a value or a [`Refusal`], which has a status, names both sides of a mismatch,
//! and can be sent and logged. The application's settings are parsed once, when it gives them, and
//! a misspelt one is an error then. An adapter owns the sockets, threads and clocks, and moves the
//! bytes; `ws-std` does so with a thread for each connection.
//!
//! ```text
//!   a client   Url ▶ a look-up's addresses ▶ Attempts   which of them, and when
//!              Proxies ▶ Proxy ▶ Tunnel ◀──▶ proxy      CONNECT or SOCKS5, bytes each way
//!              ws-proto's Connecting ◀──────▶ server    the handshake
//!              a refusal ▶ BodyReader ▶ what it says    Redirects: where to ask next
//!              Ended ▶ Retry ▶ Backoff ▶ when to come back
//! ```
//!
//! ```text
//!   under attack   Quota ▶ Admission ▶ who comes in, who gives way, Refusal
//!                  Pace ▶ Watch, Budget ▶ Charge ────▶ Excess ▶ a Close: 1008, 1013
//!                                                      Counters ▶ Metrics
//! ```
//!
//! With the feature `tls`, `Tls` and `ServerTls` say who is trusted, and hold the configuration of
//! rustls.
//!
//! For open connections, [`Group`] and [`Rooms`] send one message to many, and no receiver waits
//! for another.
//!
//! Each of these machines takes its bytes in pieces of any size, keeps no more of them than a
//! limit that it names, and fails with a reason of its own type.
//!
//! This is not an HTTP server: it decides about one request, and reads no request body. If you need
//! more than a few pages beside a WebSocket, mount the WebSocket in an HTTP server.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admission;
mod answer;
mod ask;
mod attempts;
mod auth;
mod backoff;
mod body;
mod budget;
mod connect_error;
mod fields;
mod group;
mod host;
mod member;
mod metrics;
mod origins;
mod pace;
mod prometheus;
mod proxy;
mod proxy_header;
mod redirect;
mod refusal;
mod request;
mod response;
mod retry;
mod rooms;
mod routes;
mod secrets;
mod site;
#[cfg(feature = "tls")]
mod tls;
mod trusted;
mod tunnel;
mod url;

pub use admission::{Admission, Entered, Quota};
pub use answer::Answer;
pub use ask::{Ask, Dialed};
pub use attempts::{Attempt, Attempts};
pub use auth::{Basic, Bearer, Credentials, InvalidCredentials};
pub use backoff::{Backoff, Ended, retry_after};
pub use body::{BodyError, BodyReader};
pub use budget::{Budget, Charge};
pub use connect_error::{ConnectError, Stage, Tried};
pub use fields::header_map;
pub use group::{Group, Membership, RoomMetrics, RoomPolicy, Slow};
pub use host::{Hosts, InvalidHost};
pub use member::Member;
pub use metrics::{Counters, Metrics};
pub use origins::{InvalidOrigin, Origins};
pub use pace::{Pace, Watch};
pub use proxy::{InvalidProxy, Proxies, Proxy, ProxyKind};
pub use proxy_header::{ProxyHeader, ProxyHeaderError};
pub use redirect::{RedirectError, Redirected, Redirects};
pub use refusal::Refusal;
pub use request::Request;
pub use response::{Body, Response};
pub use retry::Retry;
pub use rooms::{Presence, Rooms};
pub use routes::{Route, RouteError};
pub use secrets::{REDACTED, is_secret, shown_header, without_secrets};
pub use site::Site;
#[cfg(feature = "tls")]
pub use tls::{ServerTls, Tls, TlsError};
pub use trusted::{InvalidNetwork, Trusted};
pub use tunnel::{SocksReply, Tunnel, TunnelError};
pub use url::{InvalidUrl, Url};

/// The User-Agent that a client sends to a proxy.
pub const USER_AGENT: &str = concat!("ws/", env!("CARGO_PKG_VERSION"));

pub use http::StatusCode;
/// The crate that [`Tls::config`] and [`ServerTls::config`] have their types from.
#[cfg(feature = "tls")]
pub use rustls;
pub use ws_proto::Excess;
/// The HTTP types that appear in this crate's API.
pub use {http, ws_proto};
