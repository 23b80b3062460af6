//! The server of Socket.IO, with our client and with clients of others.

mod common;

mod events;
mod limits;
mod peers;
