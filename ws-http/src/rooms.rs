//! Rooms by name, and the connections that are in them.
//!
//! ```text
//!   "tea" ─▶ Group │ Ada │ Bob │          Presence of Ada ─▶ Membership of "tea", of "pub"
//!   "pub" ─▶ Group │ Ada │                                ─▶ Membership of everyone
//! ```
//!
//! The map of all rooms is locked to look a room up, and never while a room is: a busy one, or one
//! that waits for a member, holds up nobody in another.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use ws_proto::{CloseCode, Error, Message, Prepared};

use crate::group::{Group, Membership, RoomMetrics, RoomPolicy};
use crate::member::Member;

/// Rooms by name, that connections enter and leave: each is a [`Group`]. `T` is what the
/// application keeps for each connection, such as the user.
///
/// A room and its history exist from when the first connection joins until the last has left. So
/// peers cannot make rooms pile up.
///
/// Clones are the same rooms, for any thread.
pub struct Rooms<W, T = ()> {
    hall: Arc<Hall<W, T>>,
}

struct Hall<W, T> {
    policy: Box<Policies>,
    everyone: Group<Guest<W, T>>,
    open: Mutex<Open<W, T>>,
}

/// The rooms that somebody is in.
type Open<W, T> = HashMap<Arc<str>, Group<Guest<W, T>>>;

/// The policy of a room of this name.
type Policies = dyn Fn(&str) -> RoomPolicy + Send + Sync;

/// A connection among [`Rooms`]: it is in those that it [joined](Self::join), and leaves all of them
/// when this is dropped.
#[must_use = "the connection leaves when this is dropped"]
pub struct Presence<W, T = ()> {
    guest: Guest<W, T>,
    hall: Arc<Hall<W, T>>,
    joined: Mutex<HashMap<Arc<str>, Place<W, T>>>,
    everyone: Membership<Guest<W, T>>,
}

/// A connection's place in one room.
struct Place<W, T> {
    group: Group<Guest<W, T>>,
    membership: Membership<Guest<W, T>>,
}

/// A connection, with what the application knows of it.
struct Guest<W, T>(Arc<(W, Arc<T>)>);

impl<W: Member, T: Send + Sync + 'static> Rooms<W, T> {
    /// Makes rooms with the default policy, which closes slow members.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|_| RoomPolicy::new())
    }

    /// Makes rooms whose policy depends on their name.
    #[must_use]
    pub fn with(policy: impl Fn(&str) -> RoomPolicy + Send + Sync + 'static) -> Self {
        Self {
            hall: Arc::new(Hall {
                policy: Box::new(policy),
                everyone: Group::new(),
                open: Mutex::default(),
            }),
        }
    }

    /// Adds a connection, with the application's data about it. It is in no room yet, but gets what
    /// is sent [to all](Self::send_to_all) connections.
    pub fn enter(&self, writer: W, state: T) -> Presence<W, T> {
        let guest = Guest(Arc::new((writer, Arc::new(state))));
        Presence {
            everyone: self.hall.everyone.join(guest.clone()),
            guest,
            hall: self.hall.clone(),
            joined: Mutex::default(),
        }
    }

    /// Queues a message for everyone in a room, and returns for how many: none, if there is no such
    /// room.
    pub fn send<'m>(&self, room: &str, message: impl Into<Message<'m>>) -> usize {
        self.hall.find(room).map_or(0, |group| group.send(message))
    }

    /// Queues a message for all connections, each once, whatever rooms they are in. Slow ones are
    /// closed.
    pub fn send_to_all<'m>(&self, message: impl Into<Message<'m>>) -> usize {
        self.hall.everyone.send(message)
    }

    /// Closes a room: all its members leave it. Their connections stay as they are, and the next to
    /// join opens the room anew.
    pub fn close(&self, room: &str) {
        if let Some(group) = self.hall.find(room) {
            group.clear();
            self.hall.end(room, &group);
        }
    }

    /// The application's data about those in a room, in the order in which they joined.
    #[must_use]
    pub fn members(&self, room: &str) -> Vec<Arc<T>> {
        let mut members = Vec::new();
        if let Some(group) = self.hall.find(room) {
            group.each(|guest| members.push(guest.0.1.clone()));
        }
        members
    }

    /// The number of connections, in rooms or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hall.everyone.len()
    }

    /// Whether there is no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the rooms that somebody is in.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        self.hall.open().keys().cloned().collect()
    }

    /// Returns what became of the messages of a room since it opened: zeroes if there is no such
    /// room.
    #[must_use]
    pub fn metrics(&self, room: &str) -> RoomMetrics {
        let group = self.hall.find(room);
        group.map_or_else(RoomMetrics::default, |group| group.metrics())
    }
}

