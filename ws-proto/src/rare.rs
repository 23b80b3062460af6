//! What is rarely there: with an allocator it takes eight bytes while it is not.

#[cfg(feature = "alloc")]
pub(crate) use boxed::{Rare, rare, try_rare};
#[cfg(not(feature = "alloc"))]
pub(crate) use inline::{Rare, rare, try_rare};

#[cfg(feature = "alloc")]
mod boxed {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::ops::{Deref, DerefMut};

    /// A value that is boxed. As an array of one, because stable Rust makes no other box without
    /// ending the process if there is no memory for it.
    #[derive(Debug)]
    pub(crate) struct Rare<T>(Box<[T; 1]>);

    /// Boxes what the application asked for.
    pub(crate) fn rare<T>(value: T) -> Rare<T> {
        Rare(Box::new([value]))
    }

    /// Boxes what the peer may have asked for; `None` if there is no memory.
    pub(crate) fn try_rare<T>(value: T) -> Option<Rare<T>> {
        let mut one = Vec::new();
        one.try_reserve_exact(1).ok()?;
        one.push(value);
        one.into_boxed_slice().try_into().ok().map(Rare)
    }

    impl<T> Deref for Rare<T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            let [value] = &*self.0;
            value
        }
    }

    impl<T> DerefMut for Rare<T> {
        #[inline]
        fn deref_mut(&mut self) -> &mut T {
            let [value] = &mut *self.0;
            value
        }
    }
}

#[cfg(not(feature = "alloc"))]
mod inline {
    /// A value that is where it belongs, for want of an allocator.
    pub(crate) type Rare<T> = T;

    pub(crate) const fn rare<T>(value: T) -> Rare<T> {
        value
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "with an allocator it can be `None`"
    )]
    pub(crate) const fn try_rare<T>(value: T) -> Option<Rare<T>> {
        Some(value)
    }
}
