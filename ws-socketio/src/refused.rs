//! Refusals of clients by a namespace: `connect_error`.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

/// The reason why a client may not join a namespace: a message, and data for programs.
///
/// ```
/// use ws_socketio::Refused;
///
/// let refused = Refused::new("who are you?").data(["login"]);
/// assert_eq!(refused.message(), "who are you?");
/// assert_eq!(refused.data_as::<Vec<String>>().unwrap(), ["login"]);
/// ```
#[derive(Clone)]
pub struct Refused {
    message: String,
    data: Option<Box<RawValue>>,
}

impl Refused {
    /// Refuses with this message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// Adds data. Data that JSON cannot hold is left out.
    #[must_use]
    pub fn data(mut self, data: impl Serialize) -> Self {
        self.data = to_raw_value(&data).ok();
        self
    }

    /// The message. If a server refused this client, the server wrote it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The data, as a `T`. Without data it is null.
    ///
    /// # Errors
    ///
    /// It is not a `T`.
    pub fn data_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.json().map_or("null", RawValue::get))
    }

    /// The data, as JSON.
    #[must_use]
    pub fn json(&self) -> Option<&RawValue> {
        self.data.as_deref()
    }

    /// Reads a server's refusal: an object with a message, or, from some servers, a string.
    #[must_use]
    pub fn parse(why: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Said {
            Text(String),
            Object { message: String },
        }
        #[derive(Deserialize)]
        struct Data {
            data: Option<Box<RawValue>>,
        }
        let message = match serde_json::from_str(why) {
            Ok(Said::Text(message) | Said::Object { message }) => message,
            Err(_) => why.to_owned(),
        };
        let data = serde_json::from_str::<Data>(why).ok();
        Self {
            message,
            data: data.and_then(|data| data.data),
        }
    }
}

impl<S: Into<String>> From<S> for Refused {
    fn from(message: S) -> Self {
        Self::new(message)
    }
}

/// The message, and nothing of the data.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refused").field(&self.message).finish()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_read_in_both_shapes() {
        let refused = Refused::parse(r#"{"message":"no","data":{"code":1}}"#);
        assert_eq!(refused.message(), "no");
        assert_eq!(refused.json().map(RawValue::get), Some(r#"{"code":1}"#));
        let refused = Refused::parse(r#""Unable to connect""#);
        assert_eq!(
            (refused.message(), refused.json().is_none()),
            ("Unable to connect", true)
        );
        assert_eq!(Refused::parse("[1]").message(), "[1]");
    }
}