impl<W: Member, T: Send + Sync + 'static> Presence<W, T> {
    /// Joins a room, which opens if nobody is in it, and gets its history. Does nothing if the
    /// connection is in it already.
    pub fn join(&self, room: &str) {
        let mut joined = self.joined();
        let open = self.hall.find(room);
        // One that was closed since is another.
        let is_in = |place: &Place<W, T>| open.is_some_and(|open| open.is_same(&place.group));
        if joined.get(room).is_some_and(is_in) {
            return;
        }
        let (name, place) = self.hall.join(room, &self.guest);
        joined.insert(name, place);
    }

    /// Leaves a room, if the connection is in it.
    pub fn leave(&self, room: &str) {
        let place = self.joined().remove_entry(room);
        if let Some((name, place)) = place {
            self.hall.leave(&name, place);
        }
    }

    /// Queues a message for all others in a room that it has joined, and returns for how many.
    pub fn send_to_others<'m>(&self, room: &str, message: impl Into<Message<'m>>) -> usize {
        let joined = self.joined();
        let place = joined.get(room);
        place.map_or(0, |place| place.membership.send_to_others(message))
    }

    /// Queues a message for all connections but this one, and returns for how many.
    pub fn send_to_all_others<'m>(&self, message: impl Into<Message<'m>>) -> usize {
        self.everyone.send_to_others(message)
    }
}

impl<W, T> Presence<W, T> {
    /// The application's data about the connection.
    #[must_use]
    pub fn state(&self) -> &T {
        &self.guest.0.1
    }

    fn joined(&self) -> MutexGuard<'_, HashMap<Arc<str>, Place<W, T>>> {
        lock(&self.joined)
    }
}

impl<W: Member, T: Send + Sync + 'static> Hall<W, T> {
    /// Makes a place in a room, which opens if it has to.
    fn join(&self, room: &str, guest: &Guest<W, T>) -> (Arc<str>, Place<W, T>) {
        loop {
            let (name, group) = self.find_or_open(room);
            match group.join_unless_retired(guest) {
                Some(membership) => return (name, Place { group, membership }),
                // Its last member left meanwhile.
                None => self.forget(&name, &group),
            }
        }
    }

    fn find_or_open(&self, room: &str) -> (Arc<str>, Group<Guest<W, T>>) {
        if let Some((name, group)) = self.open().get_key_value(room) {
            return (name.clone(), group.clone());
        }
        // Not while the map is locked: it is the application's code.
        let fresh = Group::with((self.policy)(room));
        let name = Arc::from(room);
        let mut open = self.open();
        let group = open.entry(Arc::clone(&name)).or_insert(fresh).clone();
        (name, group)
    }
}

impl<W, T> Hall<W, T> {
    fn find(&self, room: &str) -> Option<Group<Guest<W, T>>> {
        self.open().get(room).cloned()
    }

    fn leave(&self, room: &str, place: Place<W, T>) {
        let Place { group, membership } = place;
        drop(membership);
        self.end(room, &group);
    }

    /// Closes a room, if nobody is in it.
    fn end(&self, room: &str, group: &Group<Guest<W, T>>) {
        if group.retire() {
            self.forget(room, group);
        }
    }

    /// Takes a room out of the map, unless another has its name by now.
    fn forget(&self, room: &str, group: &Group<Guest<W, T>>) {
        let mut open = self.open();
        if open.get(room).is_some_and(|own| own.is_same(group)) {
            open.remove(room);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open<W, T>> {
        lock(&self.open)
    }
}

impl<W: Member, T: Send + Sync + 'static> Member for Guest<W, T> {
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.0.0.queue_prepared(prepared)
    }

    fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.0.0.send_prepared(prepared)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.0.poll_room(cx)
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.0.close(code, reason)
    }

    fn abort(&self) {
        self.0.0.abort();
    }
}

impl<W, T> Drop for Presence<W, T> {
    fn drop(&mut self) {
        let joined = self
            .joined
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for (name, place) in joined.drain() {
            self.hall.leave(&name, place);
        }
    }
}

impl<W, T> Clone for Guest<W, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W, T> Clone for Rooms<W, T> {
    fn clone(&self) -> Self {
        let hall = Arc::clone(&self.hall);
        Self { hall }
    }
}

impl<W: Member, T: Send + Sync + 'static> Default for Rooms<W, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how many there are, and no names.
impl<W, T> fmt::Debug for Rooms<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms")
            .field("rooms", &self.hall.open().len())
            .field("connections", &self.hall.everyone.len())
            .finish()
    }
}

impl<W, T> fmt::Debug for Presence<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence")
            .field("rooms", &self.joined().len())
            .finish_non_exhaustive()
    }
}

/// Takes a lock, poisoned or not: every change under it is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use ws_proto::SendError;

    use super::*;
    use crate::group::Slow;
    use crate::group::tests::Fake;

    fn enter<T: Send + Sync + 'static>(
        rooms: &Rooms<Fake, T>,
        state: T,
    ) -> (Presence<Fake, T>, Fake) {
        let fake = Fake::with_room(1000);
        (rooms.enter(fake.clone(), state), fake)
    }

    #[test]
    fn to_a_room_to_all_and_to_all_but_one() {
        let rooms = Rooms::new();
        let (ada, to_ada) = enter(&rooms, "Ada");
        let (bob, to_bob) = enter(&rooms, "Bob");
        let (_eve, to_eve) = enter(&rooms, "Eve");
        for room in ["tea", "pub", "tea"] {
            ada.join(room);
        }
        bob.join("tea");
        assert_eq!(rooms.send("tea", "1"), 2);
        assert_eq!(rooms.send("pub", "2"), 1);
        assert_eq!(rooms.send("nowhere", "3"), 0);
        assert_eq!(rooms.send_to_all("4"), 3);
        assert_eq!(ada.send_to_others("tea", "5"), 1);
        assert_eq!(bob.send_to_others("pub", "6"), 0, "it is not there");
        assert_eq!(bob.send_to_all_others("7"), 2);
        assert_eq!(to_ada.got(), ["1", "2", "4", "7"]);
        assert_eq!(to_bob.got(), ["1", "4", "5"]);
        assert_eq!(to_eve.got(), ["4", "7"]);
        assert_eq!(*ada.state(), "Ada");
        let names = |room| {
            let members = rooms.members(room);
            members.iter().map(|name| **name).collect::<Vec<_>>()
        };
        assert_eq!(names("tea"), ["Ada", "Bob"]);
        ada.leave("tea");
        ada.leave("tea");
        assert_eq!(names("tea"), ["Bob"]);
        drop(bob);
        assert_eq!(names("tea"), [""; 0]);
        assert_eq!((rooms.names(), rooms.len()), (vec!["pub".into()], 2));
        drop(ada);
        assert!(rooms.names().is_empty());
    }

    #[test]
    fn a_room_that_is_closed_opens_anew() {
        let rooms = Rooms::with(|_| RoomPolicy::new().history(5));
        let (ada, to_ada) = enter(&rooms, ());
        ada.join("tea");
        rooms.send("tea", "1");
        rooms.close("tea");
        assert!(rooms.names().is_empty());
        assert_eq!(rooms.send("tea", "2"), 0);
        assert_eq!(ada.send_to_others("tea", "3"), 0);
        assert_eq!(rooms.send_to_all("4"), 1);
        ada.join("tea");
        assert_eq!(rooms.send("tea", "5"), 1);
        assert_eq!(to_ada.got(), ["1", "4", "5"]);
        rooms.close("nowhere");
    }

    #[test]
    fn each_room_has_the_policy_of_its_name() {
        let rooms = Rooms::with(|room| match room {
            "feed" => RoomPolicy::new().slow(Slow::Skip),
            _ => RoomPolicy::new().history(1),
        });
        let guest = rooms.enter(Fake::default(), ());
        guest.join("feed");
        assert_eq!(rooms.send("feed", "1"), 0);
        assert_eq!(
            (rooms.metrics("feed").skipped, rooms.members("feed").len()),
            (1, 1)
        );
        guest.join("tea");
        assert_eq!(rooms.send("tea", "2"), 0);
        assert_eq!(
            (rooms.metrics("tea").closed, rooms.members("tea").len()),
            (1, 0)
        );
        assert_eq!(rooms.metrics("nowhere"), RoomMetrics::default());
    }

    /// A connection, or a way to another machine.
    enum Way {
        Here(Fake),
        There(mpsc::Sender<String>),
    }

    impl Member for Way {
        fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
            match self {
                Self::Here(fake) => fake.queue_prepared(prepared),
                Self::There(line) => {
                    let text = prepared.message().as_text().unwrap();
                    line.send(text.into()).map_err(|_| SendError::Closed.into())
                }
            }
        }

        fn poll_room(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        fn close(&self, _: CloseCode, _: &str) -> Result<(), Error> {
            Ok(())
        }

        fn abort(&self) {}
    }

    #[test]
    fn rooms_of_two_machines_are_one_if_each_has_a_way_to_the_other() {
        let machines = [Rooms::new(), Rooms::new()];
        let fakes = [Fake::with_room(1000), Fake::with_room(1000)];
        let mut connections = Vec::new();
        let mut ways = Vec::new();
        for (machine, fake) in machines.iter().zip(&fakes) {
            let connection = machine.enter(Way::Here(fake.clone()), ());
            let (line, lines) = mpsc::channel();
            let way = machine.enter(Way::There(line), ());
            for presence in [&connection, &way] {
                presence.join("tea");
            }
            connections.push(connection);
            ways.push((way, lines));
        }
        assert_eq!(machines[0].send("tea", "from the first"), 2);
        assert_eq!(connections[1].send_to_others("tea", "from the second"), 1);
        for (from, to) in [(0, 1), (1, 0), (0, 1)] {
            for line in ways[from].1.try_iter() {
                ways[to].0.send_to_others("tea", &*line);
            }
        }
        assert_eq!(fakes[0].got(), ["from the first", "from the second"]);
        assert_eq!(fakes[1].got(), ["from the first"]);
    }

    /// One that waits for a member is as busy as a room can be.
    #[test]
    fn a_busy_room_holds_up_no_other() {
        let rooms = Rooms::with(|_| RoomPolicy::new().slow(Slow::Wait));
        let full = Fake::default();
        let slow = rooms.enter(full.clone(), ());
        slow.join("busy");
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| rooms.send("busy", "1"));
            let others = rooms.clone();
            let joining = scope.spawn(move || enter(&others, ()).0.join("busy"));
            let (done, is_done) = mpsc::channel();
            let others = rooms.clone();
            std::thread::spawn(move || {
                let (guest, to_guest) = enter(&others, ());
                guest.join("quiet");
                others.send("quiet", "2");
                done.send(to_guest.got())
            });
            let got = is_done.recv_timeout(std::time::Duration::from_secs(60));
            full.take(1);
            assert_eq!(got.expect("the other room is free"), ["2"]);
            assert_eq!(sending.join().unwrap(), 1);
            joining.join().unwrap();
        });
    }

    /// From many threads: no thread waits for ever, and when the last has left, no room remains.
    #[test]
    fn many_at_a_time() {
        let rooms = Rooms::new();
        std::thread::scope(|scope| {
            for at in 0..8 {
                let rooms = &rooms;
                scope.spawn(move || {
                    for round in 0..200 {
                        let (guest, to_guest) = enter(rooms, at);
                        let room = ["tea", "pub"][round % 2];
                        guest.join(room);
                        let line = format!("{at} {round}");
                        assert!(rooms.send(room, &*line) > 0);
                        assert!(to_guest.got().contains(&line));
                    }
                });
            }
        });
        assert!(rooms.names().is_empty() && rooms.is_empty());
    }
}
