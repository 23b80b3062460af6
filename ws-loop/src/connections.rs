//! The connections of a loop: places that are used again, and names for them that are not.

use std::mem;

use ws_proto::Session;

use crate::flags::Flags;
use crate::opening::{Answering, Opening};
use crate::stream::Stream;
use crate::wheel::{Link, Links};

/// The name of a connection, for as long as its loop runs: no later connection gets the same, so a
/// message to one that has ended is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    slot: u32,
    generation: u32,
}

impl Id {
    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

/// A connection, whatever it is at.
#[derive(Debug)]
pub(crate) struct Entry<D> {
    pub(crate) stage: Stage,
    /// The application's part, from its `open` to its `closed`.
    pub(crate) data: Option<D>,
    pub(crate) stream: Stream,
    pub(crate) link: Link,
    generation: u32,
    pub(crate) flags: Flags,
}

/// The stage that a connection has reached. What is rare or short is boxed, and freed when it ends.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all of them are open, and lie here"
)]
pub(crate) enum Stage {
    /// None: the place waits for the next.
    Vacant { next: u32 },
    /// The opening handshake.
    Opening(Box<Opening>),
    /// An answer that opens nothing.
    Answering(Box<Answering>),
    /// A WebSocket, to the end of its lingering.
    Open(Session),
}

/// The end of the list of vacant places.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Connections<D> {
    entries: Vec<Entry<D>>,
    vacant: u32,
    len: usize,
}

impl<D> Connections<D> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: NONE,
            len: 0,
        }
    }

    /// The number of connections.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The number of places: each slot is below it.
    pub(crate) fn slots(&self) -> u32 {
        // `insert` makes no more than that.
        u32::try_from(self.entries.len()).unwrap_or(NONE)
    }

    /// Enters a connection; `None` if there is no memory for it.
    pub(crate) fn insert(&mut self, stream: Stream, stage: Stage) -> Option<u32> {
        let slot = self.vacant;
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            if let Stage::Vacant { next } = entry.stage {
                self.vacant = next;
            }
            entry.stage = stage;
            entry.stream = stream;
            self.len += 1;
            return Some(slot);
        }
        let slot = self.slots();
        if slot >= Link::MAX_SLOT || self.entries.try_reserve(1).is_err() {
            return None;
        }
        self.entries.push(Entry {
            stage,
            data: None,
            stream,
            link: Link::default(),
            generation: 0,
            flags: Flags::default(),
        });
        self.len += 1;
        Some(slot)
    }

    /// Removes a connection, which the wheel does not have any more, and closes its socket.
    pub(crate) fn remove(&mut self, slot: u32) {
        let vacant = Stage::Vacant { next: self.vacant };
        let Some(entry) = self.get_mut(slot) else {
            return;
        };
        let _ = mem::replace(&mut entry.stage, vacant);
        entry.stream = Stream::Closed;
        entry.data = None;
        entry.flags = Flags::default();
        entry.generation = entry.generation.wrapping_add(1);
        self.vacant = slot;
        self.len -= 1;
    }

    /// The connection in a slot, if there is one.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry<D>> {
        let entry = self.entries.get_mut(slot as usize)?;
        match entry.stage {
            Stage::Vacant { .. } => None,
            _ => Some(entry),
        }
    }

    /// The slot of a connection, if it is there still.
    pub(crate) fn find(&self, id: Id) -> Option<u32> {
        let entry = self.entries.get(id.slot as usize)?;
        let is_there = entry.generation == id.generation;
        (is_there && !matches!(entry.stage, Stage::Vacant { .. })).then_some(id.slot)
    }
}

impl<D> Entry<D> {
    #[inline]
    pub(crate) const fn id(&self, slot: u32) -> Id {
        Id {
            slot,
            generation: self.generation,
        }
    }
}

impl<D> Links for Connections<D> {
    fn link_mut(&mut self, slot: u32) -> Option<&mut Link> {
        self.entries
            .get_mut(slot as usize)
            .map(|entry| &mut entry.link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Connections<u8> {
        Connections::new()
    }

    fn insert(connections: &mut Connections<u8>) -> (u32, Id) {
        let session = Session::server(&ws_proto::Config::DEFAULT);
        let slot = connections
            .insert(Stream::Closed, Stage::Open(session))
            .unwrap();
        let id = connections.get_mut(slot).unwrap().id(slot);
        (slot, id)
    }

    #[test]
    fn a_place_is_used_again_and_a_name_is_not() {
        let mut connections = connections();
        let (a, name_of_a) = insert(&mut connections);
        let (b, name_of_b) = insert(&mut connections);
        connections.remove(a);
        assert_eq!(connections.find(name_of_a), None);
        assert!(connections.get_mut(a).is_none());
        let (c, name_of_c) = insert(&mut connections);
        assert_eq!((c, connections.slots(), connections.len()), (a, 2, 2));
        assert_eq!(connections.find(name_of_a), None);
        assert_eq!(connections.find(name_of_b), Some(b));
        assert_eq!(connections.find(name_of_c), Some(c));
        connections.remove(7);
        connections.remove(b);
        connections.remove(b);
        assert_eq!(connections.len(), 1);
    }

    /// The memory that a loop needs for each silent connection, but for the application's part.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn an_idle_connection_is_small() {
        // 232 bytes, where mio does not check itself: then its sockets are larger.
        let least = size_of::<Session>() + size_of::<Stream>();
        let size = size_of::<Entry<()>>();
        assert!(size <= least + 16, "{size}");
    }
}
