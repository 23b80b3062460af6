//! What the sources and the lists beside them say of themselves.

#[path = "../../../ws-std/tests/common/mod.rs"]
mod common;
mod named;
mod uses;

mod circles;
mod dependencies;
mod errors;
mod quiet;
mod rfc;
mod security;
