//! Compressed messages (RFC 7692): what they come to, and which are compressed.

mod messages;
mod policy;
