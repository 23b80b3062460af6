//! The chat: rooms in which everyone gets everyone's lines, and the news of who joins and leaves.
//!
//! From the server come JSON objects, each a text message, in the same order for everyone in a
//! room; times are milliseconds since 1970:
//!
//! ```text
//! {"type":"joined","name":"Ada","members":["Bob","Ada"],"you":true,"time":1763680000000}
//! {"type":"joined","name":"Eve","time":1763680000000}
//! {"type":"line","name":"Ada","text":"hi","time":1763680000000}
//! {"type":"left","name":"Ada","time":1763680000000}
//! ```
//!
//! `you` and `members` are in the first message that a member gets, about itself: which name it has,
//! because one that is taken gets a suffix, and who is there. The others are only told who came: if
//! each were told all names, a request of 300 bytes would cause 38 MB of answers in a room of 400.
//! To the server every text message is a line. How long one may be, how many a second, and how many
//! members a room may have, is bounded, because each line goes to all of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time;

use serde::Serialize;
use ws_std::ws_http::{Group, Member as Seat, Membership, Watch};
use ws_std::ws_proto::Instant;
use ws_std::{CloseCode, Error, Message, Pace, Prepared, Request, WebSocket, Writer};

use crate::text::is_control;
use crate::utc::Utc;

/// The longest name of a room or a member, in characters.
const MAX_NAME: usize = 64;

/// The member that a connection wants to be, and the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    room: String,
    name: String,
}

/// The fault of a name, in words for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadName {
    parameter: &'static str,
    wrong: &'static str,
}

/// What a member may ask of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most members of a room; the next is closed with 1013.
    pub(crate) members: usize,
    /// The longest line, in bytes; a member that sends a longer one is closed with 1009.
    pub(crate) line: usize,
    /// The most lines a second, and twice as many at once; a member that sends more is closed with
    /// 1008.
    pub(crate) lines: Option<u32>,
}

/// All rooms that somebody is in. Clones are the same rooms.
#[derive(Debug)]
pub(crate) struct Rooms<S: Seat = Writer> {
    open: Arc<Mutex<HashMap<String, Shared<S>>>>,
    bounds: Bounds,
}

/// A place taken in a room, given up when it is dropped.
#[derive(Debug)]
#[must_use = "the member leaves when this is dropped"]
pub(crate) struct Member<S: Seat> {
    rooms: Rooms<S>,
    room: Shared<S>,
    room_name: String,
    name: String,
    /// Until it leaves.
    membership: Option<Membership<S>>,
}

/// Never locked while the map of rooms is: a busy room holds up nobody in another.
type Shared<S> = Arc<Mutex<Room<S>>>;

/// A room, and the names of its members in the order in which they joined.
#[derive(Debug)]
struct Room<S: Seat> {
    names: Vec<String>,
    group: Group<S>,
    /// The last member has left: who comes now makes a room anew.
    forgotten: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event<'a> {
    Line {
        name: &'a str,
        text: &'a str,
        time: u64,
    },
    Joined {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<Vec<&'a str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        you: Option<bool>,
        time: u64,
    },
    Left {
        name: &'a str,
        time: u64,
    },
}

/// Runs one connection of the chat.
///
/// # Errors
///
/// The connection broke, or the place cannot be taken.
pub(crate) fn talk(
    rooms: &Rooms,
    mut ws: WebSocket,
    place: Place,
    message_came: impl Fn(),
) -> Result<(), Error> {
    let bounds = rooms.bounds;
    let Some(member) = rooms.join(place, ws.writer()) else {
        return ws.close(CloseCode::TRY_AGAIN_LATER, "the room is full");
    };
    let begun = time::Instant::now();
    let mut watch = bounds.watch();
    let mut refused = false;
    ws.for_each(|message, tx| {
        message_came();
        // What the member sent before it saw our Close is dropped.
        if refused {
            return Ok(());
        }
        let now = Instant::from_epoch(begun.elapsed());
        watch.frames(1, now);
        let (code, reason) = match message {
            _ if watch.check(now).is_err() => (CloseCode::POLICY, "too many lines"),
            Message::Text(text) if text.len() <= bounds.line => {
                member.say(text);
                return Ok(());
            }
            Message::Text(_) => (CloseCode::TOO_BIG, "too long a line"),
            Message::Binary(_) => (CloseCode::UNSUPPORTED, "a line is text"),
        };
        refused = true;
        tx.close(code, reason)
    })
}

