//! Ours with those of others: clients, servers, a browser, TLS and zlib.

#[cfg(unix)]
#[path = "../../../ws-std/tests/certificates/mod.rs"]
mod certificates;
#[cfg(unix)]
mod conversation;
#[cfg(unix)]
mod devtools;
#[cfg(unix)]
mod matrix;
#[cfg(unix)]
mod ours;
#[cfg(unix)]
mod peers;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod screens;

mod browser;
mod deflate;
mod messages;
mod tls;
mod zlib;
