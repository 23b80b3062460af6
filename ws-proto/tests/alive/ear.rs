//! What the peer is asked, in the frames that are written to it.

use ws_testkit::{CLOSE, PING};

use crate::mouth::{What, size};

/// Finds the ends of Pings and of the Close in what is written.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    /// What is known of the header of the frame that it is within.
    header: Vec<u8>,
    /// What is left of its payload.
    payload: u64,
}

impl Ear {
    /// Takes at most `room` bytes of `pieces`, and notes in `left` after how many of them each
    /// question ends. Returns how many it took.
    pub(crate) fn take(
        &mut self,
        pieces: &[&[u8]],
        room: u64,
        left: &mut Vec<(u64, What)>,
    ) -> usize {
        let mut taken = 0;
        for mut piece in pieces.iter().copied() {
            piece = &piece[..piece.len().min(size(room) - taken)];
            while let [next, rest @ ..] = piece {
                if self.payload == 0 {
                    self.header.push(*next);
                    (piece, taken) = (rest, taken + 1);
                    self.payload = payload_len(&self.header).unwrap_or(0);
                } else {
                    let payload = size(self.payload).min(piece.len());
                    self.payload -= payload as u64;
                    (piece, taken) = (&piece[payload..], taken + payload);
                }
                if self.payload == 0 && payload_len(&self.header).is_some() {
                    match self.header[0] & 0x0F {
                        PING => left.push((taken as u64, What::Ping)),
                        CLOSE => left.push((taken as u64, What::Close)),
                        _ => {}
                    }
                    self.header.clear();
                }
            }
        }
        taken
    }
}

/// The length of the payload, if the header is whole.
fn payload_len(header: &[u8]) -> Option<u64> {
    let (_, second) = (header.first()?, header.get(1)?);
    let (start, mask) = (2, if second & 0x80 == 0 { 0 } else { 4 });
    let (len, end) = match second & 0x7F {
        126 => (number(header.get(start..4)?), 4),
        127 => (number(header.get(start..10)?), 10),
        len => (u64::from(len), start),
    };
    (header.len() == end + mask).then_some(len)
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
