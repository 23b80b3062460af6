//! Bytes that do not compress, unless something refers to the same before.

/// So many of them: the same every time.
#[must_use]
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    core::iter::repeat_with(next).take(len).collect()
}
