//! The client of Socket.IO, with our server, with servers of others, and with one that says what a test wants.

#[cfg(all(feature = "tls", not(target_arch = "x86")))]
#[path = "../../../ws-std/tests/certificates/mod.rs"]
mod certificates;
mod client_common;

mod ours;
mod peers;
mod scripted;
mod way;
