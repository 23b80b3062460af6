//! What is asked of a server: the options that are the same for every command that connects.

use std::fmt;

use ws_std::ws_http::Ask;
use ws_std::{Bearer, Client, Credentials};

/// What is asked, and who asks.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AskArgs {
    /// Add a header to the request, such as 'X-Room: 7'; repeatable
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header, help_heading = REQUEST)]
    header: Vec<(String, String)>,

    /// Offer a subprotocol; repeatable, the preferred one first
    #[arg(short, long, value_name = "NAME", help_heading = REQUEST)]
    subprotocol: Vec<String>,

    /// Set the page on whose behalf this connects, such as https://example.com
    #[arg(long, value_name = "ORIGIN", help_heading = REQUEST)]
    origin: Option<String>,

    /// Send a name and a password (Basic); the URL may have them, too: ws://name:password@host/
    #[arg(short, long, value_name = "NAME:PASSWORD", env = "WS_USER", hide_env_values = true,
        value_parser = user, conflicts_with = "token", help_heading = REQUEST)]
    user: Option<Secret<Credentials>>,

    /// Send a token (Bearer)
    #[arg(long, value_name = "TOKEN", env = "WS_TOKEN", hide_env_values = true,
        value_parser = token, help_heading = REQUEST)]
    token: Option<Secret<String>>,
}

const REQUEST: &str = "Request";

impl AskArgs {
    /// What it comes to.
    pub(crate) fn ask(&self) -> Ask {
        let mut headers = self.header.clone();
        if let Some(Secret(bearer)) = &self.token {
            headers.push(("Authorization".into(), bearer.clone()));
        }
        Ask {
            headers,
            subprotocols: self.subprotocol.clone(),
            origin: self.origin.clone(),
            credentials: self.user.as_ref().map(|Secret(user)| user.clone()),
            ..Ask::default()
        }
    }

    /// A client that asks so.
    pub(crate) fn of(&self, mut client: Client) -> Client {
        let ask = self.ask();
        for (name, value) in ask.headers {
            client = client.header(name, value);
        }
        for name in ask.subprotocols {
            client = client.subprotocol(name);
        }
        if let Some(origin) = ask.origin {
            client = client.origin(origin);
        }
        match ask.credentials {
            Some(user) => client.credentials(user),
            None => client,
        }
    }
}

/// A value that is not shown.
#[derive(Clone)]
pub(crate) struct Secret<T>(pub(crate) T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn user(text: &str) -> Result<Secret<Credentials>, String> {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    Credentials::new(name, password)
        .map(Secret)
        .map_err(|error| error.to_string())
}

/// The value of Authorization with a token.
fn token(text: &str) -> Result<Secret<String>, String> {
    let header = Bearer::header(text).map_err(|error| error.to_string())?;
    let value = header.to_str().map_err(|error| error.to_string())?;
    Ok(Secret(value.into()))
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.trim().into())),
        _ => Err("not `Name: value`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?} {:?}", user("ada:s3cret"), token("s3cret"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
