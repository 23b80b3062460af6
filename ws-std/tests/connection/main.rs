//! An open connection: messages, threads and ends, over whichever socket.

#[cfg(all(feature = "tls", not(target_arch = "x86")))]
#[path = "../certificates/mod.rs"]
mod certificates;
#[path = "../common/mod.rs"]
mod common;

mod alive;
mod closing;
mod compression;
mod keepalive;
mod messages;
mod over;
mod rfc;
mod threads;
mod tls;
