//! WebSockets as guests in the HTTP of others: hyper, axum, tower.
#![cfg(feature = "hyper")]

#[path = "../common/mod.rs"]
mod common;
mod guests;

mod compression;
mod http;
mod http2;
mod tower;
