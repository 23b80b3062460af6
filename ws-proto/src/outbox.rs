//! The bytes to send: whole frames, of which the first may have been sent in part.
//!
//! ```text
//!   control    │ Pong │ Ping │            written at the next boundary, before the messages
//!   frames     │ sent │ a frame, cut │ header ┊ frame │ frame │ spare, all zeroes
//!              0    start        boundary      ┊              end
//!   shared                            payload of many connections, referred to
//! ```
//!
//! A control frame may go between any two frames of messages (RFC 6455 §5.5), and goes as early as
//! it can: the peer waits for it. While no message waits it simply joins the others; once one does,
//! it is kept apart and written at the next boundary, so that nothing has to move for it.
//!
//! A large payload that is sent to many is not copied for each: its header is here, and the payload
//! stays where it is, counted.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::assembly::lengthen;
use crate::error::SendError;
use crate::header::Header;
use crate::sender::Transmit;

/// The frames, in order.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// From the cursor to here there are bytes to be sent.
    end: usize,
    /// Up to here there are control frames and no message.
    controls_end: usize,
    /// Control frames that wait for the next boundary.
    controls: Vec<u8>,
    /// A batch of them has gone before a message: now the message has its turn, or a peer that goes
    /// on pinging would never get it.
    message_next: bool,
    /// Payloads that are elsewhere, in order.
    shared: VecDeque<Shared>,
    cursor: Cursor,
    /// Payload bytes of the last frame that the caller writes from where they are.
    referred: usize,
    /// Unsent bytes that are not in `bytes`: `controls`, `shared` and `referred`.
    elsewhere: usize,
}

/// A payload that is elsewhere.
struct Shared {
    /// Its header ends here in `bytes`.
    at: usize,
    payload: Arc<[u8]>,
}

/// The cursor of what was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// In `bytes`.
    start: usize,
    /// Where some frame begins in `bytes`, at or before the first that has not been begun.
    boundary: usize,
    /// In `controls`.
    control: usize,
    /// The next of `shared`, and how far it is sent.
    shared: usize,
    shared_sent: usize,
}

/// What a transport took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Whole pieces: it may take more.
    Whole,
    /// The last piece in part: it takes no more.
    Part,
}

/// The bytes to send next.
#[derive(Clone, Copy)]
enum Piece {
    Controls,
    Shared,
    /// Bytes of our own, up to here.
    Own(usize),
}

impl Outbox {
    /// The bytes to send next, in one piece. Empty if there are none, except for those that the
    /// caller [refers to](Self::refer).
    #[inline]
    pub(crate) fn unsent(&mut self) -> &[u8] {
        if self.is_plain() {
            return &self.bytes[self.cursor.start..self.end];
        }
        self.first_piece()
    }

    #[inline(never)]
    fn first_piece(&mut self) -> &[u8] {
        let mut cursor = self.cursor;
        let next = self.next(&mut cursor);
        self.cursor.boundary = cursor.boundary;
        self.piece(cursor, next)
    }

    /// The same bytes, if they are all there is.
    #[inline]
    pub(crate) fn unsent_whole(&self) -> Option<&[u8]> {
        self.is_plain()
            .then(|| &self.bytes[self.cursor.start..self.end])
    }

    /// Fills `to` with the same bytes in several pieces, and returns how many pieces there are.
    pub(crate) fn unsent_slices<'a>(&'a self, to: &mut [&'a [u8]]) -> usize {
        let mut cursor = self.cursor;
        for (count, to) in to.iter_mut().enumerate() {
            let next = self.next(&mut cursor);
            *to = self.piece(cursor, next);
            if to.is_empty() {
                return count;
            }
            self.advance(&mut cursor, next, to.len());
        }
        to.len()
    }

