//! Masking: RFC 6455 §5.3, "Client-to-Server Masking", and where the keys come from (§10.3).
//!
//! One loop, XOR with four bytes over and over, in several forms. Each does the same as the
//! one-line loop of the RFC, to which a test holds it:
//!
//! | form | for | saves |
//! |---|---|---|
//! | `apply` | payloads that are received, in place | it chooses between the next two |
//! | `apply_short` | below 2 KiB | 16 bytes at a time, in a register |
//! | `apply_long` | from 2 KiB on | a fifth of the time, by aligned addresses |
//! | `apply_to_text` | text that is received | a pass over it: it notes whether all is ASCII |
//! | `apply_to` | payloads that are sent, to a slice | a pass: it copies and masks in one |
//! | `push_to` | payloads that are sent, to a queue | a pass, and filling the room with zeroes |
//! | `apply_rest` | what is left of each, below 16 bytes | a loop byte by byte |

use core::fmt;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::try_box::{TryBox, try_box};

/// A masking key, at some position within a payload.
///
/// ```
/// use ws_proto::Mask;
///
/// // The masked "Hello" of RFC 6455 §5.7, unmasked in two pieces.
/// let mut payload = [0x7F, 0x9F, 0x4D, 0x51, 0x58];
/// let (start, end) = payload.split_at_mut(3);
/// let rotated = Mask::new([0x37, 0xFA, 0x21, 0x3D]).apply(start);
/// rotated.apply(end);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mask([u8; 4]);

/// Does not show the key: together with the masked bytes it would show the message.
impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(..)")
    }
}

impl Mask {
    /// The masking key of a frame, for its first payload byte.
    #[inline]
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// The four bytes as they travel.
    #[inline]
    #[must_use]
    pub const fn key(self) -> [u8; 4] {
        self.0
    }

    /// Masks or unmasks `payload` in place, and returns the key rotated for the bytes after it.
    ///
    /// > The same algorithm applies regardless of the direction of the translation (§5.3)
    #[inline]
    #[must_use = "the rotated key is for the bytes that follow; drop it with `_` if none do"]
    pub fn apply(self, payload: &mut [u8]) -> Self {
        if payload.len() < LONG {
            return self.apply_short(payload);
        }
        self.apply_long(payload)
    }

    /// Masks long payloads: aligned for a register, four registers at a time. A third faster than
    /// [`apply_short`](Self::apply_short).
    #[inline(never)]
    fn apply_long(self, payload: &mut [u8]) -> Self {
        const REGISTER: usize = size_of::<Block>();
        const LINE: usize = 4 * REGISTER;
        // At most 15 bytes; where nothing is known of an address, more than there are.
        let unaligned = payload.as_ptr().align_offset(REGISTER);
        let Some((head, payload)) = payload.split_at_mut_checked(unaligned) else {
            return self.apply_short(payload);
        };
        let this = self.apply_short(head);
        let key = this.wide();
        let (lines, rest) = payload.as_chunks_mut::<LINE>();
        for line in lines {
            for block in line.as_chunks_mut().0 {
                *block = xor(*block, key);
            }
        }
        this.apply_short(rest)
    }

    #[inline]
    fn apply_short(self, payload: &mut [u8]) -> Self {
        let key = self.wide();
        let (blocks, rest) = payload.as_chunks_mut();
        for block in blocks {
            *block = xor(*block, key);
        }
        if !rest.is_empty() {
            self.apply_rest(rest);
        }
        self.rotated(payload.len())
    }

    /// Masks text, and returns whether all of it is ASCII, which is looked at while the bytes are
    /// in the nearest cache.
    pub(crate) fn apply_to_text(mut self, text: &mut [u8]) -> (Self, bool) {
        const PIECE: usize = 4096;
        let mut ascii = true;
        for piece in text.chunks_mut(PIECE) {
            self = self.apply(piece);
            ascii &= piece.is_ascii();
        }
        (self, ascii)
    }

