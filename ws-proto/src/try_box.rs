//! A value that is usually absent: eight bytes when empty, boxed when present. Without an
//! allocator it lies where it belongs.

#[cfg(feature = "alloc")]
pub(crate) use boxed::{TryBox, new_box, try_box};
#[cfg(not(feature = "alloc"))]
pub(crate) use inline::{TryBox, new_box, try_box};

#[cfg(feature = "alloc")]
mod boxed {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::ops::{Deref, DerefMut};

    /// A box that can fail to be made. It holds an array of one, made from a `Vec`, because stable
    /// Rust makes no other box without ending the process if there is no memory for it.
    #[derive(Debug)]
    pub(crate) struct TryBox<T>(Box<[T; 1]>);

    /// Boxes what the application asked for.
    pub(crate) fn new_box<T>(value: T) -> TryBox<T> {
        TryBox(Box::new([value]))
    }

    /// Boxes what the peer may have asked for; `None` if there is no memory.
    pub(crate) fn try_box<T>(value: T) -> Option<TryBox<T>> {
        let mut one = Vec::new();
        one.try_reserve_exact(1).ok()?;
        one.push(value);
        one.into_boxed_slice().try_into().ok().map(TryBox)
    }

    impl<T> Deref for TryBox<T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            let [value] = &*self.0;
            value
        }
    }

    impl<T> DerefMut for TryBox<T> {
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
    pub(crate) type TryBox<T> = T;

    pub(crate) const fn new_box<T>(value: T) -> TryBox<T> {
        value
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "with an allocator it can be `None`"
    )]
    pub(crate) const fn try_box<T>(value: T) -> Option<TryBox<T>> {
        Some(value)
    }
}