    /// The number of bytes to send.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.own_len() + self.elsewhere
    }

    /// The memory that it holds or keeps from being freed, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes.capacity() + self.controls.capacity() + self.elsewhere
    }

    /// The number of bytes that lie here.
    #[inline]
    pub(crate) const fn own_len(&self) -> usize {
        self.end - self.cursor.start
    }

    /// Whether there is nothing to send.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reports that the first `len` unsent bytes have been sent; those that are referred to come
    /// after the others.
    #[inline]
    pub(crate) fn sent(&mut self, len: usize) -> Taken {
        // The common case: all that lies here.
        if len == self.own_len() && self.is_plain() {
            (self.end, self.controls_end) = (0, 0);
            (self.cursor.start, self.cursor.boundary) = (0, 0);
            self.message_next = false;
            Taken::Whole
        } else {
            self.sent_in_part(len)
        }
    }

    #[inline(never)]
    fn sent_in_part(&mut self, len: usize) -> Taken {
        let taken = if self.is_plain() {
            let own = len.min(self.end - self.cursor.start);
            self.cursor.start += own;
            self.message_next &= own == 0;
            match self.cursor.start < self.end {
                true => Taken::Part,
                false => self.sent_referred(len - own),
            }
        } else {
            self.sent_in_pieces(len)
        };
        if self.cursor.start == self.end && self.shared.is_empty() {
            (self.end, self.controls_end) = (0, 0);
            (self.cursor.start, self.cursor.boundary) = (0, 0);
            self.message_next = false;
        }
        taken
    }

    /// Makes room for a frame of `len` bytes, to be written to its start and then
    /// [added](Self::add).
    #[inline]
    pub(crate) fn room(&mut self, len: usize) -> Result<&mut [u8], SendError> {
        let room = self.bytes.get(self.end..);
        if room.is_some_and(|room| room.len() >= len) {
            return Ok(&mut self.bytes[self.end..]);
        }
        self.make_room(len)
    }

    /// Adds the first `len` bytes of the [room](Self::room): a frame of a message, or a part of
    /// one.
    #[inline]
    pub(crate) const fn add(&mut self, len: usize) {
        self.end += len;
    }

    /// The shortest payload that is shared, in bytes: to copy a shorter one takes less time than to
    /// write it as a piece of its own.
    pub(crate) const SHARES: usize = 4096;

    /// Adds a frame: `payload` as it is, or masked if the header says so.
    pub(crate) fn add_frame(&mut self, header: &Header, payload: &[u8]) -> Result<(), SendError> {
        let len = Header::size(header.payload_len(), header.mask().is_some()) + payload.len();
        let written = header.write_frame(payload, &mut self.room(len)?[..len]);
        debug_assert!(written.is_some(), "there is room for both");
        self.add(len);
        Ok(())
    }

    /// Adds a frame whose payload many connections have: refers to a large one.
    pub(crate) fn add_payload(
        &mut self,
        header: &Header,
        payload: &Arc<[u8]>,
    ) -> Result<(), SendError> {
        if header.mask().is_some() || payload.len() < Self::SHARES {
            return self.add_frame(header, payload);
        }
        self.add_shared(header, payload)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.room(bytes.len())?[..bytes.len()].copy_from_slice(bytes);
        self.add(bytes.len());
        Ok(())
    }

    /// Makes sure that a control frame can be added without asking for memory.
    pub(crate) fn make_room_for_control(&mut self) -> Result<(), SendError> {
        self.controls
            .try_reserve(if self.has_controls_only() {
                0
            } else {
                Transmit::MAX_LEN
            })
            .map_err(|_| SendError::OutOfMemory)?;
        self.room(Transmit::MAX_LEN).map(drop)
    }

    fn add_shared(&mut self, header: &Header, payload: &Arc<[u8]>) -> Result<(), SendError> {
        self.shared
            .try_reserve(1)
            .map_err(|_| SendError::OutOfMemory)?;
        self.append(header.encode().as_ref())?;
        self.shared.push_back(Shared {
            at: self.end,
            payload: payload.clone(),
        });
        self.elsewhere += payload.len();
        Ok(())
    }

    /// Notes that the caller will write `len` more bytes from elsewhere, right after what is here.
    pub(crate) const fn refer(&mut self, len: usize) {
        self.referred = len;
        self.elsewhere += len;
    }

    /// Whether such bytes are still to be written: nothing may come before them.
    #[inline]
    pub(crate) const fn owes(&self) -> bool {
        self.referred > 0
    }

    /// Whether another control frame may be taken: one batch at a time, so that a peer that pings
    /// and does not read cannot make the outbox grow.
    #[inline]
    pub(crate) fn takes_controls(&self) -> bool {
        self.controls.is_empty()
            && !self.message_next
            && self.cursor.start >= self.controls_end
            && self.referred == 0
    }

    /// Whether a Pong may join the control frames that wait: while no message is there, and they
    /// are few.
    pub(crate) fn takes_answer(&self) -> bool {
        /// In bytes: some ten Pongs of full length.
        const ANSWERS: usize = 1024;
        self.has_controls_only() && self.referred == 0 && self.own_len() < ANSWERS
    }

    /// Whether no message waits, not even the rest of one.
    fn has_controls_only(&self) -> bool {
        self.controls_end == self.end && self.shared.is_empty()
    }

    /// Adds a Ping or Pong, for which there is [room](Self::make_room_for_control), before all
    /// messages that have not been begun.
    pub(crate) fn add_control(&mut self, control: &Transmit) -> Result<(), SendError> {
        let frame = control.as_ref();
        if self.has_controls_only() {
            self.append(frame)?;
            self.controls_end = self.end;
            return Ok(());
        }
        self.controls.extend_from_slice(frame);
        self.elsewhere += frame.len();
        Ok(())
    }

    /// Adds a Close, after all messages.
    pub(crate) fn add_close(&mut self, close: &Transmit) -> Result<(), SendError> {
        self.append(close.as_ref())
    }

    /// Takes bytes that come before everything, perhaps from the middle of a frame.
    pub(crate) fn resume(&mut self, unsent: &[u8]) -> Result<(), SendError> {
        self.append(unsent)?;
        // Where a frame begins in them is not known: at their end.
        self.cursor.boundary = self.end;
        Ok(())
    }

    /// Takes what is unsent in `other`, which comes before what is here. Only into an empty one.
    pub(crate) fn take_over(&mut self, other: &mut Self) -> Result<(), SendError> {
        debug_assert!(self.is_empty(), "a queue has an order");
        let start = other.cursor.start;
        let boundary = other.find_boundary(&mut { other.cursor });
        let len = other.end - start;
        self.room(len)?[..len].copy_from_slice(&other.bytes[start..other.end]);
        self.end = len;
        self.controls_end = other.controls_end.saturating_sub(start);
        core::mem::swap(&mut self.controls, &mut other.controls);
        self.message_next = core::mem::take(&mut other.message_next);
        core::mem::swap(&mut self.shared, &mut other.shared);
        for shared in &mut self.shared {
            shared.at -= start;
        }
        self.cursor = Cursor {
            start: 0,
            boundary: boundary - start,
            ..other.cursor
        };
        self.referred = core::mem::take(&mut other.referred);
        self.elsewhere = core::mem::take(&mut other.elsewhere);
        other.cursor = Cursor::default();
        (other.end, other.controls_end) = (0, 0);
        Ok(())
    }

    /// Whether there are bytes of our own only, and no control frame that waits for a boundary.
    #[inline]
    fn is_plain(&self) -> bool {
        self.shared.is_empty() && self.controls.is_empty()
    }

    #[cold]
    fn make_room(&mut self, len: usize) -> Result<&mut [u8], SendError> {
        // As much can be added now as is moved: each byte moves once on average, and there is room
        // for twice what waits.
        self.compact();
        let size = self.end + len.max(self.end);
        if size > self.bytes.len() {
            lengthen(&mut self.bytes, size).map_err(|_| SendError::OutOfMemory)?;
        }
        Ok(&mut self.bytes[self.end..])
    }

    fn compact(&mut self) {
        let start = self.cursor.start;
        self.cursor.boundary = self.find_boundary(&mut { self.cursor }) - start;
        self.cursor.start = 0;
        self.controls_end = self.controls_end.saturating_sub(start);
        for shared in &mut self.shared {
            shared.at -= start;
        }
        self.bytes.copy_within(start..self.end, 0);
        self.end -= start;
    }

    /// The caller has written `len` bytes more of what is [referred to](Self::refer).
    #[inline]
    fn sent_referred(&mut self, len: usize) -> Taken {
        let len = len.min(self.referred);
        self.referred -= len;
        self.elsewhere -= len;
        match len > 0 && self.referred > 0 {
            true => Taken::Part,
            false => Taken::Whole,
        }
    }

    #[cold]
    fn sent_in_pieces(&mut self, mut len: usize) -> Taken {
        let mut cursor = self.cursor;
        let mut taken = Taken::Whole;
        while len > 0 {
            let next = self.next(&mut cursor);
            let whole = self.piece_len(cursor, next);
            let piece = len.min(whole);
            if piece == 0 {
                break;
            }
            len -= piece;
            if piece < whole {
                taken = Taken::Part;
            }
            self.advance(&mut cursor, next, piece);
            self.message_next = matches!(next, Piece::Controls);
            if !matches!(next, Piece::Own(_)) {
                self.elsewhere -= piece;
            }
        }
        if self.sent_referred(len) == Taken::Part {
            taken = Taken::Part;
        }
        if cursor.shared > 0 {
            self.shared.drain(..cursor.shared);
            cursor.shared = 0;
        }
        if cursor.control == self.controls.len() {
            self.controls.clear();
            cursor.control = 0;
        }
        self.cursor = cursor;
        taken
    }

    /// The piece that comes next.
    fn next(&self, cursor: &mut Cursor) -> Piece {
        let shared_at = self.shared.get(cursor.shared).map(|shared| shared.at);
        let is_shared = shared_at == Some(cursor.start);
        let end = shared_at.unwrap_or(self.end);
        if cursor.control == self.controls.len() {
            return if is_shared {
                Piece::Shared
            } else {
                Piece::Own(end)
            };
        }
        let boundary = self.find_boundary(cursor);
        // Within a frame, unless it has not been begun; within the control frames there is none.
        if cursor.control > 0 || (cursor.start == boundary && !is_shared) {
            Piece::Controls
        } else if is_shared {
            Piece::Shared
        } else {
            Piece::Own(end.min(boundary))
        }
    }

    #[inline]
    fn piece(&self, cursor: Cursor, piece: Piece) -> &[u8] {
        match piece {
            Piece::Controls => &self.controls[cursor.control..],
            Piece::Own(end) => &self.bytes[cursor.start..end],
            Piece::Shared => match self.shared.get(cursor.shared) {
                Some(shared) => &shared.payload[cursor.shared_sent..],
                None => &[],
            },
        }
    }

    /// The length of a piece: here the bytes themselves are not looked at.
    #[inline]
    fn piece_len(&self, cursor: Cursor, piece: Piece) -> usize {
        match piece {
            Piece::Controls => self.controls.len() - cursor.control,
            Piece::Own(end) => end - cursor.start,
            Piece::Shared => self.piece(cursor, piece).len(),
        }
    }

    /// Moves on by `len` bytes of a piece.
    fn advance(&self, cursor: &mut Cursor, piece: Piece, len: usize) {
        match piece {
            Piece::Controls => cursor.control += len,
            Piece::Own(_) => cursor.start += len,
            Piece::Shared => {
                cursor.shared_sent += len;
                let shared = self.shared.get(cursor.shared);
                if shared.is_some_and(|shared| shared.payload.len() == cursor.shared_sent) {
                    cursor.shared += 1;
                    cursor.shared_sent = 0;
                    // Its frame ends here.
                    cursor.boundary = cursor.start;
                }
            }
        }
    }

    /// The start of the first frame of which nothing has been sent; or, if the payload of the one
    /// before is elsewhere, the end of that one's header. The frames are our own, so their headers
    /// decode.
    #[inline]
    fn find_boundary(&self, cursor: &mut Cursor) -> usize {
        if cursor.boundary < cursor.start {
            return self.walk_to_boundary(cursor);
        }
        cursor.boundary
    }

    fn walk_to_boundary(&self, cursor: &mut Cursor) -> usize {
        let shared_at = self.shared.get(cursor.shared).map(|shared| shared.at);
        while cursor.boundary < cursor.start {
            let frames = &self.bytes[cursor.boundary..self.end];
            let Ok(Some((header, size))) = Header::decode(frames) else {
                debug_assert!(false, "a frame of ours does not decode");
                return self.end;
            };
            let header_end = cursor.boundary.saturating_add(size);
            if shared_at == Some(header_end) {
                return header_end;
            }
            let payload = usize::try_from(header.payload_len()).unwrap_or(usize::MAX);
            cursor.boundary = header_end.saturating_add(payload).min(self.end);
        }
        cursor.boundary
    }
}

