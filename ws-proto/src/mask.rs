//! Masking: RFC 6455 §5.3, "Client-to-Server Masking", and where the keys come from (§10.3).

use core::fmt;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask([u8; 4]);

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
        let key = self.repeated();
        let (words, tail) = payload.as_chunks_mut();
        for word in words {
            *word = xor(*word, key);
        }
        for (byte, key) in tail.iter_mut().zip(key) {
            *byte ^= key;
        }
        self.rotated(payload.len())
    }

    /// Writes `from`, masked, to `to`, and returns the key rotated for the bytes after it. Goes
    /// as far as the shorter of both: one pass over the bytes instead of a copy and a mask.
    #[inline]
    #[must_use = "the rotated key is for the bytes that follow; drop it with `_` if none do"]
    pub fn apply_to(self, from: &[u8], to: &mut [u8]) -> Self {
        let len = from.len().min(to.len());
        let key = self.repeated();
        let (from_words, from_tail) = from[..len].as_chunks();
        let (to_words, to_tail) = to[..len].as_chunks_mut();
        for (to, from) in to_words.iter_mut().zip(from_words) {
            *to = xor(*from, key);
        }
        for ((to, from), key) in to_tail.iter_mut().zip(from_tail).zip(key) {
            *to = from ^ key;
        }
        self.rotated(len)
    }

    /// The key twice, as wide as a register: what compilers turn into vector code.
    #[inline]
    const fn repeated(self) -> [u8; 8] {
        let [a, b, c, d] = self.0;
        [a, b, c, d, a, b, c, d]
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

#[inline]
const fn xor(word: [u8; 8], key: [u8; 8]) -> [u8; 8] {
    (u64::from_ne_bytes(word) ^ u64::from_ne_bytes(key)).to_ne_bytes()
}

/// A source of masking keys: a ChaCha stream from a seed of the caller's.
///
/// > The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// > strong source of entropy (§5.3)
///
/// Sixteen keys are drawn at a time. The stream is as good as its seed: give 32 fresh bytes of
/// the operating system's entropy for each connection, and fixed ones only in tests.
pub struct MaskKeys {
    seed: [u8; 32],
    block: u64,
    keys: [u8; Self::BLOCK as usize],
    used: u8,
}

impl MaskKeys {
    /// One ChaCha block.
    const BLOCK: u8 = 64;

    /// Starts a stream of keys.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            block: 0,
            keys: [0; Self::BLOCK as usize],
            used: Self::BLOCK,
        }
    }

    /// Draws the key of the next frame.
    pub fn draw(&mut self) -> Mask {
        if self.used >= Self::BLOCK {
            let mut stream = ChaCha12Rng::from_seed(self.seed);
            stream.set_block_pos(self.block);
            stream.fill_bytes(&mut self.keys);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        let key = self.keys[usize::from(self.used)..].first_chunk();
        self.used += 4;
        Mask::new(key.copied().unwrap_or_default())
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

    /// 4097 lengths × 64 offsets × 4 phases, in place and fused with the copy.
    #[test]
    fn mask_equals_the_naive_loop_for_every_length_offset_and_phase() {
        const ROOM: usize = 4096 + 64;
        let original: [u8; ROOM] =
            core::array::from_fn(|i| ((i * 31 + i / 256) % 256).try_into().unwrap());
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let mut cases = 0_u32;
        for phase in 0..4 {
            let mask = Mask::new(key).rotated(phase);
            let mut oracle = original;
            // One run of the oracle for each phase and offset: its prefixes serve all lengths.
            for offset in 0..64 {
                oracle.copy_from_slice(&original);
                naive(mask.key(), &mut oracle[offset..]);
                for len in 0..=4096 {
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
        assert_eq!(cases, 4097 * 64 * 4);
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

    /// A stuck refill or a reused block shows as a repeated key; by chance 100,000 keys hold
    /// about one equal pair, and never ten.
    #[test]
    fn keys_do_not_repeat() {
        extern crate std;
        let mut keys = MaskKeys::new([7; 32]);
        let distinct: std::collections::HashSet<_> =
            (0..100_000).map(|_| keys.draw().key()).collect();
        assert!(distinct.len() > 99_990, "{}", distinct.len());
    }

    #[test]
    fn keys_are_not_shown() {
        extern crate std;
        let keys = MaskKeys::new([0xAB; 32]);
        assert_eq!(std::format!("{keys:?}"), "MaskKeys { .. }");
    }
}
