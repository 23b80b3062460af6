//! What has to be true of any bytes at all. The fuzz targets search for bytes of which it is not;
//! the tests replay those that were worth keeping.

mod body;
mod builders;
mod close;
mod differences;
mod differential;
mod engine_packets;
mod engine_session;
mod extensions;
mod forwarded;
mod frames;
mod head;
mod header;
mod inflate;
mod input;
mod limits;
mod proxy_header;
mod request;
mod response;
mod routes;
mod session_ops;
mod socket_packets;
mod tunnel;
mod two_sessions;
mod urls;
mod utf8;

pub use body::body;
pub use builders::builders;
pub use close::close;
pub use differences::{DIFFERENCES, Difference};
pub use differential::{Both, Heard, Last, difference, differential};
pub use engine_packets::engine_packets;
pub use engine_session::engine_session;
pub use extensions::extensions;
pub use forwarded::forwarded;
pub use frames::{frames_client, frames_server};
pub use header::header;
pub use inflate::inflate;
pub use limits::{LIMITS, limit};
pub use proxy_header::proxy_header;
pub use request::handshake_request;
pub use response::handshake_response;
pub use routes::routes;
pub use session_ops::session_ops;
pub use socket_packets::socket_packets;
pub use tunnel::tunnel;
pub use two_sessions::two_sessions;
pub use urls::urls;
pub use utf8::utf8;

/// A property, and the name of its fuzz target and corpus.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Property; 19] = [
    ("header", header),
    ("utf8", utf8),
    ("close", close),
    ("frames_server", frames_server),
    ("frames_client", frames_client),
    ("inflate", inflate),
    ("handshake_request", handshake_request),
    ("handshake_response", handshake_response),
    ("extensions", extensions),
    ("builders", builders),
    ("session_ops", session_ops),
    ("two_sessions", two_sessions),
    ("differential", differential),
    ("forwarded", forwarded),
    ("proxy_header", proxy_header),
    ("tunnel", tunnel),
    ("body", body),
    ("urls", urls),
    ("routes", routes),
];

/// Those whose fuzz targets have not been run as often as is the goal yet. Everything else that is
/// true of [`ALL`] is true of them.
pub const RECENT: [Property; 3] = [
    ("engine_packets", engine_packets),
    ("engine_session", engine_session),
    ("socket_packets", socket_packets),
];
