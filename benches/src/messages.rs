//! The contents of messages: the same in every run.

use std::hint::black_box;

/// The content of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes of every value, sent as binary messages.
    Binary,
    /// Text of letters of one byte.
    Ascii,
    /// Text of letters of three bytes.
    Chinese,
}

impl Content {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Binary, Self::Ascii, Self::Chinese];

    /// As the name of a row has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ascii",
            Self::Chinese => "chinese",
        }
    }

    /// A payload of exactly `len` bytes.
    #[must_use]
    pub fn payload(self, len: usize, random: &mut Random) -> Vec<u8> {
        match self {
            Self::Binary => (0..len).map(|_| random.byte(256)).collect(),
            Self::Ascii => (0..len).map(|_| b' ' + random.byte(95)).collect(),
            Self::Chinese => {
                // U+4E00 to U+8DFF, and as many full stops as fill the rest.
                let letter = |_| char::from_u32(0x4E00 + random.below(0x4000)).unwrap_or('中');
                let mut text: String = (0..len / 3).map(letter).collect();
                text.extend(std::iter::repeat_n('.', len % 3));
                text.into_bytes()
            }
        }
    }
}

/// The lengths that are measured, as the name of a row has them.
pub const LENGTHS: [(&str, usize); 5] = [
    ("16B", 16),
    ("125B", 125),
    ("1KiB", 1 << 10),
    ("64KiB", 64 << 10),
    ("1MiB", 1 << 20),
];

/// How many bytes of messages a network fills a buffer with.
pub const FILLED: usize = 64 << 10;

/// Payloads to fill a buffer with: one at least.
#[must_use]
pub fn payloads(content: Content, len: usize) -> Vec<Vec<u8>> {
    let mut random = Random::default();
    // Masked, a header has 14 bytes at the most.
    let count = (FILLED / (len + 14)).max(1);
    (0..count)
        .map(|_| content.payload(len, &mut random))
        .collect()
}

/// Numbers that look random, the same in every run.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Default for Random {
    fn default() -> Self {
        Self {
            state: 0x9E37_79B9_7F4A_7C15,
        }
    }
}

impl Random {
    /// Any number: what a masking key is drawn with where nobody attacks.
    #[inline]
    pub const fn bits(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 32) as u32
    }

    /// One less than `bound`.
    pub const fn below(&mut self, bound: u32) -> u32 {
        self.bits() % bound
    }

    /// A byte less than `bound`, which is at most 256.
    fn byte(&mut self, bound: u32) -> u8 {
        self.below(bound).to_le_bytes()[0]
    }
}

/// Some messages of one length, one after the other, for ever.
#[derive(Clone, Debug)]
pub struct Cycle<T> {
    items: Vec<T>,
    at: usize,
}

impl<T> Cycle<T> {
    /// The items in turn.
    pub fn new(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().collect();
        Self { items, at: 0 }
    }

    /// The one whose turn it is: the first to begin with.
    pub fn turn(&mut self) -> &T {
        let at = self.at;
        self.at = (at + 1) % self.items.len();
        black_box(&self.items[at])
    }
}

/// As many different messages of `len` bytes as make more than two windows: one that was sent
/// before is out of reach when its turn comes again.
#[must_use]
pub fn compressible(len: usize) -> Vec<String> {
    let count = (1 << 17) / len;
    let mut seed = 1;
    (0..count.max(3)).map(|_| json(len, &mut seed)).collect()
}

/// JSON of exactly `len` bytes as an application may send: records with the same keys, and in
/// them numbers, words and some letters beyond ASCII. The same for the same seed.
fn json(len: usize, seed: &mut u32) -> String {
    const STATES: [&str; 4] = ["open", "filled", "cancelled", "partly"];
    const PLACES: [&str; 4] = ["Zürich", "London", "Malmö", "東京"];
    /// More than the longest record and the end.
    const RECORD: usize = 128;
    let mut random = |bound: u32| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) % bound
    };
    let mut text = String::from("[");
    while text.len() + RECORD < len {
        let (id, amount) = (random(10_000_000), random(5_000));
        let (price, cents) = (random(10_000), random(100));
        let state = STATES[random(4) as usize];
        let place = PLACES[random(4) as usize];
        text += &format!(
            "{{\"id\":{id},\"state\":\"{state}\",\"place\":\"{place}\",\
             \"price\":{price}.{cents:02},\"amount\":{amount}}},"
        );
    }
    text.push('"');
    while text.len() + 2 < len {
        text.push(char::from_digit(random(36), 36).unwrap_or('0'));
    }
    text + "\"]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressible_messages_have_their_length_and_differ() {
        for len in [1 << 10, 64 << 10] {
            let messages = compressible(len);
            assert!(messages.iter().all(|message| message.len() == len));
            assert!(messages.len() * len > 2 << 15);
            let mut distinct = messages.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), messages.len());
        }
    }

    #[test]
    fn payloads_have_their_length_and_are_what_they_are_called() {
        for (_, len) in LENGTHS {
            for content in Content::ALL {
                for payload in payloads(content, len) {
                    assert_eq!(payload.len(), len);
                    match content {
                        Content::Binary => {}
                        Content::Ascii => assert!(payload.is_ascii()),
                        Content::Chinese => {
                            let letters = str::from_utf8(&payload).unwrap().chars().count();
                            assert_eq!(letters, len / 3 + len % 3);
                        }
                    }
                }
            }
        }
    }
}
