//! Every bound, with its unit, its default, and the memory it implies (RFC 6455 §10.4).

/// The most that one connection may use. The defaults are safe for a public server.
///
/// ```
/// use ws_proto::Limits;
///
/// let mut limits = Limits::default();
/// limits.max_message = 16 << 20; // 16 MiB
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message received, in bytes of payload over all its fragments. A longer one is
    /// refused when the header that declares it arrives: 1009. Memory: nothing in the bare core;
    /// in a session, at most twice the bytes received so far, or one read beyond them.
    ///
    /// Default: 1 MiB.
    pub max_message: u64,
    /// The most fragments of one message, empty ones included; at least 1. One more is refused:
    /// 1008. A fragment takes no memory; the bound is on the work that a peer can cause without
    /// end.
    ///
    /// Default: 65,536: some programs cut a long message into pieces of a network packet or less.
    pub max_fragments: u32,
    /// The high-water mark of what waits to be sent in a session, in bytes, at least 1. A message of
    /// any length is queued while less than this waits; from then on
    /// [`SendError::Full`](crate::SendError::Full) is returned. Memory: the queue, at most twice
    /// this and one message. At most 4 GiB.
    ///
    /// Default: 1 MiB.
    pub max_unsent: usize,
    /// How much a session reads at a time, in bytes, at least [`Limits::MIN_READ`]: a quarter of
    /// it at first, and while reads fill what there is, up to four times as much. Memory: the
    /// inbox of a session that is not idle. At most 4 GiB.
    ///
    /// Default: 16 KiB.
    pub read_buffer: usize,
    /// The longest head of a request or response, in bytes: 431. Memory: the buffer that the
    /// head is collected in.
    ///
    /// Default: 32 KiB.
    pub max_head: usize,
    /// The longest line of a head, in bytes: 414 for the request line, 431 for the others.
    ///
    /// Default: 16 KiB: cookies of large sites come in one line of 12 KiB.
    pub max_head_line: usize,
    /// The most header lines in a head: 431. At most [`Limits::HEADERS`].
    ///
    /// Default: 128.
    pub max_headers: usize,
}

impl Limits {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        max_message: 1 << 20,
        max_fragments: 1 << 16,
        max_unsent: 1 << 20,
        read_buffer: 16 << 10,
        max_head: 32 << 10,
        max_head_line: 16 << 10,
        max_headers: Self::HEADERS,
    };

    /// The most header lines that can be parsed: the size of a table on the stack (4 KiB).
    pub const HEADERS: usize = 128;

    /// The smallest useful [`read_buffer`](Self::read_buffer), in bytes: the receiver leaves up
    /// to [`LEFT_OVER`](Self::LEFT_OVER) unconsumed, and the rest must have room after them.
    pub const MIN_READ: usize = 512;

    /// The most bytes that a step leaves unconsumed when it asks for data: a control frame that is
    /// cut before its last byte, and a little.
    pub const LEFT_OVER: usize = 139;
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
