//! Values of arguments: sizes and times as people write them.

use std::io;
use std::time::Duration;

use ws_std::{Deflate, Direction, Takeover, WindowBits};

/// Reads a number of bytes: `4096`, `64KiB`, `16M`. All units are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err("not a number of bytes, such as 4096, 64KiB or 16MiB".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "not a number of bytes, such as 4096, 64KiB or 16MiB")?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "more than there can be".into())
}

/// Reads a number of seconds: `10`, `0.5`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).trim();
    number
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a number of seconds, such as 10 or 0.5".into())
}

/// Turns an interval of zero into `None`, which switches off what it times.
pub(crate) fn unless_zero(interval: Duration) -> Option<Duration> {
    (!interval.is_zero()).then_some(interval)
}

/// Options of compression.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DeflateArgs {
    /// Compress messages of 1 KiB and more, if the other side does too (RFC 7692)
    #[arg(long)]
    deflate: bool,

    /// With --deflate: send with windows of up to 2^BITS bytes; the other side may use any
    #[arg(long, value_name = "BITS", default_value_t = 12, requires = "deflate",
        value_parser = clap::value_parser!(u8).range(9..=15))]
    window_bits: u8,

    /// With --deflate: what is sent may refer to messages before, which takes memory for each connection
    #[arg(long, requires = "deflate")]
    takeover: bool,
}

impl DeflateArgs {
    /// The defaults, except for the window that we send with and what is kept in it; `None` if
    /// compression is off.
    pub(crate) fn settings(self) -> Option<Deflate> {
        let direction = Direction {
            window: WindowBits::new(self.window_bits)?,
            takeover: if self.takeover {
                Takeover::Kept
            } else {
                Takeover::Off
            },
        };
        let mut deflate = Deflate::default();
        deflate.send = direction;
        self.deflate.then_some(deflate)
    }
}

/// An error of the operating system in words, without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    without_number(&error.to_string())
}

/// Cuts ` (os error 98)` from the end of a message.
pub(crate) fn without_number(message: &str) -> String {
    match message.rsplit_once(" (os error ") {
        Some((words, number)) if number.ends_with(')') => words.into(),
        _ => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("1b", 1),
            ("64k", 64 << 10),
            ("64KiB", 64 << 10),
            ("16M", 16 << 20),
            ("16 MiB", 16 << 20),
            ("2GB", 2 << 30),
        ];
        for (text, value) in cases {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
        for text in [
            "",
            "k",
            "-1",
            "1.5M",
            "12x",
            "99999999999999999999",
            "99999999999G",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_in_seconds() {
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("0.25s"), Ok(Duration::from_millis(250)));
        assert_eq!(unless_zero(Duration::ZERO), None);
        for text in ["", "-1", "soon", "inf", "1e300"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_in_words() {
        let error = io::Error::from_raw_os_error(2);
        assert!(!plain(&error).contains("os error"), "{}", plain(&error));
        assert_eq!(without_number("no such host"), "no such host");
    }
}
