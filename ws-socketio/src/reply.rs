//! The return value of a handler becomes the acknowledgement.

use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;
use sio_proto::Encoded;

use crate::encode;
use crate::error::HandlerError;

/// The values that a handler may return: the acknowledgement, if the peer asked for one.
///
/// | returned | acknowledged with |
/// |---|---|
/// | `()` | no argument |
/// | text, a number, `bool`, `Value`, `Vec`, `Option` | one |
/// | [`Ack`] of anything | one; a tuple is several |
/// | `Ok` of these | as above |
/// | `Err` | nothing: the error is reported here, and the peer gets no answer |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler returns",
    note = "return `()`, a text, a number, `Ack(value)`, or a `Result` of these"
)]
pub trait Reply {
    /// The acknowledgement.
    ///
    /// # Errors
    ///
    /// There is none.
    fn into_answer(self) -> Result<Encoded, HandlerError>;
}

/// A value of any type as the acknowledgement; a tuple is several arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<T>(pub T);

impl Reply for () {
    fn into_answer(self) -> Result<Encoded, HandlerError> {
        Ok(Encoded::ack())
    }
}

impl<T: Serialize> Reply for Ack<T> {
    fn into_answer(self) -> Result<Encoded, HandlerError> {
        encode::answer(&self.0).map_err(HandlerError::Encode)
    }
}

impl<T: Reply, E: Display> Reply for Result<T, E> {
    fn into_answer(self) -> Result<Encoded, HandlerError> {
        let value = self.map_err(|error| HandlerError::Failed(error.to_string()))?;
        value.into_answer()
    }
}

impl<T: Serialize> Reply for Vec<T> {
    fn into_answer(self) -> Result<Encoded, HandlerError> {
        Ack(self).into_answer()
    }
}

impl<T: Serialize> Reply for Option<T> {
    fn into_answer(self) -> Result<Encoded, HandlerError> {
        Ack(self).into_answer()
    }
}

macro_rules! replies {
    ($($type:ty),*) => {$(
        impl Reply for $type {
            fn into_answer(self) -> Result<Encoded, HandlerError> {
                Ack(self).into_answer()
            }
        }
    )*};
}

replies!(
    &str, String, Value, bool, i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64
);
