//! What looks random, and is the same in every run.

/// Small numbers that look random and are the same in every run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Those of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// The next, below `bound`.
    ///
    /// # Panics
    ///
    /// If that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = usize::try_from(self.0 >> 40).expect("24 bits");
        high % bound
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("below 256")
    }

    /// Ascending positions to cut `len` bytes at.
    pub fn cuts(&mut self, len: usize, longest: usize) -> Vec<usize> {
        let mut cuts = Vec::new();
        let mut at = self.below(longest);
        while at < len {
            cuts.push(at);
            at += self.below(longest);
            // A piece of no bytes is a read that gave none: allowed, now and then.
            at += usize::from(cuts.len() > len);
        }
        cuts
    }
}

/// So many bytes that do not compress, unless something refers to the same before.
#[must_use]
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    core::iter::repeat_with(next).take(len).collect()
}
