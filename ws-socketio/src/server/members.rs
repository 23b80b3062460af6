//! The members of a namespace and its rooms. Ids and rooms are two tables: no socket can join a
//! room named after another's id.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use thiserror::Error;

/// The reason why a socket did not join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The socket is not connected any longer.
    #[error("not connected to this namespace")]
    Disconnected,
    /// The name is the id of a socket: messages to it are for that socket alone.
    #[error("a room cannot have the id of a socket")]
    IsSocket,
    /// The name is too long.
    #[error("room name too long (the limit is {limit} bytes)")]
    NameTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The socket is in too many rooms.
    #[error("too many rooms (the limit is {limit})")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// The longest name of a room, in bytes.
pub(super) const MAX_ROOM_NAME: usize = 256;
/// The most rooms that a socket is in.
pub(super) const MAX_ROOMS: usize = 1024;

/// Everybody in a namespace.
pub(super) struct Members<T> {
    sockets: HashMap<Arc<str>, Member<T>>,
    rooms: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

struct Member<T> {
    socket: T,
    rooms: HashSet<Arc<str>>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self {
            sockets: HashMap::new(),
            rooms: HashMap::new(),
        }
    }
}

impl<T: Clone> Members<T> {
    pub(super) fn enter(&mut self, id: &Arc<str>, socket: T) {
        let rooms = HashSet::new();
        self.sockets
            .insert(Arc::clone(id), Member { socket, rooms });
    }

    /// Somebody has left, and with that all rooms.
    pub(super) fn leave(&mut self, id: &str) {
        let Some(member) = self.sockets.remove(id) else {
            return;
        };
        for room in member.rooms {
            self.remove_from(&room, id);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<&T> {
        self.sockets.get(id).map(|member| &member.socket)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.sockets.values().map(|member| &member.socket)
    }

    pub(super) fn join(&mut self, id: &str, room: &str) -> Result<(), JoinError> {
        if room.len() > MAX_ROOM_NAME {
            let limit = MAX_ROOM_NAME;
            return Err(JoinError::NameTooLong { limit });
        }
        if self.sockets.contains_key(room) {
            return Err(JoinError::IsSocket);
        }
        let (id, _) = self
            .sockets
            .get_key_value(id)
            .ok_or(JoinError::Disconnected)?;
        let id = Arc::clone(id);
        let room = match self.rooms.get_key_value(room) {
            Some((room, _)) => Arc::clone(room),
            None => room.into(),
        };
        let member = self.sockets.get_mut(&id).ok_or(JoinError::Disconnected)?;
        if member.rooms.len() >= MAX_ROOMS && !member.rooms.contains(&room) {
            return Err(JoinError::TooMany { limit: MAX_ROOMS });
        }
        member.rooms.insert(Arc::clone(&room));
        self.rooms.entry(room).or_default().insert(id);
        Ok(())
    }

    /// Takes somebody out of a room, if they are in it.
    pub(super) fn quit(&mut self, id: &str, room: &str) {
        if let Some(member) = self.sockets.get_mut(id) {
            member.rooms.remove(room);
            self.remove_from(room, id);
        }
    }

    /// Removes everybody from a room.
    pub(super) fn close(&mut self, room: &str) {
        for id in self.rooms.remove(room).unwrap_or_default() {
            if let Some(member) = self.sockets.get_mut(&id) {
                member.rooms.remove(room);
            }
        }
    }

    /// The rooms of somebody.
    pub(super) fn rooms_of(&self, id: &str) -> Vec<String> {
        let rooms = self.sockets.get(id).map(|member| &member.rooms);
        rooms
            .into_iter()
            .flatten()
            .map(|room| room.to_string())
            .collect()
    }

    /// The sockets that are in any of these rooms, or have one of these ids, each once; without
    /// rooms, everybody. Less those who are in an excepted room, or have such an id.
    pub(super) fn select(&self, to: &[String], except: &[String]) -> Vec<T> {
        let is_excepted = |id: &str, member: &Member<T>| {
            let named = |name: &String| name == id || member.rooms.contains(name.as_str());
            except.iter().any(named)
        };
        let of = |id: &Arc<str>| {
            let member = self.sockets.get(id)?;
            (!is_excepted(id, member)).then(|| member.socket.clone())
        };
        match to {
            [] => self.sockets.keys().filter_map(of).collect(),
            // Most emits: nobody comes twice.
            [name] => self.named(name).filter_map(of).collect(),
            several => {
                let ids: HashSet<_> = several.iter().flat_map(|name| self.named(name)).collect();
                ids.into_iter().filter_map(of).collect()
            }
        }
    }

    /// The ids in a room, or the one id that is named.
    fn named(&self, name: &str) -> impl Iterator<Item = &Arc<str>> {
        let socket = self.sockets.get_key_value(name).map(|(id, _)| id);
        self.rooms.get(name).into_iter().flatten().chain(socket)
    }

    fn remove_from(&mut self, room: &str, id: &str) {
        if let Some(ids) = self.rooms.get_mut(room) {
            ids.remove(id);
            if ids.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[&str]) -> Members<u32> {
        let mut members = Members::default();
        for (index, id) in (0..).zip(ids) {
            members.enter(&(*id).into(), index);
        }
        members
    }

    fn select(members: &Members<u32>, to: &[&str], except: &[&str]) -> Vec<u32> {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        let mut selected = members.select(&owned(to), &owned(except));
        selected.sort_unstable();
        selected
    }

    #[test]
    fn a_selection_of_nothing_is_everybody_and_nobody_comes_twice() {
        let mut members = of(&["a", "b", "c"]);
        for (id, room) in [("a", "x"), ("b", "x"), ("b", "y")] {
            members.join(id, room).unwrap();
        }
        assert_eq!(select(&members, &[], &[]), [0, 1, 2]);
        assert_eq!(select(&members, &["x", "y"], &[]), [0, 1]);
        assert_eq!(select(&members, &["x", "c"], &["y"]), [0, 2]);
        assert_eq!(select(&members, &[], &["a", "y"]), [2]);
        assert_eq!(select(&members, &["nowhere"], &[]), <[u32; 0]>::default());
    }

    #[test]
    fn nobody_joins_the_room_of_anothers_id() {
        let mut members = of(&["a", "b"]);
        assert_eq!(members.join("b", "a"), Err(JoinError::IsSocket));
        assert_eq!(members.join("c", "x"), Err(JoinError::Disconnected));
    }

    #[test]
    fn what_a_socket_can_make_the_server_keep_is_bounded() {
        let mut members = of(&["a"]);
        let limit = MAX_ROOM_NAME;
        let long = "r".repeat(limit + 1);
        assert_eq!(
            members.join("a", &long),
            Err(JoinError::NameTooLong { limit })
        );
        for room in 0..MAX_ROOMS {
            members.join("a", &room.to_string()).unwrap();
        }
        members.join("a", "0").unwrap();
        let limit = MAX_ROOMS;
        assert_eq!(members.join("a", "x"), Err(JoinError::TooMany { limit }));
    }

    #[test]
    fn rooms_are_gone_with_their_last_member() {
        let mut members = of(&["a", "b"]);
        members.join("a", "x").unwrap();
        members.join("b", "x").unwrap();
        members.quit("a", "x");
        assert_eq!(members.rooms_of("a"), <[String; 0]>::default());
        members.leave("b");
        assert!(members.rooms.is_empty());
        members.join("a", "y").unwrap();
        members.close("y");
        assert!(members.rooms.is_empty() && members.rooms_of("a").is_empty());
    }
}