/// Shows the lengths, and none of what is sent.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("unsent", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Opcode;
    use crate::sender::Sender;

    /// A binary frame as a server writes it.
    fn data(len: usize, fill: u8) -> Vec<u8> {
        let header = Header::new(Opcode::Binary, len as u64).unwrap().encode();
        let mut frame = header.as_ref().to_vec();
        frame.resize(frame.len() + len, fill);
        frame
    }

    fn pong(fill: u8) -> Transmit {
        let mut sender = Sender::server();
        sender.pong(&[fill; 3]).unwrap();
        sender.poll_transmit().unwrap()
    }

    impl Outbox {
        fn put(&mut self, bytes: &[u8]) {
            self.append(bytes).unwrap();
        }

        fn put_control(&mut self, control: &Transmit) {
            self.make_room_for_control().unwrap();
            self.add_control(control).unwrap();
        }

        fn put_shared(&mut self, len: usize, fill: u8) {
            let header = Header::new(Opcode::Binary, len as u64).unwrap();
            let payload = alloc::vec![fill; len].into();
            self.add_payload(&header, &payload).unwrap();
        }

        /// All that is unsent, as many pieces at a time.
        fn everything(&self, pieces: usize) -> Vec<u8> {
            let mut slices = alloc::vec![&[][..]; pieces];
            let count = self.unsent_slices(&mut slices);
            slices[..count].concat()
        }
    }

    /// The oracle: a list of frames, and how much of the first was sent.
    #[derive(Default)]
    struct Naive {
        frames: Vec<Vec<u8>>,
        sent: usize,
    }

    impl Naive {
        /// After the frame that is cut and the control frames that were put there before.
        fn add_control(&mut self, frame: &[u8]) {
            let cut = usize::from(self.sent > 0);
            let before = self.frames.iter().skip(cut).take_while(|f| f[0] == 0x8A);
            let at = cut + before.count();
            self.frames.insert(at, frame.to_vec());
        }

        fn sent(&mut self, len: usize) {
            self.sent += len;
            while let Some(first) = self.frames.first()
                && self.sent >= first.len()
            {
                self.sent -= first.len();
                self.frames.remove(0);
            }
        }

        fn unsent(&self) -> Vec<u8> {
            self.frames.concat().split_off(self.sent)
        }
    }

    #[test]
    fn outbox_equals_a_list_of_frames() {
        let (mut controls, mut seed) = (0, 1_u32);
        let mut random = |bound: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(seed >> 8).unwrap() % bound
        };
        const ROUNDS: u32 = if cfg!(miri) { 2 } else { 300 };
        for _ in 0..ROUNDS {
            let (mut outbox, mut naive) = (Outbox::default(), Naive::default());
            for step in 0..(if cfg!(miri) { 40_u8 } else { 200 }) {
                match random(9) {
                    0..=2 => {
                        let len = [0, 1, 125, 126, 300, 2000][random(6)];
                        outbox.put(&data(len, step));
                        naive.frames.push(data(len, step));
                    }
                    3 => {
                        let len = [Outbox::SHARES - 1, Outbox::SHARES, 5000][random(3)];
                        outbox.put_shared(len, step);
                        naive.frames.push(data(len, step));
                    }
                    4 if outbox.takes_controls() => {
                        for fill in 0..1 + u8::try_from(random(3)).unwrap() {
                            outbox.put_control(&pong(fill));
                            naive.add_control(pong(fill).as_ref());
                        }
                        controls += 1;
                    }
                    // It moves to another, and perhaps back.
                    5 => {
                        let mut other = Outbox::default();
                        other.take_over(&mut outbox).unwrap();
                        assert_eq!((outbox.len(), outbox.unsent()), (0, &[][..]));
                        outbox = other;
                    }
                    _ => {
                        let len = random(3000).min(outbox.len());
                        outbox.sent(len);
                        naive.sent(len);
                    }
                }
                let expected = naive.unsent();
                assert_eq!(outbox.everything(600), expected, "{step}");
                assert!(expected.starts_with(&outbox.everything(2)));
                let first = outbox.unsent();
                assert!(expected.starts_with(first), "{step}");
                assert_eq!(first.is_empty(), expected.is_empty(), "{step}");
                assert_eq!(outbox.len(), expected.len());
                let waits = naive.frames.iter().any(|frame| frame[0] == 0x8A);
                let takes = !waits && !outbox.message_next;
                assert_eq!(outbox.takes_controls(), takes, "one batch at a time");
            }
        }
        assert!(controls > 3 * ROUNDS || cfg!(miri), "{controls}");
    }

    /// What was sent makes room: a queue that is never empty does not grow for ever.
    #[test]
    fn outbox_reuses_the_room_of_what_was_sent() {
        let mut outbox = Outbox::default();
        let frame = data(1000, 7);
        outbox.put(&frame);
        for _ in 0..if cfg!(miri) { 500 } else { 10_000 } {
            outbox.put(&frame);
            outbox.sent(frame.len());
        }
        assert_eq!(outbox.unsent(), frame);
        assert!(outbox.bytes.len() < 8 * frame.len());
    }

    /// What waits moves when there is no room after it; as much can be put then before it moves
    /// again, and no more.
    #[test]
    fn outbox_moves_what_waits_once_for_as_much_as_is_put() {
        let mut outbox = Outbox::default();
        outbox.put(&data(596, 1));
        outbox.sent(200);
        outbox.put(&[2]);
        assert_eq!((outbox.cursor.start, outbox.len()), (0, 401));
        assert_eq!(outbox.bytes.len(), 800, "twice what waited");
        outbox.sent(1);
        outbox.put(&[3; 399]);
        assert_eq!((outbox.cursor.start, outbox.len()), (1, 799));
        outbox.put(&[5; 5000]);
        assert_eq!(outbox.bytes.len(), 5799, "or what is put");
    }

    #[test]
    fn outbox_takes_no_more_memory_for_a_frame_than_it_has_bytes() {
        let mut outbox = Outbox::default();
        outbox.room(10_000).unwrap();
        let room = outbox.bytes.capacity();
        assert!((10_000..11_000).contains(&room), "{room}");
    }

    #[test]
    fn outbox_refers_after_everything_and_lets_nothing_between() {
        let mut outbox = Outbox::default();
        outbox.put(&[0x82, 5]);
        outbox.refer(5);
        assert!(outbox.owes() && !outbox.takes_controls());
        assert_eq!((outbox.len(), outbox.unsent()), (7, &[0x82, 5][..]));
        outbox.sent(1);
        outbox.sent(3); // one of ours, two of those
        assert_eq!((outbox.len(), outbox.unsent()), (3, &[][..]));
        assert!(outbox.owes() && !outbox.takes_controls());
        outbox.sent(3);
        assert!(!outbox.owes() && outbox.takes_controls());
        // After a payload that is shared too.
        outbox.put_shared(5000, 1);
        outbox.put(&[0x82, 5]);
        outbox.refer(5);
        outbox.sent(outbox.len() - 2);
        assert_eq!((outbox.len(), outbox.owes()), (2, true));
        outbox.sent(2);
        assert!(outbox.is_empty() && !outbox.owes());
    }

    /// A thousand bytes of answers are many; those that have left do not count.
    #[test]
    fn outbox_takes_answers_while_few_wait() {
        let mut outbox = Outbox::default();
        while outbox.takes_answer() {
            outbox.put_control(&pong(9));
        }
        let len = outbox.len();
        assert!(
            (1024..1024 + pong(9).as_ref().len()).contains(&len),
            "{len}"
        );
        outbox.sent(len - 1023);
        assert!(outbox.takes_answer());
        outbox.put(&data(0, 1));
        assert!(!outbox.takes_answer(), "a message waits");
    }

    /// A peer that pings after each write gets the message all the same.
    #[test]
    fn outbox_gives_messages_their_turn() {
        let mut outbox = Outbox::default();
        outbox.put(&data(10, 1));
        outbox.put(&data(10, 2));
        for _ in 0..2 {
            assert!(outbox.takes_controls());
            outbox.put_control(&pong(9));
            assert_eq!(outbox.unsent(), pong(9).as_ref());
            outbox.sent(5);
            assert!(!outbox.takes_controls(), "it is the message's turn");
            outbox.sent(12);
        }
        assert!(outbox.is_empty() && outbox.takes_controls());
    }

    /// A payload that many have is where it was.
    #[test]
    fn memory_counts_all_that_is_kept() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.memory(), 0);
        let header = Header::new(Opcode::Binary, 10).unwrap();
        outbox.add_frame(&header, &[7; 10]).unwrap();
        let own = outbox.memory();
        assert!(own >= 12, "{own}");
        let len = Outbox::SHARES;
        let payload: Arc<[u8]> = alloc::vec![7; len].into();
        let header = Header::new(Opcode::Binary, len as u64).unwrap();
        outbox.add_payload(&header, &payload).unwrap();
        let shared = outbox.memory() - own;
        assert!((len..len + 100).contains(&shared), "{shared}");
        outbox.make_room_for_control().unwrap();
        let control = outbox.memory() - own - shared;
        assert!(control >= Transmit::MAX_LEN, "{control}");
    }

    #[test]
    fn outbox_shares_a_large_payload_and_copies_a_small_one() {
        let header = Header::new(Opcode::Binary, Outbox::SHARES as u64).unwrap();
        let payload: Arc<[u8]> = alloc::vec![7; Outbox::SHARES].into();
        let mut outbox = Outbox::default();
        outbox.add_payload(&header, &payload).unwrap();
        let mut slices = [&[][..]; 3];
        assert_eq!(outbox.unsent_slices(&mut slices), 2);
        assert!(core::ptr::eq(slices[1], &*payload));
        let small: Arc<[u8]> = alloc::vec![7; 10].into();
        outbox.sent(outbox.len());
        outbox
            .add_payload(&Header::new(Opcode::Binary, 10).unwrap(), &small)
            .unwrap();
        assert_eq!(outbox.unsent().len(), 12);
        assert_eq!(Arc::strong_count(&payload), 1, "what is sent is let go of");
    }
}