    /// Writes `from`, masked, to `to`, and returns the key rotated for the bytes after it. Stops at
    /// the end of the shorter one. It makes one pass over the bytes instead of a copy and a mask.
    #[inline]
    #[must_use = "the rotated key is for the bytes that follow; drop it with `_` if none do"]
    pub fn apply_to(self, from: &[u8], to: &mut [u8]) -> Self {
        let len = from.len().min(to.len());
        let (from, to) = (&from[..len], &mut to[..len]);
        let key = self.wide();
        let from_blocks = from.as_chunks().0;
        let (to_blocks, to_rest) = to.as_chunks_mut();
        let (from_lines, from_blocks) = from_blocks.as_chunks();
        let (to_lines, to_blocks) = to_blocks.as_chunks_mut();
        for (to, [a, b, c, d]) in to_lines.iter_mut().zip(from_lines) {
            *to = [xor(*a, key), xor(*b, key), xor(*c, key), xor(*d, key)];
        }
        for (to, from) in to_blocks.iter_mut().zip(from_blocks) {
            *to = xor(*from, key);
        }
        if !to_rest.is_empty() {
            if let (Some(last), Some(to)) = (from.last_chunk(), to.last_chunk_mut()) {
                // Some bytes are written twice, which takes less time than fewer one by one.
                *to = xor(*last, self.rotated(len).wide());
            } else {
                to.copy_from_slice(from);
                self.apply_rest(to);
            }
        }
        self.rotated(len)
    }

    /// Appends `from`, masked, to `to`, in one pass: a line is masked in registers on its way. Not
    /// inlined, so that it is.
    #[cfg(feature = "alloc")]
    #[inline(never)]
    pub(crate) fn push_to(self, from: &[u8], to: &mut alloc::vec::Vec<u8>) {
        let key = self.wide();
        let (blocks, rest) = from.as_chunks();
        let (lines, few) = blocks.as_chunks();
        for [a, b, c, d] in lines {
            let line = [xor(*a, key), xor(*b, key), xor(*c, key), xor(*d, key)];
            to.extend_from_slice(line.as_flattened());
        }
        for block in few {
            to.extend_from_slice(&xor(*block, key));
        }
        if !rest.is_empty() {
            let at = to.len();
            to.extend_from_slice(rest);
            self.apply_rest(&mut to[at..]);
        }
    }

    /// Masks less than a block: eight bytes, four, and three, as there are. Not inlined, so that
    /// what comes before it is.
    #[inline(never)]
    fn apply_rest(self, payload: &mut [u8]) {
        let Self([a, b, c, d]) = self;
        let (words, rest) = payload.as_chunks_mut();
        if let [word, ..] = words {
            *word = xor(*word, [a, b, c, d, a, b, c, d]);
        }
        let (words, rest) = rest.as_chunks_mut();
        if let [word, ..] = words {
            *word = xor(*word, self.0);
        }
        for (byte, key) in rest.iter_mut().zip(self.0) {
            *byte ^= key;
        }
    }

    /// The key four times.
    #[inline]
    const fn wide(self) -> Block {
        let [a, b, c, d] = self.0;
        [a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]
    }

    /// The key for a byte `by` bytes further on.
    #[inline]
    const fn rotated(self, by: usize) -> Self {
        let [a, b, c, d] = self.0;
        Self(match by % 4 {
            0 => [a, b, c, d],
            1 => [b, c, d, a],
            2 => [c, d, a, b],
            _ => [d, a, b, c],
        })
    }
}

/// In bytes: a payload for which alignment pays.
const LONG: usize = 2048;

/// The bytes that are masked at a time: a vector register of the x86-64 baseline, or of NEON.
type Block = [u8; 16];

/// Written byte by byte, which compilers turn into one instruction for each register.
#[inline]
fn xor<const N: usize>(block: [u8; N], key: [u8; N]) -> [u8; N] {
    core::array::from_fn(|at| block[at] ^ key[at])
}

