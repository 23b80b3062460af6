//! Errors of connecting, by blame. Those of an open connection are the core's.

pub use ws_proto::Error;
