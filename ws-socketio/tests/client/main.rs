//! The client of Socket.IO, with our server, with servers of others, and with one that says what a test wants.

mod client_common;

mod ours;
mod peers;
mod scripted;
