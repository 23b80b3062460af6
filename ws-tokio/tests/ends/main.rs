//! Clients and servers over loopback, of ours and of others.

#[cfg(all(feature = "tls", not(target_arch = "x86")))]
#[path = "../../../ws-std/tests/certificates/mod.rs"]
mod certificates;
#[path = "../common/mod.rs"]
mod common;

mod peers;
mod reconnect;
mod server;
mod settings;
mod tls;
mod way;
