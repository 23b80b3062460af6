//! Writes a head into the caller's slice.

use core::fmt;

use crate::error::NoRoom;

/// A cursor over a slice that counts on past its end, so that [`NoRoom::needed`] is exact.
///
/// ```text
/// out  [ HTTP/1.1 101 Switch ]ing Protocols…
///                             ^ out.len()   ^ len
/// ```
#[derive(Debug)]
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    pub(super) fn put(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }

    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        let room = self.out.get_mut(self.len..);
        if let Some(place) = room.and_then(|room| room.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
        }
        self.len = self.len.saturating_add(bytes.len());
    }

    /// The number of bytes written, or that would have been.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn finish(self) -> Result<usize, NoRoom> {
        if self.len > self.out.len() {
            return Err(NoRoom { needed: self.len });
        }
        Ok(self.len)
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_past_the_end_and_never_writes_after_a_gap() {
        let mut out = *b"........";
        let mut writer = Writer::new(&mut out);
        writer.put("abcde");
        writer.put("fghij");
        writer.put("k");
        assert_eq!(writer.finish(), Err(NoRoom { needed: 11 }));
        assert_eq!(&out, b"abcde...");
    }

    #[test]
    fn an_exact_fit_fits() {
        let mut out = [0; 6];
        let mut writer = Writer::new(&mut out);
        writer.put("a: b\r\n");
        assert_eq!(writer.finish(), Ok(6));
        assert_eq!(&out, b"a: b\r\n");
    }
}