impl Bounds {
    /// Watches the lines of one member.
    fn watch(self) -> Watch {
        let mut pace = Pace::default();
        pace.max_frames = self.lines;
        Watch::new(pace, Instant::default())
    }
}

impl Place {
    /// Reads `?room=…&name=…`. Without a room it is the lobby, without a name the member is a
    /// guest.
    ///
    /// # Errors
    ///
    /// The parameter that is bad, and why.
    pub(crate) fn of(request: &Request) -> Result<Self, BadName> {
        let room = request.param("room");
        let name = request.param("name");
        Ok(Self {
            room: checked("room", room.as_deref(), "lobby")?,
            name: checked("name", name.as_deref(), "guest")?,
        })
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.parameter, self.wrong)
    }
}

impl<S: Seat> Rooms<S> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            open: Arc::default(),
            bounds,
        }
    }

    /// Takes a place, and tells everyone in the room. `None` if no place is free.
    pub(crate) fn join(&self, place: Place, seat: S) -> Option<Member<S>> {
        let Place { room, name } = place;
        loop {
            let shared = lock(&self.open).entry(room.clone()).or_default().clone();
            let mut members = lock(&shared);
            // Its last member left meanwhile.
            if members.forgotten {
                drop(members);
                self.forget(&room, &shared);
                continue;
            }
            if members.names.len() >= self.bounds.members {
                return None;
            }
            let (name, membership) = members.join(name, seat);
            drop(members);
            return Some(Member {
                rooms: self.clone(),
                room: shared,
                room_name: room,
                name,
                membership: Some(membership),
            });
        }
    }

    /// Takes a room that nobody is in out of the map, unless another has its name by now.
    fn forget(&self, name: &str, room: &Shared<S>) {
        let mut open = lock(&self.open);
        if open.get(name).is_some_and(|own| Arc::ptr_eq(own, room)) {
            open.remove(name);
        }
    }
}

impl<S: Seat> Clone for Rooms<S> {
    fn clone(&self) -> Self {
        Self {
            open: self.open.clone(),
            bounds: self.bounds,
        }
    }
}

impl<S: Seat> Member<S> {
    /// Says a line to everyone in the room.
    pub(crate) fn say(&self, text: &str) {
        lock(&self.room).say(&self.name, text);
    }
}

impl<S: Seat> Drop for Member<S> {
    fn drop(&mut self) {
        let mut room = lock(&self.room);
        self.membership = None;
        room.leave(&self.name);
        room.forgotten = room.names.is_empty();
        let forgotten = room.forgotten;
        drop(room);
        if forgotten {
            self.rooms.forget(&self.room_name, &self.room);
        }
    }
}

impl<S: Seat> Room<S> {
    fn join(&mut self, name: String, seat: S) -> (String, Membership<S>) {
        let name = self.unused(name);
        self.names.push(name.clone());
        let time = Utc::now().millis();
        let event = |members, you| Event::Joined {
            name: &name,
            members,
            you,
            time,
        };
        let names = self.names.iter().map(String::as_str).collect();
        // If it is gone already, its own thread will see.
        let _ = seat.queue_prepared(&Prepared::new(&*event(Some(names), Some(true)).encode()));
        let membership = self.group.join(seat);
        membership.send_to_others(&*event(None, None).encode());
        (name, membership)
    }

    fn say(&self, name: &str, text: &str) {
        let time = Utc::now().millis();
        self.tell(&Event::Line { name, text, time });
    }

    fn leave(&mut self, name: &str) {
        self.names.retain(|own| own != name);
        let time = Utc::now().millis();
        self.tell(&Event::Left { name, time });
    }

    /// Tells everyone. Who is too slow is closed with 1013.
    fn tell(&self, event: &Event<'_>) {
        self.group.send(&*event.encode());
    }

    /// The name, with a suffix if it is taken.
    fn unused(&self, name: String) -> String {
        let taken = |name: &str| self.names.iter().any(|own| own == name);
        if !taken(&name) {
            return name;
        }
        let mut number = 2_u64;
        loop {
            let suffix = format!("-{number}");
            let kept = name.chars().take(MAX_NAME - suffix.len());
            let candidate = kept.chain(suffix.chars()).collect::<String>();
            if !taken(&candidate) {
                return candidate;
            }
            number += 1;
        }
    }
}

