//! Messages as streams of bytes: [`Read`] on one that is received, [`Write`] on one that is sent.
//! Neither takes memory that grows with the message.

use std::fmt;
use std::io::{self, Read, Write};

use ws_proto::{Draft, Kind, Part};

use crate::error::Error;
use crate::reader::Reader;
use crate::socket::WebSocket;
use crate::writer::Writer;

impl WebSocket {
    /// Waits for the next message, and returns a reader for it while it arrives, however long it
    /// is. `None` if the peer has closed cleanly.
    ///
    /// ```no_run
    /// use std::fs::File;
    /// use std::io;
    ///
    /// let mut ws = ws_std::Client::new("ws://127.0.0.1:9001/backup")
    ///     .max_message(1 << 40) // 1 MiB by default, for these too
    ///     .connect()?;
    /// if let Some(mut message) = ws.recv_reader()? {
    ///     io::copy(&mut message, &mut File::create("backup.tar")?)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.reader_mut().recv_reader()
    }

    /// Begins a message that you write in parts, however long it gets, and end with
    /// [`finish`](MessageWriter::finish).
    ///
    /// ```no_run
    /// use std::fs::File;
    /// use std::io;
    ///
    /// let mut ws = ws_std::connect("ws://127.0.0.1:9001/backup")?;
    /// let mut message = ws.send_writer(ws_std::Kind::Binary);
    /// io::copy(&mut File::open("backup.tar")?, &mut message)?;
    /// message.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_writer(&mut self, kind: Kind) -> MessageWriter<'_> {
        self.sender().send_writer(kind)
    }
}

impl Reader {
    /// Waits for the next message, and returns a reader for it while it arrives: see
    /// [`WebSocket::recv_reader`].
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        let kind = self.begin_to_read()?;
        Ok(kind.map(|kind| MessageReader {
            reader: self,
            kind,
            is_over: false,
        }))
    }
}

impl Writer {
    /// Begins a message that is written in parts: see [`WebSocket::send_writer`]. Until you finish
    /// it, other writers of the connection cannot send messages
    /// ([`MessageInProgress`](crate::SendError::MessageInProgress)).
    pub const fn send_writer(&self, kind: Kind) -> MessageWriter<'_> {
        MessageWriter {
            writer: self,
            draft: Draft::new(kind),
        }
    }
}

/// A message that you read while it arrives: see [`WebSocket::recv_reader`].
///
/// A read waits for some bytes, and meanwhile answers the peer's Pings as [`recv`](WebSocket::recv)
/// does. The end of the message reads as the end of a stream. The bytes of a text are valid UTF-8,
/// but a read may cut a character. An I/O error has an [`Error`] in it.
///
/// If you drop it before the end, the rest of the message is dropped as it arrives, and the next
/// receive returns the next message.
pub struct MessageReader<'a> {
    reader: &'a mut Reader,
    kind: Kind,
    is_over: bool,
}

impl MessageReader<'_> {
    /// Whether it is text.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl Read for MessageReader<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.is_over || room.is_empty() {
            return Ok(0);
        }
        let Some(len) = self.reader.read_part(room)? else {
            let error = "the peer has closed before the end of its message";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
        };
        self.is_over = len == 0;
        Ok(len)
    }
}

impl fmt::Debug for MessageReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("kind", &self.kind)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl Drop for MessageReader<'_> {
    fn drop(&mut self) {
        self.reader.skip();
    }
}

/// A message that you write in parts: see [`WebSocket::send_writer`].
///
/// It collects what you write, up to 256 KiB, and then sends it as a fragment; [`flush`](Write::flush)
/// sends it earlier. Both wait until the transport has taken it. A text has to be UTF-8 ([`InvalidInput`
/// otherwise](io::ErrorKind::InvalidInput)); a write may cut a character. An error has an [`Error`] in it.
///
/// If you drop it before it is [finished](Self::finish), and nothing of it was sent, nothing is. If
/// a fragment was sent, the connection is closed with 1011, because half a message must not look
/// like a whole one.
#[must_use = "nothing is sent of a message that is not finished"]
pub struct MessageWriter<'a> {
    writer: &'a Writer,
    draft: Draft,
}

impl MessageWriter<'_> {
    /// Ends the message, and waits until the transport has taken it.
    ///
    /// # Errors
    ///
    /// As [`Writer::send`]; [`SendError::NotUtf8`](crate::SendError::NotUtf8) if a text ends within a
    /// character.
    pub fn finish(mut self) -> Result<(), Error> {
        self.send(Part::Last)
    }

    fn send(&mut self, part: Part) -> Result<(), Error> {
        let Self { writer, draft } = self;
        let len = draft.len();
        let queue = |outgoing: &mut _| draft.send(outgoing, part);
        writer.shared().queue_and_wait(len, queue)
    }
}

impl Write for MessageWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.draft.is_full() {
            self.send(Part::More)?;
        }
        Ok(self.draft.write(bytes).map_err(Error::from)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.draft.is_empty() {
            self.send(Part::More)?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("draft", &self.draft)
            .finish_non_exhaustive()
    }
}

impl Drop for MessageWriter<'_> {
    fn drop(&mut self) {
        if let Some(close) = self.draft.abandon() {
            // If there is no memory for it, or the connection is over, the peer sees no end.
            let _ = self.writer.shared().close(close);
        }
    }
}
