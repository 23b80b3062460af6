//! What differs between two sequences.

use std::cmp::Ordering;

/// A step from the one to the other, with indices into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Same(usize),
    Missing(usize),
    Added(usize),
}

/// The most pairs that are compared to find what has only moved. Beyond it, all between the common
/// beginning and the common end is shown as different. A pair takes 4 bytes for a moment.
const PAIRS: usize = 4 << 20;

/// The steps from `old` to `new`: as few as there can be, if they are not too long.
pub(super) fn diff<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Change> {
    let same = |(a, b): &(&T, &T)| a == b;
    let start = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(same)
        .count();
    let (old_mid, new_mid) = (
        &old_rest[..old_rest.len() - end],
        &new_rest[..new_rest.len() - end],
    );
    let mut changes: Vec<_> = (0..start).map(Change::Same).collect();
    changes.extend(
        middle(old_mid, new_mid)
            .into_iter()
            .map(|change| match change {
                Change::Same(at) => Change::Same(start + at),
                Change::Missing(at) => Change::Missing(start + at),
                Change::Added(at) => Change::Added(start + at),
            }),
    );
    changes.extend((old.len() - end..old.len()).map(Change::Same));
    changes
}

/// By the length of what both have from each pair of places on.
fn middle<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Change> {
    if (old.len() + 1).saturating_mul(new.len() + 1) > PAIRS {
        let missing = (0..old.len()).map(Change::Missing);
        return missing.chain((0..new.len()).map(Change::Added)).collect();
    }
    let columns = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * columns];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            common[a * columns + b] = match old[a] == new[b] {
                true => common[(a + 1) * columns + b + 1] + 1,
                false => common[(a + 1) * columns + b].max(common[a * columns + b + 1]),
            };
        }
    }
    let (mut a, mut b, mut changes) = (0, 0, Vec::new());
    while a < old.len() && b < new.len() {
        let (without_old, without_new) =
            (common[(a + 1) * columns + b], common[a * columns + b + 1]);
        if old[a] == new[b] {
            changes.push(Change::Same(a));
            (a, b) = (a + 1, b + 1);
        } else if without_old.cmp(&without_new) == Ordering::Less {
            changes.push(Change::Added(b));
            b += 1;
        } else {
            changes.push(Change::Missing(a));
            a += 1;
        }
    }
    changes.extend((a..old.len()).map(Change::Missing));
    changes.extend((b..new.len()).map(Change::Added));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
        let show = |change| match change {
            Change::Same(at) => format!(" {}", old[at]),
            Change::Missing(at) => format!("-{}", old[at]),
            Change::Added(at) => format!("+{}", new[at]),
        };
        diff(&old, &new).into_iter().map(show).collect()
    }

    #[test]
    fn as_few_steps_as_there_can_be() {
        for (old, new, steps) in [
            ("", "", ""),
            ("abc", "abc", " a b c"),
            ("abc", "axc", " a-b+x c"),
            ("abc", "ac", " a-b c"),
            ("ac", "abc", " a+b c"),
            ("", "ab", "+a+b"),
            ("ab", "", "-a-b"),
            // What comes earlier than it did has moved; the others are the same.
            ("abcd", "bcda", "-a b c d+a"),
            ("aab", "ab", " a-a b"),
        ] {
            assert_eq!(shown(old, new), steps, "{old} {new}");
        }
    }

    #[test]
    fn too_many_to_compare_are_all_different() {
        let (old, new): (Vec<u32>, Vec<u32>) = ((0..4000).collect(), (1..4001).rev().collect());
        assert_eq!(diff(&old, &new).len(), 8000);
    }
}