impl<S: Seat> Default for Room<S> {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            group: Group::new(),
            forgotten: false,
        }
    }
}

impl Event<'_> {
    /// The event as it travels.
    fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Takes a lock, poisoned or not: every change of a room is whole before anything that could panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn checked(parameter: &'static str, value: Option<&str>, default: &str) -> Result<String, BadName> {
    let bad = |wrong| Err(BadName { parameter, wrong });
    let value = value.unwrap_or_default();
    if value.chars().any(is_control) {
        return bad("has a control character in it");
    }
    match value.trim() {
        "" => Ok(default.into()),
        value if value.chars().count() > MAX_NAME => bad("is longer than 64 characters"),
        value => Ok(value.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use super::*;

    /// Keeps what it is given, for the test to look at.
    #[derive(Clone, Default)]
    struct Ears(Arc<Mutex<Vec<String>>>);

    impl Seat for Ears {
        fn queue_prepared(&self, event: &Prepared) -> Result<(), Error> {
            let text = event.message().as_text().expect("events are text");
            lock(&self.0).push(text.into());
            Ok(())
        }

        fn poll_room(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        fn close(&self, _: CloseCode, _: &str) -> Result<(), Error> {
            Ok(())
        }

        fn abort(&self) {}
    }

    const BOUNDS: Bounds = Bounds {
        members: 10,
        line: 100,
        lines: Some(10),
    };

    impl Ears {
        /// The events since, without the times.
        fn heard(&self) -> Vec<String> {
            let untimed = |event: String| match event.split_once(",\"time\":") {
                Some((event, time)) => {
                    assert!(time.trim_end_matches('}').parse::<u64>().is_ok(), "{time}");
                    format!("{event}}}")
                }
                None => event,
            };
            lock(&self.0).drain(..).map(untimed).collect()
        }
    }

    fn join(rooms: &Rooms<Ears>, room: &str, name: &str) -> (Member<Ears>, Ears) {
        let ears = Ears::default();
        let place = Place {
            room: room.into(),
            name: name.into(),
        };
        (rooms.join(place, ears.clone()).expect("room"), ears)
    }

    #[test]
    fn everyone_hears_the_same_in_the_same_order() {
        let rooms = Rooms::new(BOUNDS);
        let (ada, ada_hears) = join(&rooms, "tea", "Ada");
        assert_eq!(
            ada_hears.heard(),
            [r#"{"type":"joined","name":"Ada","members":["Ada"],"you":true}"#]
        );
        let (bob, bob_hears) = join(&rooms, "tea", "Bob");
        assert_eq!(ada_hears.heard(), [r#"{"type":"joined","name":"Bob"}"#]);
        assert_eq!(
            bob_hears.heard(),
            [r#"{"type":"joined","name":"Bob","members":["Ada","Bob"],"you":true}"#]
        );
        ada.say("a \"quote\"\n");
        bob.say("é");
        drop(ada);
        let talk = [
            r#"{"type":"line","name":"Ada","text":"a \"quote\"\n"}"#,
            r#"{"type":"line","name":"Bob","text":"é"}"#,
        ];
        assert_eq!(ada_hears.heard(), talk);
        let bob_heard = bob_hears.heard();
        assert_eq!(bob_heard[..2], talk);
        assert_eq!(bob_heard[2..], [r#"{"type":"left","name":"Ada"}"#]);
    }

    #[test]
    fn rooms_are_apart_and_forgotten_when_empty() {
        let rooms = Rooms::new(BOUNDS);
        let (tea, tea_hears) = join(&rooms, "tea", "Ada");
        let (pub_, pub_hears) = join(&rooms, "pub", "Ada");
        tea_hears.heard();
        pub_.say("cheers");
        assert_eq!(tea_hears.heard(), [""; 0]);
        assert_eq!(pub_hears.heard().len(), 2);
        assert_eq!(lock(&rooms.open).len(), 2);
        drop(pub_);
        assert_eq!(lock(&rooms.open).len(), 1);
        drop(tea);
        assert!(lock(&rooms.open).is_empty());
        let (_, again) = join(&rooms, "tea", "Bob");
        assert!(again.heard()[0].contains(r#""members":["Bob"]"#));
    }

    /// Who waits for a room that is busy has nothing that another room needs.
    #[test]
    fn a_busy_room_holds_up_no_other() {
        let rooms = Rooms::new(BOUNDS);
        let (tea, _) = join(&rooms, "tea", "Ada");
        let busy = lock(&tea.room);
        let looked = Arc::strong_count(&tea.room);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(join(&rooms, "tea", "Bob")));
            // It has looked, and waits now or in a moment.
            while Arc::strong_count(&tea.room) == looked {
                std::thread::yield_now();
            }
            let (done, is_done) = std::sync::mpsc::channel();
            let others = rooms.clone();
            std::thread::spawn(move || {
                drop(join(&others, "pub", "Eve"));
                done.send(())
            });
            let minute = time::Duration::from_secs(60);
            let joined = is_done.recv_timeout(minute);
            drop(busy);
            joined.expect("the other room is free");
            waiting.join().unwrap();
        });
    }

    #[test]
    fn a_name_that_is_taken_gets_a_suffix() {
        let rooms = Rooms::new(BOUNDS);
        let name = |member: &Member<Ears>| member.name.clone();
        let (first, _) = join(&rooms, "tea", "Ada");
        let (second, _) = join(&rooms, "tea", "Ada");
        let (third, _) = join(&rooms, "tea", "Ada");
        assert_eq!(
            [name(&first), name(&second), name(&third)],
            ["Ada", "Ada-2", "Ada-3"]
        );
        drop(second);
        let (again, _) = join(&rooms, "tea", "Ada");
        assert_eq!(name(&again), "Ada-2");
        let (taken, _) = join(&rooms, "tea", "Ada-2");
        assert_eq!(name(&taken), "Ada-2-2");

        let long = "é".repeat(MAX_NAME);
        let (_first, _) = join(&rooms, "tea", &long);
        let (second, _) = join(&rooms, "tea", &long);
        assert_eq!(name(&second), format!("{}-2", "é".repeat(MAX_NAME - 2)));
    }

    #[test]
    fn a_room_has_so_many_members_and_another_as_many() {
        let rooms = Rooms::new(BOUNDS);
        let mut members: Vec<_> = (0..10).map(|_| join(&rooms, "tea", "Ada")).collect();
        let place = |room: &str| Place {
            room: room.into(),
            name: "Eve".into(),
        };
        assert!(rooms.join(place("tea"), Ears::default()).is_none());
        let (pub_, _) = join(&rooms, "pub", "Eve");
        members.pop();
        let eve = rooms.join(place("tea"), Ears::default());
        assert_eq!(eve.expect("a place").name, "Eve");
        drop(pub_);
    }

    #[test]
    fn names_are_short_and_without_controls() {
        let name = |value| checked("name", value, "guest");
        let longest = "é".repeat(64);
        for (value, name_of) in [
            (None, "guest"),
            (Some(""), "guest"),
            (Some("  "), "guest"),
            (Some(" Ada Lovelace "), "Ada Lovelace"),
            (Some(&*longest), &*longest),
            (Some("👩🏽\u{200D}🚀"), "👩🏽\u{200D}🚀"),
        ] {
            assert_eq!(name(value).as_deref(), Ok(name_of));
        }
        for value in [
            &*"é".repeat(65),
            "a\nb",
            "\0",
            "\u{7f}",
            "\u{85}",
            "\u{202e}nimda",
        ] {
            let bad = name(Some(value)).unwrap_err().to_string();
            assert!(bad.starts_with("the name "), "{bad}");
        }
    }

    /// Joining, talking and leaving from many threads: no thread waits for ever, and when the last
    /// member has left, no room remains.
    #[test]
    fn many_at_a_time() {
        let rooms = Rooms::new(BOUNDS);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for round in 0..200 {
                        let (member, hears) = join(&rooms, ["tea", "pub"][round % 2], "Ada");
                        member.say("hi");
                        let heard = hears.heard();
                        assert!(heard[0].contains(r#""you":true"#), "{}", heard[0]);
                        let own = format!(r#""name":"{}","text":"hi""#, member.name);
                        assert!(heard.iter().any(|event| event.contains(&own)));
                    }
                });
            }
        });
        assert!(lock(&rooms.open).is_empty());
    }
}
