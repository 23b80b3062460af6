//! The messages to send, and the check of what comes back.

use ws_proto::{Kind, Message};

/// The messages of a run: of one length, and different in the number they begin with.
#[derive(Debug)]
pub(crate) struct Payload {
    kind: Kind,
    text: String,
}

/// The part of an echo that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// All of it.
    Whole,
    /// Its kind, its length and its number; all of it if it is short.
    Number,
}

impl Payload {
    /// Words in no order, which compress about as text does.
    pub(crate) fn new(kind: Kind, size: usize) -> Self {
        let mut text = String::with_capacity(size + 16);
        let mut random = 1_u32;
        while text.len() < size {
            // The constants of Numerical Recipes; its upper bits are the random ones.
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(WORDS[(random >> 27) as usize]);
            text.push(if random >> 24 & 7 == 0 { '\n' } else { ' ' });
        }
        text.truncate(size);
        Self { kind, text }
    }

    pub(crate) const fn len(&self) -> usize {
        self.text.len()
    }

    /// The message with this number.
    pub(crate) fn numbered(&mut self, number: u64) -> Message<'_> {
        if self.text.len() >= NUMBER {
            let digits = digits(number);
            let digits = str::from_utf8(&digits).unwrap_or("????????");
            self.text.replace_range(..NUMBER, digits);
        }
        match self.kind {
            Kind::Text => Message::Text(&self.text),
            Kind::Binary => Message::Binary(self.text.as_bytes()),
        }
    }

    /// Whether `echo` is the message with this number.
    pub(crate) fn is_echoed(&self, echo: Message<'_>, number: u64, check: Check) -> bool {
        let (sent, echoed) = (self.text.as_bytes(), echo.as_bytes());
        if echo.kind() != self.kind || echoed.len() != sent.len() {
            return false;
        }
        let numbered = if sent.len() < NUMBER { 0 } else { NUMBER };
        echoed[..numbered] == digits(number)[..numbered]
            && (check == Check::Number && sent.len() > SHORT
                || echoed[numbered..] == sent[numbered..])
    }
}

/// Messages up to this length are all compared whole, because that costs nothing.
const SHORT: usize = 128;

/// The length of a number, in bytes.
const NUMBER: usize = 8;

/// A number in 64 characters of ASCII, so that it may stand in text; the smallest digit first.
fn digits(number: u64) -> [u8; NUMBER] {
    let mut digits = [b'0'; NUMBER];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit += (number >> (6 * at)).to_le_bytes()[0] & 63;
    }
    digits
}

const WORDS: [&str; 32] = [
    "the",
    "server",
    "of",
    "and",
    "message",
    "a",
    "to",
    "connection",
    "is",
    "window",
    "in",
    "frame",
    "that",
    "client",
    "it",
    "for",
    "latency",
    "with",
    "on",
    "as",
    "socket",
    "at",
    "by",
    "protocol",
    "this",
    "which",
    "second",
    "an",
    "byte",
    "from",
    "each",
    "throughput",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_told_from_anything_else() {
        for (kind, size) in [(Kind::Binary, 0), (Kind::Text, 7), (Kind::Binary, 8)]
            .into_iter()
            .chain([(Kind::Text, 128), (Kind::Binary, 129), (Kind::Text, 5000)])
        {
            let mut payload = Payload::new(kind, size);
            let sent = payload.numbered(70).to_owned();
            let sent = sent.as_message();
            assert_eq!(sent.as_bytes().len(), size);
            // What is sent in between does not change what is expected.
            payload.numbered(71);
            for check in [Check::Whole, Check::Number] {
                assert!(payload.is_echoed(sent, 70, check), "{size}");
                // Below eight bytes there is no number.
                assert_eq!(payload.is_echoed(sent, 71, check), size < 8, "{size}");
                let bytes = sent.as_bytes();
                let longer = [bytes, b"x"].concat();
                assert!(!payload.is_echoed(Message::Binary(&longer), 70, check));
                let text = str::from_utf8(bytes).unwrap();
                let other = match kind {
                    Kind::Text => Message::Binary(bytes),
                    Kind::Binary => Message::Text(text),
                };
                assert!(!payload.is_echoed(other, 70, check));
                if size > 0 {
                    let mut last = bytes.to_vec();
                    last[size - 1] ^= 1;
                    let last = match kind {
                        Kind::Text => Message::Text(str::from_utf8(&last).unwrap()),
                        Kind::Binary => Message::Binary(&last),
                    };
                    let passes = check == Check::Number && size > SHORT;
                    assert_eq!(payload.is_echoed(last, 70, check), passes, "{size}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_text_and_differ() {
        for number in [0, 1, 63, 64, 4095, 1 << 47] {
            assert!(digits(number).iter().all(u8::is_ascii_graphic));
            assert_ne!(digits(number), digits(number + 1));
        }
    }
}
