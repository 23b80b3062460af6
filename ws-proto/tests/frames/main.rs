//! Frames as they travel: headers and lengths, the examples of both RFCs, what is promised of a
//! connection, and what its values say of themselves.

#[path = "../support/mod.rs"]
mod support;

mod contracts;
mod header_table;
mod lengths;
mod rfc;
mod rfc7692;
mod words;
