//! The headers (RFC 9110 §5) that are in a map of the `http` crate, in its order.

use http::header::{self, HeaderMap, HeaderValue};

/// Goes through a map. Unlike the map's own iterator it can be cloned.
pub(super) struct MapIter<'b> {
    map: &'b HeaderMap,
    rest: header::Iter<'b, HeaderValue>,
    /// The number of headers that were handed out.
    done: usize,
}

impl<'b> MapIter<'b> {
    pub(super) fn new(map: &'b HeaderMap) -> Self {
        Self {
            map,
            rest: map.iter(),
            done: 0,
        }
    }
}

impl Clone for MapIter<'_> {
    fn clone(&self) -> Self {
        let mut this = Self::new(self.map);
        if let Some(last) = self.done.checked_sub(1) {
            let _ = this.nth(last);
        }
        this
    }
}

impl<'b> Iterator for MapIter<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.rest.next()?;
        self.done += 1;
        Some((name.as_str(), value.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::Headers;
    use super::*;

    #[test]
    fn a_clone_goes_on_where_the_other_stands() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut iter = Headers::from(&headers).iter();
        loop {
            let rest: Vec<_> = iter.clone().collect();
            assert_eq!(rest.first().copied(), iter.next());
            assert_eq!(
                rest.get(1..).unwrap_or_default(),
                iter.clone().collect::<Vec<_>>()
            );
            if rest.is_empty() {
                break;
            }
        }
    }
}
