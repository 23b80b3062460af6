//! How an input is taken apart.

use ws_testkit::Side;

/// Takes a number below 16, and as many lengths, off the input.
pub(super) fn cuts(input: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((&count, rest)) = input.split_first() else {
        return (Vec::new(), input);
    };
    let (cuts, rest) = rest.split_at(usize::from(count % 16).min(rest.len()));
    (cuts.iter().map(|&cut| cut.into()).collect(), rest)
}

/// The lengths of the pieces of `len` bytes, the last one whatever remains.
pub(super) fn pieces(len: usize, cuts: &[usize]) -> Vec<usize> {
    let mut rest = len;
    let mut pieces: Vec<_> = cuts
        .iter()
        .map(|&cut| {
            let piece = cut.min(rest);
            rest -= piece;
            piece
        })
        .collect();
    pieces.push(rest);
    pieces
}

/// One of the two sides, by the lowest bit.
pub(super) const fn side(byte: u8) -> Side {
    match byte & 1 {
        0 => Side::Client,
        _ => Side::Server,
    }
}
