//! Flags of a connection, kept from turn to turn in one byte.

/// What is known of the socket and of the turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// There may be something to read.
    pub(crate) const READABLE: Self = Self(1);
    /// The peer has ended its side: there is something to read until a read says so.
    pub(crate) const HUNG_UP: Self = Self(2);
    /// The socket takes nothing more, until the system says that it does.
    pub(crate) const BLOCKED: Self = Self(4);
    /// Messages that were read have not been handed out.
    pub(crate) const LEFT: Self = Self(8);
    /// It has a place among those that are served once more.
    pub(crate) const QUEUED: Self = Self(16);
    /// Its time is over: a little is read whatever waits.
    pub(crate) const LAST_CALL: Self = Self(32);
    /// It is in some topic.
    pub(crate) const MEMBER: Self = Self(64);
    /// What could not be written waits: its turn begins with that.
    pub(crate) const UNSENT: Self = Self(128);

    #[inline]
    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(crate) const fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    #[inline]
    pub(crate) const fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }

    /// Clears the flag, and returns whether it was set.
    #[inline]
    pub(crate) const fn take(&mut self, flag: Self) -> bool {
        let was = self.has(flag);
        self.clear(flag);
        was
    }
}