/// A source of masking keys: a ChaCha stream from the caller's seed.
///
/// > The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// > strong source of entropy (§5.3)
///
/// Keys are made 64 at a time and kept until they are drawn. The stream is as good as its seed:
/// give 32 fresh bytes of the operating system's entropy for each connection, and fixed ones only
/// in tests.
pub struct MaskKeys {
    seed: [u8; 32],
    /// The number of turns: how often keys were made and all drawn.
    turn: u64,
    made: Option<TryBox<[u8; Self::MADE]>>,
    /// Of what was made in this turn, in bytes.
    drawn: usize,
}

impl MaskKeys {
    /// In bytes: the least that the stream is made of at a time.
    const MADE: usize = 256;
    /// The blocks of the stream in that.
    const BLOCKS: u64 = 4;

    /// Starts a stream of keys.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            turn: 0,
            made: None,
            drawn: 0,
        }
    }

    /// Draws the key of the next frame.
    #[inline]
    pub fn draw(&mut self) -> Mask {
        if let Some(made) = &self.made
            && let Some(key) = made.get(self.drawn..).and_then(<[u8]>::first_chunk)
        {
            self.drawn += 4;
            return Mask::new(*key);
        }
        self.make()
    }

    /// Makes the keys of the next turn, or of this one again if they were given back, and draws
    /// one. Where there is no memory to keep them in, they are made for each.
    #[cold]
    fn make(&mut self) -> Mask {
        if self.drawn >= Self::MADE {
            (self.turn, self.drawn) = (self.turn.wrapping_add(1), 0);
        }
        let mut stream = ChaCha12Rng::from_seed(self.seed);
        stream.set_block_pos(self.turn.wrapping_mul(Self::BLOCKS));
        let mut keys = [0; Self::MADE];
        stream.fill_bytes(&mut keys);
        let (keys_of_four, _) = keys.as_chunks();
        let key = keys_of_four.get(self.drawn / 4).copied();
        debug_assert!(
            key.is_some(),
            "fewer were drawn than were made, or it would be the next turn"
        );
        self.drawn += 4;
        match &mut self.made {
            Some(made) => made.copy_from_slice(&keys),
            None => self.made = try_box(keys),
        }
        Mask::new(key.unwrap_or_default())
    }

    /// Gives back the memory of the keys that were made.
    #[cfg(feature = "alloc")]
    pub(crate) fn release(&mut self) {
        self.made = None;
    }
}

