//! The input at the prompt.

use ws_std::{Close, CloseCode};

/// A line of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Send(&'a str),
    Ping(&'a str),
    Close(CloseCode, &'a str),
    Help,
    Nothing,
}

pub(super) const HELP: &str = "\
text                    sends it
//text                  sends /text
/ping [PAYLOAD]         measures the way there and back
/close [CODE [REASON]]  closes with a code; 1000 if none is given
/quit, Ctrl-D           closes with 1000
Up, Down, Ctrl-R        finds a line that was typed before
Ctrl-C                  drops the line; on an empty one closes with 1001
/help                   says this";

impl<'a> Command<'a> {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// The fault of the input, in words.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        let Some(command) = line.strip_prefix('/') else {
            return Ok(match line {
                "" => Self::Nothing,
                text => Self::Send(text),
            });
        };
        if command.starts_with('/') {
            return Ok(Self::Send(command));
        }
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        match name {
            "ping" if rest.len() > 125 => Err("the payload of a ping is at most 125 bytes".into()),
            "ping" => Ok(Self::Ping(rest)),
            "close" => close(rest.trim()),
            "quit" | "exit" => Ok(Self::Close(CloseCode::NORMAL, "")),
            "help" => Ok(Self::Help),
            _ => Err(format!(
                "no command /{name}: /help lists them, and // sends a slash"
            )),
        }
    }
}

fn close(rest: &str) -> Result<Command<'_>, String> {
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = match code {
        "" => CloseCode::NORMAL,
        code => code.parse().ok().and_then(CloseCode::new).ok_or_else(|| {
            format!("{code} is no code to close with: 1000 to 1003, 1007 to 1014, 3000 to 4999")
        })?,
    };
    let reason = reason.trim();
    Close::new(code, reason).map_err(|error| error.to_string())?;
    Ok(Command::Close(code, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_commands() {
        let close = |code, reason| Command::Close(CloseCode::new(code).unwrap(), reason);
        let cases = [
            ("", Command::Nothing),
            ("hello", Command::Send("hello")),
            (" /quit", Command::Send(" /quit")),
            ("//etc", Command::Send("/etc")),
            ("//", Command::Send("/")),
            ("///", Command::Send("//")),
            ("/ping", Command::Ping("")),
            ("/ping a b", Command::Ping("a b")),
            ("/quit", close(1000, "")),
            ("/close", close(1000, "")),
            ("/close 4000", close(4000, "")),
            ("/close 1001 off  to bed ", close(1001, "off  to bed")),
            ("/help", Command::Help),
        ];
        for (line, command) in cases {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_none() {
        let long = format!("/close 1000 {}", "a".repeat(124));
        let ping = format!("/ping {}", "a".repeat(126));
        for line in [
            "/",
            "/x",
            "/Quit",
            "/etc/passwd",
            "/close 1005",
            "/close 70000",
            "/close x",
            &long,
            &ping,
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
