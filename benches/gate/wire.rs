//! The input: payloads and frames, the same in every run.

use ws_proto::{Header, Kind, Mask, Opcode, Part, Role};

/// The content of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// Bytes of every value, as a binary message.
    Binary,
    /// Letters of one byte.
    Ascii,
    /// Letters of three bytes.
    Chinese,
}

impl Script {
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Binary => Kind::Binary,
            Self::Ascii | Self::Chinese => Kind::Text,
        }
    }
}

/// A payload of exactly `len` bytes.
pub(crate) fn payload(script: Script, len: usize) -> Vec<u8> {
    let mut seed = 1_u32;
    let mut random = move |bound: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % bound
    };
    match script {
        Script::Binary => (0..len).map(|_| random(256).to_le_bytes()[0]).collect(),
        Script::Ascii => (0..len)
            .map(|_| b' ' + random(95).to_le_bytes()[0])
            .collect(),
        Script::Chinese => {
            let mut text: String = (0..len / 3)
                .filter_map(|_| char::from_u32(0x4E00 + random(0x5000)))
                .collect();
            text.extend(std::iter::repeat_n('.', len % 3));
            text.into_bytes()
        }
    }
}

/// A frame as the peer of `role` writes it.
pub(crate) fn frame(role: Role, opcode: Opcode, part: Part, payload: &[u8]) -> Vec<u8> {
    let mask = match role {
        Role::Server => Some(Mask::new([0x37, 0xFA, 0x21, 0x3D])),
        Role::Client => None,
    };
    let header = Header::new(opcode, payload.len() as u64).expect("a length that can be sent");
    let header = match part {
        Part::More => header.unfinished().expect("a data frame"),
        Part::Last => header,
    };
    let mut frame = header.masked(mask).encode().as_ref().to_vec();
    let at = frame.len();
    frame.extend_from_slice(payload);
    if let Some(mask) = mask {
        let _ = mask.apply(&mut frame[at..]);
    }
    frame
}

/// A message in one frame.
pub(crate) fn whole(role: Role, script: Script, len: usize) -> Vec<u8> {
    frame(role, opcode(script), Part::Last, &payload(script, len))
}

/// A message in frames of `piece` bytes.
pub(crate) fn fragmented(role: Role, script: Script, len: usize, piece: usize) -> Vec<u8> {
    let payload = payload(script, len);
    let last = len.div_ceil(piece) - 1;
    let mut wire = Vec::new();
    for (i, piece) in payload.chunks(piece).enumerate() {
        let opcode = if i == 0 {
            opcode(script)
        } else {
            Opcode::Continuation
        };
        let part = if i == last { Part::Last } else { Part::More };
        wire.extend(frame(role, opcode, part, piece));
    }
    wire
}

const fn opcode(script: Script) -> Opcode {
    match script.kind() {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    }
}
