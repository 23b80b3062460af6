//! What is rarely there: with an allocator it takes eight bytes while it is not.

/// A value that is boxed if there is an allocator.
#[cfg(feature = "alloc")]
pub(crate) type Rare<T> = alloc::boxed::Box<T>;
#[cfg(not(feature = "alloc"))]
pub(crate) type Rare<T> = T;

#[cfg(feature = "alloc")]
pub(crate) fn rare<T>(value: T) -> Rare<T> {
    Rare::new(value)
}
#[cfg(not(feature = "alloc"))]
pub(crate) const fn rare<T>(value: T) -> Rare<T> {
    value
}
