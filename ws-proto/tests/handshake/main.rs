//! The opening handshake: heads as bytes and as parts, its drivers, and what is agreed on.

mod drivers;
mod hosts;
mod negotiation;
mod parts;
mod tables;
mod two_ends;
mod wire;