/// Shows no part of the seed or of the keys to come.
impl fmt::Debug for MaskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one-line loop of §5.3, "transformed-octet-i = original-octet-i XOR
    /// masking-key-octet-j", that the fast code is held to.
    fn naive(key: [u8; 4], payload: &mut [u8]) {
        (0..payload.len()).for_each(|i| payload[i] ^= key[i % 4]);
    }

    #[test]
    fn text_is_masked_like_anything_and_known_to_be_ascii() {
        let mask = Mask::new([0x37, 0xFA, 0x21, 0x3D]);
        let lens = [0_usize, 1, 15, 16, 17, 4097, 4096, 4095, 9000];
        // Miri is slow.
        for &len in if cfg!(miri) { &lens[..6] } else { &lens } {
            let text = [b'a'; 9000];
            for high in [None, Some(0), Some(len / 2), len.checked_sub(1)] {
                let mut plain = text;
                if let Some(byte) = high.and_then(|at| plain[..len].get_mut(at)) {
                    *byte = 0x80;
                }
                let mut masked = plain;
                let after = mask.apply(&mut masked[..len]);
                let ascii = plain[..len].is_ascii();
                assert_eq!(mask.apply_to_text(&mut masked[..len]), (after, ascii));
                assert_eq!(masked, plain);
            }
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn keys_that_were_given_back_are_made_again() {
        let (mut kept, mut released) = (MaskKeys::new([7; 32]), MaskKeys::new([7; 32]));
        for draws in 0..300 {
            assert_eq!(kept.draw(), released.draw(), "after {draws}");
            if draws % 3 == 0 {
                released.release();
            }
        }
    }

    /// 4097 lengths × 64 offsets × 4 phases, in place and fused with the copy.
    #[test]
    fn mask_equals_the_naive_loop_for_every_length_offset_and_phase() {
        // Miri is slow: some lengths of each residue, and some offsets.
        const LONGEST: usize = if cfg!(miri) { 300 } else { 4096 };
        const STEPS: (usize, usize) = if cfg!(miri) { (23, 21) } else { (1, 1) };
        const ROOM: usize = LONGEST + 64;
        let original: [u8; ROOM] =
            core::array::from_fn(|i| ((i * 31 + i / 256) % 256).try_into().unwrap());
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let mut cases = 0_u32;
        for phase in 0..4 {
            let mask = Mask::new(key).rotated(phase);
            let mut oracle = original;
            // One run of the oracle for each phase and offset: its prefixes serve all lengths.
            for offset in (0..64).step_by(STEPS.1) {
                oracle.copy_from_slice(&original);
                naive(mask.key(), &mut oracle[offset..]);
                for len in (0..=LONGEST).step_by(STEPS.0) {
                    let end = offset + len;
                    let mut inplace = original;
                    let after = mask.apply(&mut inplace[offset..end]);
                    assert!(inplace[..offset] == original[..offset]);
                    assert!(inplace[offset..end] == oracle[offset..end]);
                    assert!(inplace[end..] == original[end..]);
                    assert_eq!(after.key(), core::array::from_fn(|i| mask.0[(len + i) % 4]));

                    let mut copy = [0; ROOM];
                    assert_eq!(
                        mask.apply_to(&original[offset..end], &mut copy[..len]),
                        after
                    );
                    assert!(copy[..len] == oracle[offset..end]);
                    assert!(copy[len..].iter().all(|&byte| byte == 0));
                    cases += 1;
                }
            }
        }
        assert!(cases == 4097 * 64 * 4 || cfg!(miri), "{cases}");
    }

    #[test]
    fn keys_repeat_from_a_seed_and_differ_between_seeds() {
        let draw = |seed| {
            let mut keys = MaskKeys::new([seed; 32]);
            core::array::from_fn::<_, 64, _>(|_| keys.draw().key())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    /// The first block of the stream for a key of zeroes: draft-strombergson-chacha-test-vectors,
    /// TC1 with 12 rounds.
    #[test]
    fn keys_are_a_stream_that_nobody_predicts() {
        let block = [
            [0x9B, 0xF4, 0x9A, 0x6A],
            [0x07, 0x55, 0xF9, 0x53],
            [0x81, 0x1F, 0xCE, 0x12],
            [0x5F, 0x26, 0x83, 0xD5],
            [0x04, 0x29, 0xC3, 0xBB],
            [0x49, 0xE0, 0x74, 0x14],
            [0x7E, 0x00, 0x89, 0xA5],
            [0x2E, 0xAE, 0x15, 0x5F],
        ];
        let mut keys = MaskKeys::new([0; 32]);
        assert_eq!(block.map(|_| keys.draw().key()), block);
    }

    /// A stuck refill or a reused block shows as a repeated key; by chance 100,000 keys hold
    /// about one equal pair, and never ten.
    #[test]
    fn keys_do_not_repeat() {
        extern crate std;
        const DRAWN: usize = if cfg!(miri) { 2000 } else { 100_000 };
        let mut keys = MaskKeys::new([7; 32]);
        let distinct: std::collections::HashSet<_> =
            (0..DRAWN).map(|_| keys.draw().key()).collect();
        assert!(distinct.len() > DRAWN - 10, "{}", distinct.len());
    }

    #[test]
    fn keys_are_not_shown() {
        extern crate std;
        let keys = MaskKeys::new([0xAB; 32]);
        assert_eq!(std::format!("{keys:?}"), "MaskKeys { .. }");
    }
}
